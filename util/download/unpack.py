"""Unpacking a zip or tar archive of a stranger: plain files and folders inside one folder, of a bounded size, or nothing."""

from __future__ import annotations

import errno
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from util.console import Progress
from util.download.transfer import WriteError
from util.errors import UserError

MAX_FILES = 1_000_000
SLACK = 100 << 20  # bytes
WINDOWS = os.name == "nt"
BAD_NAMES = {
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EINVAL,
    errno.EILSEQ,
    errno.ENOENT,
}  # not the disk's fault
BAD_ARCHIVE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
)
Member = tuple[str, int, IO[bytes] | None]  # name, bytes, content (None: a folder)


def default_limit(archive: Path) -> int:
    """Images hardly compress, so what is much larger than its archive is no set of images."""
    return 4 * archive.stat().st_size + SLACK


def unpack(archive: Path, folder: Path, limit: int | None = None) -> None:
    """Unpack into ``folder``, which is made and must not exist. After any error it does not exist either.

    Raises:
        UserError: no archive; a member outside the folder, a link or a device; damaged; over ``limit`` bytes in all.
    """
    limit = default_limit(archive) if limit is None else limit
    folder.mkdir(parents=True)
    try:
        _unpack_all(archive, folder, limit)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, FileExistsError):
            raise UserError(
                f"the archive has {Path(error.filename).name} twice (or in upper and lower case)"
            ) from None
        if isinstance(error, OSError) and error.errno and error.errno not in BAD_NAMES:
            raise WriteError(
                f"cannot unpack to {folder}: {error.strerror}; make room, then the same command goes on"
            ) from None
        if isinstance(error, BAD_ARCHIVE):
            raise UserError(f"no archive, or a damaged one: {error}") from None
        raise


def _unpack_all(archive: Path, folder: Path, limit: int) -> None:
    total, progress = (
        0,
        Progress(
            archive.stat().st_size,
            f"Unpacking {archive.name.removeprefix('.').removesuffix('.part')}",
        ),
    )
    for number, (name, size, content) in enumerate(_members(archive)):
        target = folder / _inside(name)
        total += size
        if total > limit or number >= MAX_FILES:
            raise UserError(
                f"the content is larger than {limit / 2**20:.0f} MiB or {MAX_FILES} files; not unpacked"
            )
        if _is_litter(target):
            continue
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            content,
            target.open("xb") as file,
        ):  # x: a name that comes twice, also in another case where that is the same
            shutil.copyfileobj(content, file, 1 << 20)
        progress.update(size)
    progress.close()


def _inside(name: str) -> Path:
    """``name`` as a relative path, on Windows with _ for what its names cannot hold. Refused: absolute, upwards, a backslash."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or any(c in name for c in "\\\0"):
        raise UserError(
            f"the archive has the member {name!r}, which would lie outside of its folder; not unpacked"
        )
    return Path(
        *(re.sub('[<>:"|?*]', "_", part) if WINDOWS else part for part in parts)
    )  # photos may be named after times


def _is_litter(path: Path) -> bool:
    return (
        "__MACOSX" in path.parts
        or path.name.startswith("._")
        or path.name in (".DS_Store", "Thumbs.db")
    )


def _members(archive: Path) -> Iterator[Member]:
    with ExitStack() as stack:
        if zipfile.is_zipfile(archive):
            bundle = stack.enter_context(zipfile.ZipFile(archive))
            for info in bundle.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                _refuse(info.filename, kind not in (0, stat.S_IFREG, stat.S_IFDIR))
                yield info.filename, info.file_size, None if info.is_dir() else bundle.open(info)
        else:
            tape = stack.enter_context(tarfile.open(archive, "r:*"))
            for member in tape:
                _refuse(member.name, not (member.isreg() or member.isdir()))
                yield member.name, member.size, None if member.isdir() else tape.extractfile(member)


def _refuse(name: str, special: bool) -> None:
    if special:
        raise UserError(
            f"the archive has the member {name!r}, which is a link or a device; not unpacked"
        )

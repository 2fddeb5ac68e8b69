"""Unpacking an untrusted zip or tar archive: regular files and folders only, of bounded size."""

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
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from util.console import Progress
from util.download.transfer import FREE_SPACE, WriteError, shown_name
from util.errors import UserError

MAX_FILES = 1_000_000
SLACK = 100 << 20  # bytes
WINDOWS = os.name == "nt"
NAME_ERRORS = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR}  # not the disk's fault
NAME_ERRORS |= {errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR}
DECODING_ERRORS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
ARCHIVE_ERRORS = (*DECODING_ERRORS, OSError, ValueError, RuntimeError)  # of encrypted archives too
Member = tuple[str, int, bool, Callable]  # name, bytes, regular file or folder, extract


def unpack(archive: Path, folder: Path, limit: int | None = None) -> None:
    """Unpack ``archive`` into the new folder ``folder``, which does not exist after an error.

    Args:
        limit: the most bytes to unpack; default: 4 times the archive and ``SLACK``.

    Raises:
        UserError: not an archive, or a damaged one; it holds more than ``limit`` bytes, a link, a
            device, the same name twice, or a name outside ``folder``.
        WriteError: ``folder`` cannot be written.
    """
    if limit is None:  # images hardly compress
        limit = 4 * archive.stat().st_size + SLACK
    folder.mkdir(parents=True)
    try:
        _unpack_all(archive, folder, limit)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno and error.errno not in NAME_ERRORS:
            raise WriteError(f"cannot unpack to {folder}: {error.strerror}; {FREE_SPACE}") from None
        if isinstance(error, ARCHIVE_ERRORS):
            raise UserError(f"it is not an archive, or it is damaged: {error}") from None
        raise


def _unpack_all(archive: Path, folder: Path, limit: int) -> None:
    label = f"Unpacking {shown_name(archive)}"
    with closing(Progress(archive.stat().st_size, label)) as progress:
        for number, (name, size, regular, extract) in enumerate(_members(archive), 1):
            progress.update(size)
            if progress.done > limit or number > MAX_FILES:
                bound = f"{limit / 2**20:.0f} MiB or {MAX_FILES} files"
                raise UserError(f"not unpacked: the content is larger than {bound}")
            if not regular:
                raise UserError(f"not unpacked: the member {name!r} is a link or a device")
            if not name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
                raise UserError(f"not unpacked: the member {name!r} would not be inside its folder")
            target = folder / name
            if target.is_file():
                raise UserError(f"not unpacked: {name!r} is a duplicate, or one in another case")
            if not _is_litter(target):
                extract(path=folder)


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                info.filename = _portable(info.filename)
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
                yield info.filename, info.file_size, regular, partial(zipped.extract, info)
        return
    check_python("tar")
    with tarfile.open(archive) as tape:
        for member in tape:
            member.name = _portable(member.name)
            extract = partial(tape.extract, member, filter="data")
            yield member.name, member.size, member.isreg() or member.isdir(), extract


def check_python(name: str) -> None:
    """Raise UserError if ``name`` is of a tar archive and this Python cannot unpack it safely."""
    if "tar" in name.split(".") and not hasattr(tarfile, "data_filter"):
        raise UserError("unpacking a tar archive safely needs Python 3.10.12, 3.11.4 or newer")


def _portable(name: str) -> str:
    """On Windows, ``name`` with _ for the characters that file names cannot contain there."""
    return re.sub('[<>:"|?*]', "_", name) if WINDOWS else name


def _is_litter(path: Path) -> bool:
    """True for files that macOS and Windows add to folders and archives."""
    system_file = path.name.startswith("._") or path.name in (".DS_Store", "Thumbs.db")
    return system_file or "__MACOSX" in path.parts

"""Unpacking an untrusted zip or tar archive: regular files and folders only, of bounded size."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from util.console import Progress
from util.download.transfer import FREE_SPACE, WriteError, shown_name
from util.errors import UserError, first_line

MAX_FILES = 1_000_000
SLACK = 100 << 20  # bytes
DESCRIPTOR = 24  # most bytes that may follow the content of a zip member
MAX_HEADER = 1 << 20  # bytes of a tar archive between the contents of two members
WINDOWS = os.name == "nt"
NAME_ERRORS = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR}  # not the disk's fault
NAME_ERRORS |= {errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR}
DECODING_ERRORS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
# RuntimeError: of encrypted archives; ArithmeticError: of numbers that are too large
ARCHIVE_ERRORS = (*DECODING_ERRORS, OSError, ValueError, RuntimeError, ArithmeticError)
Member = tuple[str, int, bool, Callable]  # name, bytes, regular file or folder, extract


def unpack(archive: Path, folder: Path, limit: int | None = None) -> None:
    """Unpack ``archive`` into the new folder ``folder``, which does not exist after an error.

    Args:
        limit: the most bytes to decompress, headers of a tar archive included; default: 4 times
            the archive and ``SLACK``.

    Raises:
        UserError: not an archive, or a damaged one; it holds more than ``limit`` bytes, a header
            of more than ``MAX_HEADER``, a link, a device, a sparse file, a zip member of an unusual
            compression, the same name twice, or a name outside ``folder``.
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
            reason = first_line(error)
            raise UserError(f"it is not an archive, or it is damaged: {reason}") from None
        raise


def _unpack_all(archive: Path, folder: Path, limit: int) -> None:
    label = f"Unpacking {shown_name(archive)}"
    with closing(Progress(archive.stat().st_size, label)) as progress:
        for number, (name, size, regular, extract) in enumerate(_members(archive, limit), 1):
            progress.update(size)
            if progress.done > limit or number > MAX_FILES:
                raise UserError(_too_large(limit))
            if not regular:
                reason = "a link or a device, or is stored in an unusual way"
                raise UserError(f"not unpacked: the member {name!r} is {reason}")
            if not name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
                raise UserError(f"not unpacked: the member {name!r} would not be inside its folder")
            target = folder / name
            if target.is_file():
                raise UserError(f"not unpacked: {name!r} is a duplicate, or one in another case")
            if not _is_litter(target):
                extract(path=folder)


def _too_large(limit: int) -> str:
    bound = f"{limit / 2**20:.0f} MiB or {MAX_FILES} files"
    return f"not unpacked: the content is larger than {bound}"


def _members(archive: Path, limit: int) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            _check_complete(archive, zipped)
            for info in zipped.infolist():
                info.filename = _portable(info.filename)
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
                # zipfile decompresses bzip2 and LZMA in blocks of unbounded size.
                usual = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                extract = partial(zipped.extract, info)
                yield info.filename, info.file_size, regular and usual, extract
        return
    check_python("tar")
    with _decompressed(archive) as file:
        source: Any = _Bounded(file, limit)  # has the three methods that tarfile needs
        with tarfile.open(fileobj=source, mode="r:") as tape:
            while member := tape.next():
                if member.size < 0:
                    raise tarfile.ReadError(f"the size of {member.name!r} is negative")
                member.name = _portable(member.name)
                regular = member.isdir() or (member.isreg() and not member.issparse())
                size = member.size if member.isreg() else 0
                source.end = member.offset_data + size
                yield member.name, size, regular, partial(tape.extract, member, filter="data")
                source.end += MAX_HEADER
        source.finish()


def _check_complete(archive: Path, zipped: zipfile.ZipFile) -> None:
    """Check that the directory of a zip lists all of its members.

    Each member begins where the one before ends, and the directory follows the last one. Only the
    program of a self-extracting archive may precede the first member.

    Raises zipfile.BadZipFile: there is something between two of them.
    """
    with archive.open("rb") as file:
        end = 0 if file.read(4) == b"PK\3\4" else None
        for info in sorted(zipped.infolist(), key=lambda info: info.header_offset):
            if end is not None and info.header_offset > end + DESCRIPTOR:
                break
            file.seek(info.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4).ljust(4, b"\0"))
            end = info.header_offset + 30 + name + extra + info.compress_size
        else:
            if end is None or zipped.start_dir <= end + DESCRIPTOR:
                return
    raise zipfile.BadZipFile(f"its directory does not list what follows byte {end}")


def _decompressed(archive: Path) -> Any:
    """Open a file of any content; gzip, bzip2 and xz are decompressed while it is read."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(archive)
    if start.startswith(b"BZh"):
        return bz2.open(archive)
    return lzma.open(archive) if start == b"\xfd7zXZ\0" else archive.open("rb")


class _Bounded:
    """A decompressed tar archive that refuses to be read too far.

    Attributes:
        limit: the most bytes to decompress.
        end: the position in the archive that the next read may reach. tarfile reads a header into
            memory at once, and the archive itself says how long the header is.
    """

    def __init__(self, file: Any, limit: int) -> None:
        self.file, self.limit, self.end = file, limit, MAX_HEADER
        self.tell = file.tell
        self.last = b""  # what the last read returned

    def read(self, size: int) -> bytes:
        if self.file.tell() + size > self.end:
            raise UserError(f"not unpacked: a header is larger than {MAX_HEADER >> 20} MiB")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        self.last = self.file.read(size)
        if self.file.tell() > self.limit:
            raise UserError(_too_large(self.limit))
        return self.last

    def seek(self, position: int) -> int:
        return self.file.seek(min(position, self.limit + 1))  # the next read is refused there

    def finish(self) -> None:
        """Read the rest, whose checksum is verified.

        For tarfile, a damaged header is the end of the archive, and so is one of zeros, as a
        download with a hole has it.

        Raises:
            EOFError: the archive is cut off.
            tarfile.ReadError: something follows its end.
        """
        if self.last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("the end of the archive is missing")
        while rest := self._read(1 << 16):
            if any(rest):
                raise tarfile.ReadError("there is something after its end")


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

"""TIFF and NumPy files that are written window by window, and can be resumed after a kill."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from util.errors import UserError, needs, reason_of
from util.files import no_link
from util.image.raster_tags import RasterTags
from util.image.raster_writing import KINDS, tif_settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SIDE = 256  # of a tile of a TIFF, in pixels
CLASSIC = 2**32 - 2**25  # bytes; TIFFs of more pixels are BigTIFFs
GIGABYTE = 10**9
LAYOUT = (256, 257, 322, 323, 324, 325)  # tags of a TIFF: its size and its tiles


def unfinished(path: Path) -> Path:
    """Return the name of a file while it is written."""
    return path.with_name(f"{path.name}.part")


class Layout(NamedTuple):
    """Where the pixels of a file lie: in blocks, one after the other, each row by row.

    Attributes:
        shape: (H, W, C) of the image.
        dtype: of the pixels.
        sides: height and width of a block.
        start: position of the first block in the file, in bytes.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    sides: tuple[int, int]
    start: int

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        (height, width, _), (high, wide) = self.shape, self.sides
        return -(-height // high), -(-width // wide)

    @property
    def block_size(self) -> int:
        """Bytes of a block."""
        return self.sides[0] * self.sides[1] * self.shape[2] * self.dtype.itemsize

    @property
    def end(self) -> int:
        """Size of the file in bytes."""
        return self.start + self.blocks[0] * self.blocks[1] * self.block_size

    def pieces(self, top: int, left: int, array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the pieces of a window (h, w, C) that lie together, with their positions."""
        (high, wide), (_, columns) = self.sides, self.blocks
        pixel = self.shape[2] * self.dtype.itemsize
        bottom, right = top + array.shape[0], left + array.shape[1]
        for row in range(top // high, -(-bottom // high)):
            for column in range(left // wide, -(-right // wide)):
                first, last = max(top, row * high), min(bottom, (row + 1) * high)
                start, stop = max(left, column * wide), min(right, (column + 1) * wide)
                part = array[first - top : last - top, start - left : stop - left]
                block = self.start + (row * columns + column) * self.block_size
                at = block + ((first - row * high) * wide + start - column * wide) * pixel
                if stop - start == wide:
                    yield at, part
                else:
                    for i, line in enumerate(part):
                        yield at + i * wide * pixel, line


class WindowFile:
    """A .tif, .tiff or .npy file that has its size from the start and its name at the end.

    Until :meth:`close` it is called ``NAME.part``. Pixels are not compressed, because they have
    their places in advance. A TIFF has tiles of 256x256 pixels, and is a BigTIFF if it is larger
    than 4 GB.

    Attributes:
        resumed: True if an unfinished file was found that holds the same kind of image.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        nodata: float | None = None,
        tags: RasterTags | None = None,
        resume: bool = False,
    ) -> None:
        """Create the file with zeros in all places, which takes the room on the disk at once.

        Args:
            shape: (H, W, C).
            nodata, tags: see :func:`util.image.raster_writing.save_raster`.
            resume: keep what an unfinished file of the same kind holds.

        Raises:
            UserError: it cannot be written, another process writes it, or the disk is too full.
        """
        self.path, self.part = path, unfinished(path)
        self.kind = KINDS[path.suffix.lower()]
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.settings = tif_settings(self.dtype, shape[2], nodata, tags)
        try:
            if path.is_symlink():
                no_link(str(path), os.O_RDONLY)
            if self.part.exists() and not self.part.is_file():  # a pipe would block forever
                raise OSError(0, "it is not a file", self.part)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file: IO[bytes] = open(self.part, "r+b", 0, opener=_create)  # noqa: SIM115
        except OSError as error:
            raise self._problem(error) from None
        self._lock()
        layout = self._found() if resume else None
        self.resumed = layout is not None
        self.layout = layout or self._created()

    def _lock(self) -> None:
        """Raise UserError if another process writes the file."""
        try:
            if fcntl:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            busy = False
        except BlockingIOError:
            busy = True
        except OSError:  # of a file system without locks
            busy = False
        try:  # a process that has just finished has given the opened file its name
            busy |= not os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.part))
        except OSError:
            busy = True
        if busy:
            self.file.close()
            raise UserError(f"cannot write {self.path}: another process is writing {self.part}")

    def _problem(self, error: OSError) -> UserError:
        return UserError(f"cannot write {error.filename or self.part}: {reason_of(error)}")

    def _found(self) -> Layout | None:
        """Return the layout of the unfinished file if it is complete and of the same kind."""
        try:
            layout = self._layout()
            same = (layout.shape, layout.dtype) == (self.shape, self.dtype) and self._same_tags()
            return layout if same and os.fstat(self.file.fileno()).st_size == layout.end else None
        except Exception:  # readers raise almost anything on files that are not complete
            return None

    def _layout(self) -> Layout:
        """Read the layout from the header of the file. Raises anything: it is not complete."""
        with open(self.part, "rb") as file:
            if self.kind == "npy":
                np.lib.format.read_magic(file)
                shape, order, dtype = np.lib.format.read_array_header_1_0(file)
                assert not order
                height, width, channels = (*shape, 1)[:3]
                return Layout((height, width, channels), dtype, (height, width), file.tell())
            import tifffile

            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages[0]
                _, _, height, width, channels = page.shaped
                layout = Layout(
                    (height, width, channels),
                    page.dtype,
                    (page.tilelength, page.tilewidth),
                    page.dataoffsets[0],
                )
                size, number = layout.block_size, layout.blocks[0] * layout.blocks[1]
                expected = tuple(layout.start + i * size for i in range(number))
                assert tuple(page.dataoffsets) == expected
                return layout

    def _same_tags(self) -> bool:
        with open(self.part, "rb") as file:
            return self.kind == "npy" or _tags_of(file) == self._tags()

    def _created(self) -> Layout:
        """Write a file of zeros, and return its layout."""
        pixel = self.shape[2] * self.dtype.itemsize
        sides = (SIDE, SIDE) if self.kind == "tif" else self.shape[:2]
        size = Layout(self.shape, self.dtype, sides, 0).end
        try:
            self.file.truncate(0)
            free = shutil.disk_usage(self.part.parent).free
            if size > free:
                raise OSError(0, f"its disk has {free / GIGABYTE:.3g} GB of room")
            # A second handle, because raw files may write a part of a block without an error
            with open(self.part, "r+b") as stream:
                if self.kind == "tif":
                    self._write_tif(stream, self.shape, size)
                else:
                    shape = self.shape[:2] if self.shape[2] == 1 else self.shape
                    header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(stream, header)
                    row = bytes(self.shape[1] * pixel)
                    for _ in range(self.shape[0]):
                        stream.write(row)
            return self._layout()
        except OSError as error:
            self.file.close()
            self.part.unlink(missing_ok=True)
            raise UserError(
                f"cannot write {self.path}, which needs {size / GIGABYTE:.3g} GB: "
                f"{reason_of(error)}"
            ) from None

    def _write_tif(self, stream: IO[bytes], shape: tuple[int, int, int], size: int) -> None:
        """Write a TIFF of zeros of ``size`` bytes."""
        with needs("writing TIFF", "tifffile"):
            import tifffile
        sides = shape[:2] if shape[2] == 1 else shape
        with tifffile.TiffWriter(stream, bigtiff=size > CLASSIC, byteorder="<") as tiff:
            tiff.write(shape=sides, dtype=self.dtype, tile=(SIDE, SIDE), **self.settings)

    def _tags(self) -> dict[int, Any]:
        """Return the tags of a file like this one, without those of its size."""
        content = io.BytesIO()
        self._write_tif(content, (SIDE, SIDE, self.shape[2]), 0)
        content.seek(0)
        return _tags_of(content)

    def write(self, top: int, left: int, array: np.ndarray) -> None:
        """Write a window (h, w, C) of the type of the file.

        Raises UserError: the disk is full, for example. What was written before stays.
        """
        try:
            for at, piece in self.layout.pieces(top, left, array.astype(self.dtype, copy=False)):
                self.file.seek(at)
                data = memoryview(piece.tobytes())
                while len(data):
                    data = data[self.file.write(data) :]
        except OSError as error:
            raise self._problem(error) from None

    def flush(self) -> None:
        """Force what was written onto the disk. Raises UserError: it cannot be written."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise self._problem(error) from None

    def close(self) -> None:
        """Give the file its name. Raises UserError: it cannot be written."""
        self.flush()
        if fcntl is None:  # Windows renames no open file
            self.file.close()
        try:
            os.replace(self.part, self.path)
        except OSError as error:
            raise self._problem(error) from None
        finally:
            self.file.close()  # not before, because the lock ends with it

    def discard(self) -> None:
        """Remove the unfinished file."""
        if fcntl is None:
            self.file.close()
        with contextlib.suppress(OSError):
            self.part.unlink()
        self.file.close()


def _create(path: str, flags: int) -> int:
    """An opener of a file that need not exist, and is no link."""
    return no_link(path, flags | os.O_CREAT)


def _tags_of(file: IO[bytes]) -> dict[int, Any]:
    """Return tag -> value of a TIFF, without the tags of its size."""
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        return {tag.code: tag.value for tag in tiff.pages[0].tags if tag.code not in LAYOUT}

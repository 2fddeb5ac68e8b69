"""Windows of the values that a TIFF holds, decoded strip by strip or tile by tile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from data.rasters.header import MIN_IS_WHITE, errors_of, tiff_pages
from util.errors import UserError

LARGEST = 2**26  # bytes of a decoded strip or tile; larger ones are no windows
KEPT = 2**28  # bytes of decoded strips and tiles that stay in memory
MEGABYTE = 10**6
TOO_SHORT = "it is damaged (it ends too early)"
ASSOCIATED = 1  # kind of an extra sample: alpha by which the colours have been multiplied


class NotWindowed(UserError):
    """A file can only be decoded whole."""


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def meets(self, top: int, left: int, height: int, width: int) -> bool:
        """True if another part has pixels in common."""
        return (
            top < self.top + self.height
            and self.top < top + height
            and left < self.left + self.width
            and self.left < left + width
        )


class _Segment(NamedTuple):
    """A strip or a tile in its place of the image."""

    top: int
    left: int
    values: np.ndarray  # (h, w, samples), cut at the border of the image


class _Cache:
    """The strips and tiles of the windows that were read last."""

    def __init__(self) -> None:
        self.lock, self.segments, self.size = threading.Lock(), dict[Any, _Segment](), 0

    def get(self, key: Any) -> _Segment | None:
        with self.lock:
            return self.segments.get(key)

    def put(self, key: Any, segment: _Segment) -> None:
        """Keep a segment, unless there is no room."""
        with self.lock:
            if key not in self.segments and self.size + segment.values.nbytes <= KEPT:
                self.segments[key] = segment
                self.size += segment.values.nbytes

    def keep(self, window: Window) -> None:
        """Forget the segments outside of ``window``; the next window often needs the others."""
        with self.lock:
            self.segments = {
                key: segment
                for key, segment in self.segments.items()
                if window.meets(segment.top, segment.left, *segment.values.shape[:2])
            }
            self.size = sum(segment.values.nbytes for segment in self.segments.values())


class _Page:
    """A page of a TIFF, whose file is opened for each read, so that threads share nothing."""

    def __init__(self, path: str, page: Any, cache: _Cache, number: int) -> None:
        """Args: page: of tifffile, whose file is open."""
        self.path, self.page, self.cache, self.number = path, page, cache, number
        self.planes, _, self.height, self.width, self.samples = page.shaped
        self.dtype = page.dtype.newbyteorder(page.parent.byteorder)
        self.offsets, self.counts = page.dataoffsets, page.databytecounts
        self.tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
        self.sides = tile or (min(page.rowsperstrip, self.height), self.width)
        self.grid = tuple(-(-a // b) for a, b in zip(page.shaped[2:4], self.sides, strict=True))
        self.is_mapped = page.is_final
        if self.is_mapped and os.path.getsize(path) < self.offsets[0] + page.nbytes:
            raise UserError(TOO_SHORT)
        page.decode  # noqa: B018  tifffile prepares its decoder while the file is open
        self.is_tiled = bool(tile)

    def problem(self) -> str:
        """Return why windows of the page cannot be read, or ""."""
        size = self.sides[0] * self.sides[1] * self.samples * self.dtype.itemsize
        if self.is_mapped or size <= LARGEST:
            return ""
        kind = "tiles" if self.is_tiled else "strips"
        sides = f"{self.sides[1]}x{self.sides[0]}"
        return f"its {kind} of {sides} pixels are decoded whole, {size // MEGABYTE} MB each"

    def read(self, window: Window, plane: int) -> np.ndarray:
        """Return a window of a plane as (h, w, samples); a plane is a band in planar files."""
        top, left, height, width = window
        if self.is_mapped:
            array = np.memmap(self.path, self.dtype, "r", self.offsets[0], self.page.shaped)
            return np.array(array[plane, 0, top : top + height, left : left + width])
        result = np.empty((height, width, self.samples), self.dtype.newbyteorder("="))
        for segment in self._segments(window, plane):
            # Rows and columns of the part that both have, in the image
            high, wide, _ = segment.values.shape
            start, stop = max(top, segment.top), min(top + height, segment.top + high)
            first, last = max(left, segment.left), min(left + width, segment.left + wide)
            result[start - top : stop - top, first - left : last - left] = segment.values[
                start - segment.top : stop - segment.top, first - segment.left : last - segment.left
            ]
        return result

    def _segments(self, window: Window, plane: int) -> Iterator[_Segment]:
        """Yield the strips or tiles that a window meets."""
        (high, wide), (rows, columns) = self.sides, self.grid
        last_row = (window.top + window.height - 1) // high
        last_column = (window.left + window.width - 1) // wide
        for row in range(window.top // high, last_row + 1):
            for column in range(window.left // wide, last_column + 1):
                index = (plane * rows + row) * columns + column
                found = self.cache.get((self.number, index))
                if found is None:
                    found = self._decoded(index, row * high, column * wide)
                    self.cache.put((self.number, index), found)
                yield found

    def _decoded(self, index: int, top: int, left: int) -> _Segment:
        """Return a strip or a tile. Raises anything: it is damaged."""
        high = min(self.sides[0], self.height - top)
        wide = min(self.sides[1], self.width - left)
        offset, count = self.offsets[index], self.counts[index]
        if not (offset and count):  # of a sparse file
            shape = high, wide, self.samples
            return _Segment(top, left, np.full(shape, self.page.nodata, self.page.dtype))
        with open(self.path, "rb") as file:
            file.seek(offset)
            data = file.read(count)
        if len(data) < count:
            raise UserError(TOO_SHORT)
        values = self.page.decode(data, index, **self.tables)[0]
        return _Segment(top, left, values[0, :high, :wide])


class TiffWindows:
    """The values of a TIFF as stored, in windows of all or some bands.

    Attributes:
        height, width: as stored, before a turn by the tag of the orientation.
        photometric, bits, compression: as the file declares them.
        in_page: number of bands in a page.
        is_premultiplied: True if the colours have been multiplied by alpha.
    """

    def __init__(self, path: str) -> None:
        """Read the header.

        Raises:
            NotWindowed: a strip or a tile is so large that it must not be decoded whole.
            UserError: names the file and why it cannot be read.
        """
        self.path, self.cache = path, _Cache()
        with tiff_pages(path) as pages:
            self.pages = [_Page(path, p, self.cache, i) for i, p in enumerate(pages)]
            self.photometric, self.bits = pages[0].photometric, int(pages[0].bitspersample)
            self.compression = int(pages[0].compression)
            self.is_premultiplied = pages[0].extrasamples[:1] == (ASSOCIATED,)
        if problem := next(filter(None, (page.problem() for page in self.pages)), ""):
            raise NotWindowed(problem)
        first = self.pages[0]
        self.height, self.width, self.dtype = first.height, first.width, first.page.dtype
        self.in_page = first.planes * first.samples

    def read(self, window: Window, bands: Sequence[int] | None = None) -> np.ndarray:
        """Return a window as (h, w, C), without a change of any value.

        Args:
            bands: which, counted from 1; None: all. Each page of several is a band.

        Raises UserError: names the file, which is damaged.
        """
        wanted = bands or range(1, self.in_page * len(self.pages) + 1)
        planes: dict[tuple[int, int], np.ndarray] = {}
        with errors_of(self.path):
            result = np.empty((window.height, window.width, len(wanted)), self.dtype)
            for i, band in enumerate(wanted):
                number, inside = divmod(band - 1, self.in_page)
                page = self.pages[number]
                plane, sample = divmod(inside, page.samples)
                if (number, plane) not in planes:
                    planes = {(number, plane): page.read(window, plane)}
                result[..., i] = planes[number, plane][..., sample]
        self.cache.keep(window)
        return result

    def read_values(self, window: Window, bands: Sequence[int] | None = None) -> np.ndarray:
        """Return a window as :meth:`read` does, but with black as 0 where white is the lowest."""
        values = self.read(window, bands)
        if self.photometric == MIN_IS_WHITE:
            values = values.dtype.type(2**self.bits - 1) - values
        return values

"""Where an image lies on the earth and how large its pixels are: tags of TIFF and PNG files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

PIXEL_SCALE, TIEPOINTS, MATRIX = 33550, 33922, 34264
GDAL_METADATA, GDAL_NODATA = 42112, 42113
KEYS = {34735: "H", 34736: "d", 34737: "s"}  # the projection: directory, numbers, texts
DIRECTORY = 34735
RASTER_TYPE, PIXEL_IS_POINT = 1025, 2  # a key of the directory, and its value for points
INCH, CENTIMETRE = 2, 3  # units of a resolution
CM_PER_INCH = 2.54
BAND_ITEM = re.compile(r'\s*<Item\b[^>]*\bsample="[^"]*"[^>]*>.*?</Item>', re.DOTALL)
STATISTICS = re.compile(r'\s*<Item\b[^>]*\bname="STATISTICS_[^>]*>.*?</Item>', re.DOTALL)

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class RasterTags:
    """The tags of a file that a translation of it can keep.

    Attributes:
        scale: width, height and depth of a pixel in units of the map; ().
        tiepoints: six numbers for each: column, row and depth in the image, then x, y, z on the
            map; ().
        matrix: 4x4, row by row, from (column, row, depth, 1) to the map; ().
        keys: tag -> the value of a tag in ``KEYS``.
        metadata: XML of GDAL; "".
        resolution: pixels per unit in x and in y, and the unit of TIFF: 1 (none), 2 (inch) or 3
            (centimetre); ().
    """

    scale: Numbers = ()
    tiepoints: Numbers = ()
    matrix: Numbers = ()
    keys: dict[int, Any] = field(default_factory=dict)
    metadata: str = ""
    resolution: Numbers = ()

    @property
    def is_geo(self) -> bool:
        """True if they say where the image lies."""
        return bool(self.scale or self.tiepoints or self.matrix or self.keys)

    def __bool__(self) -> bool:
        return bool(self.is_geo or self.metadata or self.resolution)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """The resolution in pixels per inch; None without one."""
        x, y, unit = self.resolution or (0, 0, 1)
        factor = {INCH: 1, CENTIMETRE: CM_PER_INCH}.get(int(unit), 0)
        return (x * factor, y * factor) if x * factor > 0 and y * factor > 0 else None

    @property
    def extratags(self) -> list[tuple[int, str, int, Any, bool]]:
        """All but the resolution, as ``tifffile.imwrite`` takes them."""
        numbers = {PIXEL_SCALE: self.scale, TIEPOINTS: self.tiepoints, MATRIX: self.matrix}
        tags: list[tuple[int, str, int, Any, bool]] = []
        for code, value in numbers.items():
            if value:
                tags.append((code, "d", len(value), value, True))
        for code, value in self.keys.items():
            count = 0 if KEYS[code] == "s" else len(value)
            tags.append((code, KEYS[code], count, value, True))
        if self.metadata:
            tags.append((GDAL_METADATA, "s", 0, self.metadata, True))
        return sorted(tags)

    def for_result(self, same_bands: bool) -> RasterTags:
        """Return the tags without GDAL's statistics, which do not hold for a result.

        Args:
            same_bands: False also leaves out what describes single bands, for images of others.
        """
        metadata = STATISTICS.sub("", self.metadata)
        metadata = metadata if same_bands else BAND_ITEM.sub("", metadata)
        return replace(self, metadata=metadata if "<Item" in metadata else "")

    def moved(self, factors: tuple[float, float], corner: tuple[int, int]) -> RasterTags:
        """Return the tags of a part of the image after it was resized.

        Args:
            factors: of the resize, new by old width and height.
            corner: left and top of the part in the resized image.
        """
        shifts = tuple(map(self._shift, factors, corner))
        (fx, fy), (dx, dy) = factors, shifts
        result = replace(self)
        if self.resolution:
            x, y, unit = self.resolution
            result = replace(result, resolution=(x * fx, y * fy, unit))
        if self.matrix:
            # The map's x, y and z of a column c of the result are those of c / fx + dx
            rows = [self.matrix[i : i + 4] for i in range(0, 16, 4)]
            moved = [(a / fx, b / fy, c, d + a * dx + b * dy) for a, b, c, d in rows]
            result = replace(result, matrix=tuple(value for row in moved for value in row))
        points = [self.tiepoints[i : i + 6] for i in range(0, len(self.tiepoints), 6)]
        if self.scale:
            sx, sy, *depth = self.scale
            result = replace(result, scale=(sx / fx, sy / fy, *depth))
        if self.scale and len(points) == 1:
            # The point stays in its place of the image, which is elsewhere on the map
            column, row, depth_, x, y, z = points[0]
            right, down = column / fx + dx - column, row / fy + dy - row
            points = [(column, row, depth_, x + right * sx, y - down * sy, z)]
        else:
            points = [((p[0] - dx) * fx, (p[1] - dy) * fy, *p[2:]) for p in points]
        return replace(result, tiepoints=tuple(value for point in points for value in point))

    def _shift(self, factor: float, start: int) -> float:
        """Return the column (or row) of the image that becomes column 0 of the part.

        Columns count from the left edge of the first pixel, or from its centre if the tags say that
        a pixel is a point.
        """
        half = 0.5 if self._is_point() else 0.0
        return (start + half) / factor - half

    def _is_point(self) -> bool:
        directory = self.keys.get(DIRECTORY, ())
        entries = [directory[i : i + 4] for i in range(4, len(directory), 4)]
        return any(e[0] == RASTER_TYPE and e[-1] == PIXEL_IS_POINT for e in entries)

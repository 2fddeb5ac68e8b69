"""Which tags of a file its results keep: where the image lies, and how large its pixels are."""

from __future__ import annotations

import contextlib
import functools
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from data.image_file import open_image
from data.image_to_tensor import crop_position, resized_size
from data.orientation import orientation
from data.rasters.header import is_tiff, tiff_pages
from util.errors import UserError
from util.image.raster_tags import (
    DIRECTORY,
    GDAL_METADATA,
    INCH,
    KEYS,
    MATRIX,
    PIXEL_SCALE,
    TIEPOINTS,
    RasterTags,
)

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
PLACED = ("single", "unaligned")  # datasets whose images are whole files


class Source:
    """The tags of a file, and what they are about.

    Attributes:
        tags: see :class:`RasterTags`.
        size: (width, height) of the file.
        turned: True if its EXIF orientation is not upright.
        software: "ImageJ" or "OME" if the file has a description of that kind, which no result
            keeps; else "".
    """

    def __init__(self, path: str) -> None:
        """Read the tags; damaged ones are left out. A file that cannot be read has none."""
        self.tags, self.size, self.turned, self.software = RasterTags(), (0, 0), False, ""
        with contextlib.suppress(UserError):
            if is_tiff(path):
                self._read_tiff(path)
            elif path.lower().endswith(".png"):
                self._read_png(path)

    def _read_tiff(self, path: str) -> None:
        with tiff_pages(path) as pages:
            page = pages[0]
            values = {tag.code: tag.value for tag in page.tags}
            self.size = page.imagewidth, page.imagelength
            self.software = "ImageJ" if page.is_imagej else "OME" if page.is_ome else ""
        self.turned = values.get(274, 1) != 1
        self.tags = _tags_of(values)

    def _read_png(self, path: str) -> None:
        with open_image(path, complete=False) as image:
            self.size, self.turned = image.size, orientation(image) != 1
            dpi = image.info.get("dpi")
        if dpi and min(dpi) > 0:
            self.tags = RasterTags(resolution=(*dpi, INCH))

    def result(
        self, opt: Namespace, size: tuple[int, int], same_bands: bool
    ) -> tuple[RasterTags | None, str]:
        """Return the tags of a result, and why there are none, or "".

        Args:
            opt: the options of a test, which say how images are resized and cropped.
            size: (width, height) of the result.
            same_bands: True if it has the same bands as the file.
        """
        if not self.tags:
            return None, ""
        if self.turned and not opt.no_exif:
            return None, "the image is turned upright"
        if opt.dataset_mode not in PLACED:
            return None, f"--dataset_mode {opt.dataset_mode} may show any part of the file"
        whole = resized_size(opt, self.size)
        corner = crop_position(opt, whole) if "crop" in opt.preprocess else (0, 0)
        expected = [side - start for side, start in zip(whole, corner, strict=True)]
        if "crop" in opt.preprocess:
            expected = [min(side, opt.crop_size) for side in expected]
        if tuple(expected) != size:
            return None, "the result has another size"
        tags = self.tags.for_result(same_bands)
        factors = whole[0] / self.size[0], whole[1] / self.size[1]
        unchanged = factors == (1, 1) and corner == (0, 0)
        return (tags if unchanged else tags.moved(factors, corner)), ""


class KeptTags:
    """Gives the tags that results keep, and says once why others are left out."""

    def __init__(self, opt: Namespace, note: Callable[[str], None]) -> None:
        """Args: note: prints a line, the same line once."""
        self.opt, self.note = opt, note
        self.source = functools.lru_cache(16)(Source)

    def of(
        self, path: str, size: tuple[int, int], kind: str, same_bands: bool
    ) -> RasterTags | None:
        """Return the tags of a result that is made from the file at ``path``.

        Args:
            size: (width, height) of the result.
            kind: "tif", "png" or "npy"; another 8-bit format keeps no tags.
            same_bands: True if it has the same bands as the file.
        """
        source = self.source(path)
        tags, reason = source.result(self.opt, size, same_bands)
        if source.software:
            self.note(f"Descriptions of {source.software} are left out of the results")
        if reason:
            self.note(f"Tags of position and resolution are left out of the results: {reason}")
        if tags and tags.is_geo and kind != "tif":
            self.note(f"Tags of position are left out: {kind} has none (--format tif keeps them)")
        return tags


def _tags_of(values: Mapping[int, Any]) -> RasterTags:
    """Return the tags of a TIFF that have the form that their standards demand."""
    keys = {code: _as_tuple(values[code]) for code in KEYS if code in values}
    if isinstance(values.get(34737), str):
        keys[34737] = values[34737]
    numbers: dict[int, tuple] = {}
    for code, sizes in ((PIXEL_SCALE, (2, 3)), (TIEPOINTS, range(6, 6001, 6)), (MATRIX, (16,))):
        found = _as_tuple(values.get(code, ()))
        numbers[code] = found if _are_numbers(found) and len(found) in sizes else ()
    directory = keys.get(DIRECTORY, ())
    fine = _are_numbers(directory, int) and len(directory) >= 4
    fine &= _are_numbers(keys.get(34736, ())) and isinstance(keys.get(34737, ""), str)
    metadata = values.get(GDAL_METADATA, "")
    return RasterTags(
        numbers[PIXEL_SCALE] if all(n != 0 for n in numbers[PIXEL_SCALE][:2]) else (),
        numbers[TIEPOINTS],
        numbers[MATRIX],
        keys if fine else {},
        metadata if isinstance(metadata, str) else "",
        _resolution(values),
    )


def _as_tuple(value: Any) -> Any:
    """Return a single number as a tuple; tifffile does so for several only."""
    return (value,) if isinstance(value, (int, float)) else value


def _are_numbers(values: Any, kind: Any = (int, float)) -> bool:
    return isinstance(values, Iterable) and all(isinstance(value, kind) for value in values)


def _resolution(values: Mapping[int, Any]) -> tuple[float, ...]:
    try:
        (x, per_x), (y, per_y) = values[X_RESOLUTION], values[Y_RESOLUTION]
        found = x / per_x, y / per_y
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return ()
    unit = int(values.get(RESOLUTION_UNIT, INCH))
    return (*found, unit) if min(found) > 0 and unit > 1 else ()

"""Comparing windows of files with what the ordinary path reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from data.image_file import read_image
from data.image_to_tensor import to_tensor
from data.rasters.items import raster_of
from data.rasters.reading import array_for
from data.windows.opening import FileSource
from util.values import Values

SIZE = (40, 35)  # (width, height): no multiple of a tile
RANGES = {
    "uint8": (0, 255), "uint16": (0, 65535), "uint32": (0, 2**32 - 1), "int8": (-128, 127),
    "int16": (-1024, 3071), "int32": (-(2**31), 2**31 - 1), "float16": (-1, 1),
    "float32": (0, 1), "float64": (-1e-9, 1e9),
}  # fmt: skip
TILED = {"tile": (16, 16)}
STRIPS = {"rowsperstrip": 3}
LAYOUTS = {
    "one strip": {},
    "strips": STRIPS,
    "tiles": TILED,
    "wide tiles": {"tile": (16, 64)},
    "planar": {"planarconfig": "separate"} | STRIPS,
    "planar tiles": {"planarconfig": "separate", "compression": "zlib"} | TILED,
    "big": {"bigtiff": True} | TILED,
    "big_endian": {"byteorder": ">"},
    "big_endian strips": {"byteorder": ">", "compression": "lzw"} | STRIPS,
    "lzw": {"compression": "lzw", "predictor": True} | TILED,
    "deflate": {"compression": "zlib"} | STRIPS,
    "zstd": {"compression": "zstd"} | TILED,
    "packbits": {"compression": "packbits"} | STRIPS,
    "all": {"bigtiff": True, "compression": "zlib", "byteorder": ">", "predictor": True} | TILED,
}


def slow_but(names: Iterable, *fast) -> list:
    """Return parameters of a test, of which all but ``fast`` are slow."""
    return [pytest.param(x, marks=() if x in fast else pytest.mark.slow) for x in names]


def rule_of(array: np.ndarray, **settings) -> Values:
    low, high = RANGES[array.dtype.name]
    return Values(low, high, array.dtype.name, array.shape[2], **settings)


def check(path, rule: Values | None, channels: int = 3, exif: bool = True) -> FileSource:
    """Compare windows of a file, inside and at each border, with the whole file."""
    source = FileSource(str(path), rule, channels, exif)
    if rule is None:
        picture = read_image(str(path), channels, exif)
        picture = picture.convert("L") if channels == 1 else picture
        whole, mask = to_tensor(picture).permute(1, 2, 0).numpy(), None
    else:
        raster, _ = raster_of(array_for(str(path), rule, exif=exif), rule)
        whole, mask = raster.pixels, raster.valid
    assert (source.height, source.width, source.channels) == whole.shape
    high, wide = whole.shape[:2]
    for top, left, height, width in (
        (0, 0, high, wide),
        (7, 9, 12, 14),
        (high - 6, wide - 5, 6, 5),
    ):
        place = slice(top, top + height), slice(left, left + width)
        window = source.read(top, left, height, width)
        assert window.dtype == np.float32 and np.array_equal(window, whole[place])
        valid = source.valid(top, left, height, width)
        missing = mask is not None and not mask[place].all()
        assert (valid is not None) == missing
        assert not missing or np.array_equal(valid, mask[place])
    return source


def failing_after(
    function: Callable, calls: int, error: Callable[[], BaseException]
) -> Callable[..., None]:
    """Return a function that does what another does for some calls, and then raises an error.

    Args:
        error: makes the error. One that exists already would keep open what the frames hold.
    """
    left = calls

    def failing(*args: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise error()
        function(*args)

    return failing

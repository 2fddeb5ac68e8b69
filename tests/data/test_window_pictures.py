"""Windows of 8-bit pictures, and of images that are turned or inverted, as on the ordinary path."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from rasters import ramp, write_tif
from windows import LAYOUTS, RANGES, SIZE, STRIPS, TILED, check, rule_of, slow_but

from data.image_file import read_image
from data.rasters.header import describe, upright_size
from data.rasters.reading import TURNS, read_array
from data.windows.tiff import NotWindowed
from util.values import Values

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

# Not every Pillow can read Zstandard
PICTURES = [*(layout for layout in LAYOUTS if layout != "zstd"), "jpeg", "jpeg tiles"]


@pytest.mark.parametrize("dtype", slow_but(["uint8", "uint16", "uint32"], "uint8"))
@pytest.mark.parametrize("settings", [{}, TILED, {"compression": "zlib"} | STRIPS])
def test_the_lowest_value_as_white(dtype, settings, tmp_path):
    array = ramp(dtype, *RANGES[dtype], 1, SIZE)
    path = write_tif(tmp_path / "x.tif", array, photometric="miniswhite", **settings)
    check(path, rule_of(array))
    if dtype == "uint8":
        check(path, None, 1)
        check(path, None, 3)


@pytest.mark.parametrize("turn", slow_but(range(1, 9), 6, 7))
def test_the_orientation(turn, tmp_path):
    tags = {"extratags": [(274, "H", 1, turn)]}
    array = ramp("uint16", 0, 65535, 2, SIZE)
    colours = ramp("uint8", 0, 255, 3, SIZE)
    for exif in (True, False):
        for layout in (TILED, STRIPS):
            check(write_tif(tmp_path / "x.tif", array, **tags, **layout), rule_of(array), 2, exif)
            path = write_tif(tmp_path / "y.tif", colours, photometric="rgb", **tags, **layout)
            check(path, None, 3, exif)


@pytest.mark.parametrize(
    "layout",
    slow_but([*sorted({*LAYOUTS} - {"zstd"}), "jpeg", "jpeg tiles"], "planar tiles", "jpeg tiles"),
)
def test_8_bit_pictures_as_on_the_8_bit_path(layout, tmp_path):
    jpeg = {
        "jpeg": {"compression": "jpeg", "rowsperstrip": 16},
        "jpeg tiles": {"compression": "jpeg"} | TILED,
    }
    settings = (LAYOUTS | jpeg)[layout]
    colours = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 4), np.uint8)
    kinds = [(1, {"photometric": "minisblack"}), (3, {"photometric": "rgb"})]
    if "jpeg" not in layout:
        kinds.append((4, {"photometric": "rgb", "extrasamples": [2]}))
    if not ("jpeg" in layout or "planar" in layout):  # Pillow cannot read these
        kinds.append((4, {"photometric": "rgb", "extrasamples": [1]}))
        kinds.append((2, {"photometric": "minisblack", "extrasamples": [2]}))
    for bands, kind in kinds:
        own = {k: v for k, v in settings.items() if k != "planarconfig" or bands > 1}
        path = write_tif(tmp_path / "x.tif", colours[..., :bands], **kind, **own)
        check(path, Values(0, 255, "uint8", 1, bands=(bands,)))
        if describe(str(path)).is_bytes:  # Pillow cannot read a BigTIFF in big-endian order
            for channels in (1, 2, 3, 4):
                check(path, None, channels)
            check(path, Values(0, 200, "uint8", 3))


def test_gray_and_alpha_in_planes_are_no_picture(tmp_path):
    """Pillow would read an alpha of 0 everywhere."""
    array = ramp("uint8", 0, 255, 2, SIZE)
    settings = {"planarconfig": "separate", "extrasamples": [2], "compression": "zlib"}
    path = write_tif(tmp_path / "x.tif", array, **settings)
    assert not describe(str(path)).is_bytes
    check(path, rule_of(array))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("compression", slow_but([None, "tiff_lzw", "jpeg"], "tiff_lzw"))
def test_8_bit_pictures_of_other_kinds(mode, compression, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    picture = Image.fromarray(colours).convert("P" if mode == "P" else "RGB").convert(mode)
    try:
        picture.save(tmp_path / "x.tif", compression=compression)
    except OSError:
        pytest.skip("Pillow does not write that")
    if mode == "YCbCr" and compression != "jpeg":
        with pytest.raises(NotWindowed, match="x.tif has no windows: its colors are decoded"):
            check(tmp_path / "x.tif", None)
    else:
        check(tmp_path / "x.tif", None)


def test_the_orientation_of_8_bit_tiffs(tmp_path):
    """Pillow obeys the tag by itself, and mixes up pixels without compression."""
    array = ramp("uint8", 0, 255, 1, SIZE)
    for turn in range(2, 9):
        for settings in ({}, {"compression": "zlib"}):
            path = write_tif(tmp_path / "x.tif", array, extratags=[(274, "H", 1, turn)], **settings)
            wanted = TURNS[turn](array)
            assert np.array_equal(np.asarray(read_image(str(path), 1))[..., :1], wanted)
            assert np.array_equal(read_array(str(path)), wanted)
            assert upright_size(str(path)) == wanted.shape[1::-1]

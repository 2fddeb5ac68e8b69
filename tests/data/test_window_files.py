"""Windows of files: each equals the same part of what the ordinary path reads, bit by bit."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from rasters import ramp, write_npy, write_pages, write_tif
from windows import LAYOUTS, RANGES, SIZE, STRIPS, TILED, check, rule_of, slow_but

from data.rasters.header import describe
from data.rasters.inputs import joined
from data.rasters.items import raster_of
from data.rasters.reading import read_array
from data.windows.opening import FileSource
from data.windows.tiff import NotWindowed
from util.errors import UserError
from util.values import Values

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("dtype", slow_but(RANGES, "float32", "int16"))
def test_every_type_of_values(dtype, tmp_path):
    for channels in (1, 2, 5):
        array = ramp(dtype, *RANGES[dtype], channels, SIZE)
        for settings in ({}, {"compression": "zlib"} | TILED):
            check(write_tif(tmp_path / "x.tif", array, **settings), rule_of(array), channels)
        check(write_npy(tmp_path / "x.npy", array), rule_of(array), channels)
    np.save(tmp_path / "x.npy", array.astype(array.dtype.newbyteorder(">")))
    check(tmp_path / "x.npy", rule_of(array), channels)


@pytest.mark.parametrize(
    "layout", slow_but(LAYOUTS, "one strip", "planar tiles", "big_endian strips")
)
@pytest.mark.parametrize("channels", slow_but([1, 3, 13], 3))
def test_every_layout_of_a_tiff(layout, channels, tmp_path):
    array = ramp("int16", -1024, 3071, channels, SIZE)
    settings = LAYOUTS[layout]
    if channels == 1:
        settings = {k: v for k, v in settings.items() if k != "planarconfig"}
    check(write_tif(tmp_path / "x.tif", array, **settings), rule_of(array), channels)


def test_pages_arrays_of_bands_and_chosen_bands(tmp_path):
    array = ramp("float32", 0, 1, 5, SIZE)
    some = Values(0, 1, "float32", 3, bands=(5, 1, 2))
    files = [
        write_pages(tmp_path / f"{i}.tif", array, **layout)
        for i, layout in enumerate(({}, STRIPS, {"compression": "zlib"} | TILED))
    ]
    files += [
        write_tif(tmp_path / f"{layout}.tif", array, **LAYOUTS[layout])
        for layout in ("tiles", "planar", "planar tiles")
    ]
    files.append(write_npy(tmp_path / "x.npy", array))
    files.append(write_npy(tmp_path / "first.npy", array.transpose(2, 0, 1)))
    np.save(tmp_path / "columns.npy", np.asfortranarray(array))
    for path in (*files, tmp_path / "columns.npy"):
        check(path, rule_of(array))
        check(path, some)


def test_pixels_without_data(tmp_path):
    array = ramp("int16", -1024, 3071, 2, SIZE)
    array[3:9, 4, 0] = -9999
    check(write_tif(tmp_path / "x.tif", array, **TILED), rule_of(array, nodata=-9999.0))
    floats = ramp("float32", 0, 1, 2, SIZE)
    floats[3:9, 4, 1] = np.nan
    check(write_npy(tmp_path / "x.npy", floats), rule_of(floats, nodata=float("nan")))


def test_empty_tiles_hold_no_data(tmp_path):
    """GDAL leaves out tiles without data, and tifffile reads the value that the file declares."""
    import tifffile

    tiles = iter([np.full((16, 16), 7, "int16"), None, None, None])
    tags = {"extratags": [(42113, "s", 0, "-5", True)], "photometric": "minisblack"}
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, tiles, shape=(32, 32), dtype="int16", **TILED, **tags)
    source = check(path, Values(-10, 10, "int16", 1, nodata=-5.0))
    assert source.valid(0, 0, 32, 32).sum() == 16 * 16


@pytest.mark.parametrize("exif", [True, False])
def test_several_inputs_of_an_image(exif, tmp_path):
    """Each is turned upright by its own orientation before their bands are joined."""
    turned = {"extratags": [(274, "H", 1, 6, True)]} | TILED
    wide, high = ramp("int16", -1024, 3071, 2, SIZE), ramp("int16", -1024, 3071, 1, SIZE[::-1])
    wide[3:9, 4, 1] = -9999
    sizes = [wide, high.transpose(1, 0, 2), wide] if not exif else [wide, high, wide]
    layouts = ({}, turned, {"compression": "zlib"} | STRIPS)
    paths = [
        str(write_tif(tmp_path / f"{i}.tif", array, **layout))
        for i, (array, layout) in enumerate(zip(sizes, layouts, strict=True))
    ]
    whole = joined({path: read_array(path, exif=exif) for path in paths})
    for bands in (None, (5, 3, 2)):
        rule = Values(-1000, 3000, "int16", 3 if bands else 5, bands, nodata=-9999.0, inputs=3)
        raster, _ = raster_of(whole, rule)
        source = FileSource(paths[0], rule, 3, exif, paths[1:])
        assert (source.height, source.width, source.channels) == raster.pixels.shape
        place = slice(1, 20), slice(2, 33)
        assert np.array_equal(source.read(1, 2, 19, 31), raster.pixels[place])
        assert np.array_equal(source.valid(1, 2, 19, 31), raster.valid[place])
    write_tif(tmp_path / "1.tif", high[:, 1:], **turned)
    with pytest.raises(UserError, match=r"0.tif holds int16 of 40x35 pixels, its partner .*1.tif"):
        FileSource(paths[0], rule, 3, exif, paths[1:])


def test_what_is_clipped_is_counted_and_nan_is_an_error(tmp_path):
    array = ramp("float32", 0, 1, 1, SIZE)
    path = write_tif(tmp_path / "x.tif", array)
    source = FileSource(str(path), Values(0, 0.5, "float32", 1), 1)
    assert source.remark() == ""
    source.read(0, 0, SIZE[1], SIZE[0])
    assert re.search(r"x\.tif: 700 of 1400 values read, .* outside of 0\.\.0\.5", source.remark())
    array[30, 30] = np.nan
    source = FileSource(str(write_tif(path, array)), Values(0, 1, "float32", 1), 1)
    source.read(0, 0, 30, 40)
    with pytest.raises(UserError, match=r"cannot use the image .*x\.tif: .*NaN.*--nodata"):
        source.read(20, 20, 15, 20)


def test_max_pixels_does_not_apply(tmp_path, monkeypatch):
    array = ramp("uint16", 0, 65535, 1, SIZE)
    colours = ramp("uint8", 0, 255, 3, SIZE)
    files = [
        (write_tif(tmp_path / "x.tif", array, **TILED), rule_of(array)),
        (write_npy(tmp_path / "x.npy", array), rule_of(array)),
        (write_tif(tmp_path / "y.tif", colours, photometric="rgb"), None),
    ]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for path, rule in files:
        source = FileSource(str(path), rule, 3)
        assert source.read(30, 35, 5, 5).shape == (5, 5, source.channels)
        with pytest.raises(UserError, match="more than 1000 pixels"):
            describe(str(path))


def test_files_that_are_decoded_whole_say_so(tmp_path, monkeypatch):
    for suffix, kind in (("png", "png"), ("jpg", "jpg"), ("npz", "npz"), ("JPEG", "jpeg")):
        (tmp_path / f"x.{suffix}").write_bytes(b"")
        with pytest.raises(NotWindowed, match=rf"x\.{suffix} has no windows: {kind} files are"):
            FileSource(str(tmp_path / f"x.{suffix}"), None, 3)
    (tmp_path / "x.tif").write_bytes(b"\x89PNG")
    with pytest.raises(NotWindowed, match=r"x\.tif has no windows: it is no TIFF$"):
        FileSource(str(tmp_path / "x.tif"), None, 3)
    with pytest.raises(UserError, match=r"cannot read the image .*none\.tif: No such file"):
        FileSource(str(tmp_path / "none.tif"), None, 3)
    monkeypatch.setattr("data.windows.tiff.LARGEST", 1000)
    array = ramp("uint16", 0, 65535, 1, SIZE)
    path = str(write_tif(tmp_path / "x.tif", array, compression="zlib", rowsperstrip=SIZE[1]))
    with pytest.raises(NotWindowed, match=r"x\.tif has no windows: its strips of 40x35 pixels"):
        FileSource(path, rule_of(array), 1)
    check(write_tif(tmp_path / "x.tif", array), rule_of(array))  # not compressed: mapped


def test_files_that_do_not_suit_the_rule_or_are_damaged(tmp_path):
    array = ramp("uint16", 0, 65535, 2, SIZE)
    path = write_tif(tmp_path / "x.tif", array, compression="zlib", **TILED)
    for rule, problem in (
        (Values(0, 1, "float32", 2), "holds uint16 values, where the rule is for float32"),
        (Values(0, 1, "uint16", 3), "it holds 2 bands, and the rule is for 3"),
        (Values(0, 1, "uint16", 1, bands=(3,)), "it holds 2 bands, but band 3 is used"),
        (None, "it is no 8-bit picture"),
    ):
        with pytest.raises(UserError, match=f"cannot use the image .*x.tif: .*{problem}"):
            FileSource(str(path), rule, 3)
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    for name, content in (("x.tif", data[:-40]), ("y.npy", b"hello"), ("z.tif", data[:100])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"cannot read the image .*{name}: [^\n]*$"):
            FileSource(str(tmp_path / name), rule_of(array), 2).read(0, 0, *SIZE[::-1])
    whole = write_tif(tmp_path / "x.tif", array).read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(UserError, match=r"cannot read the image .*x\.tif: it is damaged"):
        FileSource(str(path), rule_of(array), 2)


def test_threads_read_the_same_windows(tmp_path, monkeypatch):
    monkeypatch.setattr("data.windows.tiff.KEPT", 3000)  # a few tiles: others are decoded again
    array = ramp("int16", -1024, 3071, 2, SIZE)
    path = write_tif(tmp_path / "x.tif", array, compression="zlib", **TILED)
    source = FileSource(str(path), rule_of(array), 2)
    places = [(top, left, 11, 13) for top in range(0, 24, 3) for left in range(0, 27, 3)]
    whole = source.read(0, 0, *SIZE[::-1])
    with ThreadPoolExecutor(4) as pool:
        for (top, left, *_), window in zip(
            places, pool.map(lambda place: source.read(*place), places), strict=True
        ):
            assert np.array_equal(window, whole[top : top + 11, left : left + 13])

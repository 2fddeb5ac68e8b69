"""Reading files of every type and layout: each pixel value comes back exactly."""

from __future__ import annotations

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from rasters import SIZE, ramp, write_npy, write_pages, write_png, write_tif

from data.rasters.header import describe
from data.rasters.reading import read_array
from util.errors import UserError

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

LIMITS = {  # a range of values that no smaller type holds
    "uint8": (0, 255), "uint16": (0, 65535), "uint32": (0, 2**32 - 1), "int8": (-128, 127),
    "int16": (-1024, 3071), "int32": (-(2**31), 2**31 - 1), "float16": (-1, 1),
    "float32": (0, 1), "float64": (-1e-9, 1e9),
}  # fmt: skip
LAYOUTS = {
    "planar": {"planarconfig": "separate"},
    "big": {"bigtiff": True},
    "lzw": {"compression": "lzw", "predictor": True},
    "deflate": {"compression": "zlib"},
    "big_endian": {"byteorder": ">"},
    "tiled": {"tile": (16, 16)},
    "all": {"bigtiff": True, "compression": "zlib", "byteorder": ">", "tile": (16, 16)},
}


def check(path, array, **settings) -> None:
    header, found = describe(str(path)), read_array(str(path), **settings)
    assert header.dtype == found.dtype.name == array.dtype.name and found.dtype.isnative
    assert (header.channels, header.size) == (array.shape[2], SIZE)
    assert np.array_equal(found, array, equal_nan=True) and found.flags.writeable


@pytest.mark.parametrize("dtype", LIMITS)
def test_every_type_of_values(dtype, tmp_path):
    for channels in (1, 2, 5):
        array = ramp(dtype, *LIMITS[dtype], channels)
        check(write_tif(tmp_path / "x.tif", array), array)
        check(write_npy(tmp_path / "x.npy", array), array)
    check(write_npy(tmp_path / "x.npz", array), array)
    np.save(tmp_path / "x.npy", array.astype(array.dtype.newbyteorder(">")))
    check(tmp_path / "x.npy", array)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [2, 3, 13])
def test_every_layout_of_a_tiff(layout, channels, tmp_path):
    array = ramp("int16", -1024, 3071, channels)
    check(write_tif(tmp_path / "x.tif", array, **LAYOUTS[layout]), array)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_a_png(channels, tmp_path):
    array = ramp("uint16", 0, 65535, channels)
    check(write_png(tmp_path / "x.png", array), array)


def test_16_bits_of_a_ppm_are_the_values_that_it_holds(tmp_path):
    array = ramp("uint16", 0, 4095, 3)
    (tmp_path / "x.ppm").write_bytes(b"P6 24 20 4095\n" + array.astype(">u2").tobytes())
    check(tmp_path / "x.ppm", array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_the_lowest_value_as_white(dtype, tmp_path):
    """As for 8 bits, which Pillow reads: black is 0."""
    array = ramp(dtype, *LIMITS[dtype])
    path = write_tif(tmp_path / "x.tif", array, photometric="miniswhite")
    check(path, np.iinfo(dtype).max - array)


def test_bands_that_the_file_does_not_explain(tmp_path):
    array = ramp("uint8", 0, 255, 4)
    path = write_tif(tmp_path / "x.tif", array, photometric="rgb", extrasamples=["unspecified"])
    check(path, array)
    assert not describe(str(path)).is_bytes


def test_pages_are_bands(tmp_path):
    array = ramp("float32", 0, 1, 13)
    path = write_pages(tmp_path / "x.tif", array)
    check(path, array)
    assert describe(str(path)).pages == 13


def test_overviews_are_no_pages(tmp_path):
    import tifffile

    array = ramp("uint16", 0, 65535)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(array[..., 0])
        file.write(array[::2, ::2, 0], subfiletype=1)
    check(tmp_path / "x.tif", array)


def test_8_bit_pictures_stay_on_the_8_bit_path(tmp_path):
    for channels, suffix in ((1, "png"), (3, "png"), (4, "png"), (3, "tif"), (1, "tif")):
        array = ramp("uint8", 0, 255, channels)
        path = tmp_path / f"x.{suffix}"
        if suffix == "png":
            write_png(path, array)
        else:
            write_tif(path, array, photometric="rgb" if channels > 1 else "minisblack")
        check(path, array)
        assert describe(str(path)).is_bytes


def test_the_bands_of_an_array_are_its_last_axis_or_a_shorter_first_one(tmp_path):
    array = ramp("float32", 0, 1, 5)
    check(write_npy(tmp_path / "x.npy", array.transpose(2, 0, 1)), array)
    check(write_npy(tmp_path / "x.npy", array[..., 0]), array[..., :1])
    np.savez(tmp_path / "x.npz", first=array[..., 0], second=array)
    with pytest.raises(UserError, match=r"x\.npz.* first, second; give --npz_key"):
        read_array(str(tmp_path / "x.npz"))
    assert (read_array(str(tmp_path / "x.npz"), "second") == array).all()


@pytest.fixture
def busy_threads():
    """Threads take turns as often as they can, also within a garbage collection."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    gc.callbacks.append(lambda *_: sum(range(5)))
    yield
    gc.callbacks.pop()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


def test_several_threads_read_arrays(tmp_path, busy_threads):
    array = ramp("uint16", 0, 9, 1)
    paths = [str(write_npy(tmp_path / name, array)) for name in ("x.npy", "x.npz")]
    with ThreadPoolExecutor(8) as pool:
        assert all((found == array).all() for found in pool.map(read_array, 500 * paths))


def test_the_orientation_turns_the_array(tmp_path):
    array = ramp("uint16", 0, 65535)
    path = write_tif(tmp_path / "x.tif", array, extratags=[(274, "H", 1, 6)])
    assert (read_array(str(path)) == np.rot90(array, -1)).all()
    assert (read_array(str(path), exif=False) == array).all()


def damaged(array, tmp_path):
    """Yield files that hold something else than they claim."""
    whole = write_tif(tmp_path / "whole.tif", array).read_bytes()
    yield "half.tif", whole[: len(whole) // 2]
    yield "head.tif", whole[:100]
    pages = write_pages(tmp_path / "pages.tif", np.concatenate([array] * 5, 2))
    import tifffile

    with tifffile.TiffFile(pages) as file:
        at = list(file.pages)[3].offset
    data = bytearray(pages.read_bytes())
    data[at : at + 2] = b"\xff\xff"
    yield "page.tif", bytes(data)
    zipped = bytearray(write_tif(tmp_path / "z.tif", array, compression="zlib").read_bytes())
    zipped[-60:-40] = bytes(20)
    yield "zipped.tif", bytes(zipped)
    rows = write_npy(tmp_path / "whole.npy", array).read_bytes()
    yield "half.npy", rows[: len(rows) // 2]
    yield "text.npy", b"hello"
    yield "text.npz", b"hello"


def test_damaged_files_are_named(tmp_path):
    for name, data in damaged(ramp("uint16", 0, 65535), tmp_path):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="^cannot read the image [^\n]*$") as error:
            read_array(str(tmp_path / name))
        assert name in str(error.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in ("x.npy", "x.npz", "x.tif"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match=f"{name}: it is not a file"):
            describe(str(tmp_path / name))


def test_pickles_and_other_types_are_refused(tmp_path):
    np.save(tmp_path / "object.npy", np.array([[{}, {}]]), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.zeros((4, 4), complex))
    np.save(tmp_path / "line.npy", np.zeros(4))
    for name in ("object", "complex", "line"):
        with pytest.raises(UserError, match=f"{name}.npy"):
            read_array(str(tmp_path / f"{name}.npy"))


@pytest.mark.parametrize("package", ["tifffile", "imagecodecs"])
def test_a_missing_package_is_named(package, tmp_path, monkeypatch):
    array = ramp("uint16", 0, 65535, 3)
    write_tif(tmp_path / "x.tif", array)
    write_png(tmp_path / "x.png", array)
    monkeypatch.setitem(__import__("sys").modules, package, None)
    name = "x.tif" if package == "tifffile" else "x.png"
    with pytest.raises(UserError, match=f"{name}.*pip install {package}"):
        read_array(str(tmp_path / name))

"""Files that are written window by window: whole at the end, resumable before, like whole ones."""

from __future__ import annotations

import contextlib
import os
import resource

import numpy as np
import pytest
from rasters import ramp

from data.rasters.reading import read_array
from models.translation.window_files import FileSink
from util.errors import UserError
from util.image.raster_tags import RasterTags
from util.image.raster_writing import save_raster
from util.image.window_writing import WindowFile, unfinished
from util.values import Values

pytest.importorskip("tifffile")
SIZE = (300, 280)  # (width, height): two tiles by two


def places(size=SIZE, step=(110, 100)):
    width, height = size
    for top in range(0, height, step[1]):
        for left in range(0, width, step[0]):
            yield top, left, min(step[1], height - top), min(step[0], width - left)


def fill(sink, array, some=None) -> None:
    for top, left, height, width in list(places(array.shape[1::-1]))[some or slice(None)]:
        sink.write(top, left, array[top : top + height, left : left + width])


@pytest.mark.parametrize("suffix", ["tif", "npy"])
@pytest.mark.parametrize(
    "dtype, channels",
    [("uint8", 3), ("uint8", 1), ("uint16", 4), ("int16", 1), ("float32", 5), ("float64", 2)],
)
def test_every_type_is_written_as_a_whole_image_is(suffix, dtype, channels, tmp_path):
    array = ramp(dtype, 0, 200, channels, SIZE)
    path, whole = tmp_path / f"x.{suffix}", tmp_path / f"whole.{suffix}"
    file = WindowFile(path, array.shape, array.dtype, nodata=7)
    assert not file.resumed and not path.exists()
    fill(file, array)
    file.close()
    save_raster(array, whole, nodata=7)
    assert np.array_equal(read_array(str(path)), array)
    assert list(tmp_path.glob("*.part")) == []
    if suffix == "npy":
        assert path.read_bytes() == whole.read_bytes()
    else:
        assert described(path) == described(whole)


def described(path) -> dict:
    """The tags of a TIFF that do not depend on its layout."""
    import tifffile

    layout = (258, 259, 273, 278, 279, 284, 322, 323, 324, 325)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled or "whole" in path.name
        return {tag.code: tag.value for tag in file.pages[0].tags if tag.code not in layout}


@pytest.mark.parametrize("size", [(5, 3), (256, 256), (257, 256), (512, 3)])
def test_small_images_and_whole_tiles(size, tmp_path):
    array = ramp("uint16", 0, 65535, 2, size)
    for suffix in ("tif", "npy"):
        path = tmp_path / f"x.{suffix}"
        file = WindowFile(path, array.shape, array.dtype)
        file.write(0, 0, array)
        file.close()
        assert np.array_equal(read_array(str(path)), array)


def test_tags_are_those_of_a_whole_image(tmp_path):
    tags = RasterTags(
        scale=(0.5, 0.5, 0.0), tiepoints=(0, 0, 0, 10.0, 20.0, 0), resolution=(300, 200, 3),
        keys={34735: (1, 1, 0, 1, 1025, 0, 1, 1)},
    )  # fmt: skip
    array = ramp("float32", 0, 1, 1, SIZE)
    file = WindowFile(tmp_path / "x.tif", array.shape, array.dtype, float("nan"), tags)
    fill(file, array)
    file.close()
    save_raster(array, tmp_path / "whole.tif", float("nan"), tags)
    assert described(tmp_path / "x.tif") == described(tmp_path / "whole.tif")


def test_files_of_more_than_4_gb_are_big_tiffs(tmp_path, monkeypatch):
    monkeypatch.setattr("util.image.window_writing.CLASSIC", 1000)
    array = ramp("uint8", 0, 255, 3, SIZE)
    file = WindowFile(tmp_path / "x.tif", array.shape, array.dtype)
    fill(file, array, slice(0, 5))
    file.file.close()
    file = WindowFile(tmp_path / "x.tif", array.shape, array.dtype, resume=True)
    assert file.resumed
    fill(file, array, slice(5, None))
    file.close()
    assert (tmp_path / "x.tif").read_bytes()[:4] == b"II+\0"
    assert np.array_equal(read_array(str(tmp_path / "x.tif")), array)


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_a_file_is_resumed_only_if_it_holds_the_same_kind_of_image(suffix, tmp_path):
    array = ramp("int16", -50, 50, 2, SIZE)
    path = tmp_path / f"x.{suffix}"

    def start(shape=array.shape, dtype=array.dtype, resume=True) -> WindowFile:
        return WindowFile(path, shape, dtype, resume=resume)

    file = start()
    assert not file.resumed
    fill(file, array, slice(0, 7))
    file.flush()
    file.file.close()
    file = start()
    assert file.resumed
    fill(file, array, slice(7, None))
    file.file.close()  # as a kill before close()
    file = start()
    file.close()
    assert np.array_equal(read_array(str(path)), array)
    for settings in ({"shape": (280, 300, 1)}, {"dtype": np.dtype("uint16")}, {"resume": False}):
        start(resume=False).file.close()
        file = start(**settings)
        assert not file.resumed
        file.file.close()
    if suffix == "tif":  # another value of no data
        WindowFile(path, array.shape, array.dtype, nodata=-9).file.close()
        file = start()
        assert not file.resumed
        file.file.close()
    start(resume=False).file.close()
    for change in (-1, 1):  # killed while it was created, or damaged
        os.truncate(unfinished(path), unfinished(path).stat().st_size + change)
        file = start()
        assert not file.resumed
        file.file.close()


def test_what_stands_in_the_way_of_a_file_is_named(tmp_path):
    shape, dtype = (300, 600, 3), np.dtype("uint8")
    first = WindowFile(tmp_path / "x.tif", shape, dtype)
    with pytest.raises(UserError, match=r"cannot write .*x\.tif: another process is writing"):
        WindowFile(tmp_path / "x.tif", shape, dtype, resume=True)
    first.close()
    os.mkfifo(tmp_path / "pipe.tif.part")
    with pytest.raises(UserError, match=r"cannot write .*pipe\.tif\.part: it is not a file"):
        WindowFile(tmp_path / "pipe.tif", shape, dtype)
    (tmp_path / "pipe.tif.part").unlink()
    (tmp_path / "link.tif").symlink_to(tmp_path / "x.tif")
    with pytest.raises(UserError, match=r"cannot write .*link\.tif: it is a link"):
        WindowFile(tmp_path / "link.tif", shape, dtype)
    with pytest.raises(UserError, match=r"needs 1.2e\+06 GB: its disk has .* GB of room"):
        WindowFile(tmp_path / "y.tif", (2 * 10**7, 2 * 10**7, 3), dtype)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.tif", "x.tif"]


@contextlib.contextmanager
def full_disk(room: int):
    """No file grows beyond ``room`` bytes inside."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("suffix, size", [("tif", 0.000786), ("npy", 0.000252)])
def test_a_full_disk_costs_one_line_and_nothing_that_is_written(suffix, size, tmp_path):
    path, array = tmp_path / f"x.{suffix}", ramp("uint8", 1, 200, 3, SIZE)
    wanted = f"^cannot write {path}, which needs {size} GB: File too large$"
    with full_disk(200_000), pytest.raises(UserError, match=wanted):
        WindowFile(path, array.shape, array.dtype)
    assert list(tmp_path.iterdir()) == []
    file = WindowFile(path, array.shape, array.dtype)
    fill(file, array)
    wanted = f"^cannot write {unfinished(path)}: File too large$"
    with full_disk(240_000), pytest.raises(UserError, match=wanted):
        file.write(0, 0, np.zeros_like(array))
    file.file.close()
    file = WindowFile(path, array.shape, array.dtype, resume=True)
    assert file.resumed
    fill(file, array)
    file.close()
    assert np.array_equal(read_array(str(path)), array)


def test_results_are_those_of_whole_images(tmp_path):
    lines: list[str] = []
    unit = ramp("float32", -1, 1, 1, SIZE)
    valid = np.ones(unit.shape[:2], bool)
    valid[:20, :20] = False
    rule = Values(-1000, 1000, "int16", 1, nodata=-9999.0)
    sink = FileSink(tmp_path / "x.tif", unit.shape, rule, note=lines.append)
    for top, left, height, width in places():
        place = slice(top, top + height), slice(left, left + width)
        sink.write(top, left, unit[place], valid[place])
    sink.flush()
    sink.close()
    assert np.array_equal(read_array(str(tmp_path / "x.tif")), rule.from_unit(unit, valid))
    for channels in (1, 3):
        pixels = ramp("uint8", 0, 255, channels, SIZE)
        sink = FileSink(tmp_path / "y.tif", pixels.shape, None)
        sink.write(0, 0, pixels.astype(np.float32) / np.float32(127.5) - 1, None)
        sink.close()
        assert np.array_equal(read_array(str(tmp_path / "y.tif")), pixels)
    assert lines == []


def test_a_file_that_is_finished_meanwhile_stays(tmp_path, monkeypatch):
    """A second process has opened the file when the first gives it its name."""
    array = ramp("uint8", 0, 255, 3, SIZE)
    first = WindowFile(tmp_path / "x.npy", array.shape, array.dtype)
    fill(first, array)
    lock = WindowFile._lock

    def late(file):
        first.close()
        lock(file)

    monkeypatch.setattr(WindowFile, "_lock", late)
    with pytest.raises(UserError, match=r"x\.npy: another process is writing"):
        WindowFile(tmp_path / "x.npy", array.shape, array.dtype, resume=True)
    assert np.array_equal(np.load(tmp_path / "x.npy"), array)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]

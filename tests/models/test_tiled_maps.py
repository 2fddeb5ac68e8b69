"""Memory maps and windows, which load_generator(..., tile=) translates to their own kind."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from data.windows.arrays import ArraySource
from data.windows.opening import FileSource
from models import load_generator, networks
from models.translation.tiling.engine import read
from models.translation.tiling.layers import Span
from models.translation.tiling.memory_maps import empty_map
from models.translation.translator import Translator
from util.errors import UserError
from util.values import Values, save

HIGH = 4000.0


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of pictures, and of uint16 values with a mark for no data to float32 values."""
    folder = tmp_path_factory.mktemp("maps")
    for name, channels in (("pictures", 3), ("values", 1), ("mixed", 1)):
        torch.manual_seed(5)
        net = networks.ResnetGenerator(channels, channels, 2, networks.get_norm_layer("instance"))
        networks.init_weights(net, "kaiming")
        (folder / name).mkdir()
        torch.save(net.state_dict(), folder / name / "latest_net_G_A.pth")
        options = {"input_nc": channels, "output_nc": channels, "no_dropout": True}
        (folder / name / "train_opt.json").write_text(json.dumps(options))
    source = Values(0, HIGH, "uint16", 1, nodata=65535)
    target = Values(-1, 1, "float32", 1, nodata=-9)
    save(folder / "values", {"A": source, "B": target})
    save(folder / "mixed", {"A": None, "B": target})
    return folder


def generators(folder: Path, tile: int = 20) -> tuple[Translator, Translator]:
    """Return one that takes whole images, and one that translates in tiles."""
    options = {"preprocess": "none", "gpu_ids": "-1"}
    return load_generator(folder, **options), load_generator(folder, tile=tile, **options)


def mapped(array: np.ndarray, path: Path) -> np.memmap:
    np.save(path, array)
    return np.lib.format.open_memmap(path, mode="r")


def test_memory_maps(folders: Path, tmp_path: Path) -> None:
    """Pictures, gray ones, floats with a range, and values of a run with pixels without data."""
    rng = np.random.default_rng(0)
    whole, tiled = generators(folders / "pictures")
    for shape in ((30, 44, 3), (30, 44)):
        array = rng.integers(0, 256, shape, np.uint8)
        result = tiled(mapped(array, tmp_path / "a.npy"))
        assert isinstance(result, np.memmap) and result.dtype == np.uint8
        expected = whole(array)
        assert expected.shape == result.shape and expected.std() > 5
        assert np.abs(expected.astype(int) - result).max() <= 1
        assert not isinstance(tiled(array), np.memmap)
    floats = rng.random((30, 44, 3))
    result = tiled(mapped(floats, tmp_path / "a.npy"), value_range=(0, 1))
    assert result.dtype == np.float64 and isinstance(result, np.memmap)
    assert np.abs(whole(floats, value_range=(0, 1)) - result).max() < 1e-4
    whole, tiled = generators(folders / "values")
    values = rng.integers(0, int(HIGH), (30, 44)).astype(np.uint16)
    values[5:9, 20:30] = 65535
    result = tiled(mapped(values, tmp_path / "a.npy"))
    expected = whole(values)
    assert result.dtype == np.float32 and result.shape == expected.shape == (30, 44)
    assert (result[5:9, 20:30] == -9).all() and np.abs(result - expected).max() < 1e-4


def test_windows_give_windows(folders: Path) -> None:
    whole, tiled = generators(folders / "pictures")
    image = np.random.default_rng(1).random((30, 44, 3), np.float32) * 2 - 1
    expected = whole(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    result = tiled(ArraySource(image))
    assert (result.height, result.width, result.channels) == (30, 44, 3)
    assert isinstance(result.array, np.memmap)
    assert np.abs(result.read(3, 5, 20, 30) - expected[3:23, 5:35]).max() < 1e-4
    assert result.valid(0, 0, 30, 44) is None


def test_windows_lie_in_memory_as_whole_images_do() -> None:
    """Else convolutions round differently, and a single tile is not bit-equal."""
    for height, width in ((30, 44), (1, 1)):
        window = Span(0, height), Span(0, width)
        found = read(ArraySource(np.zeros((height, width, 3), np.float32)), window)
        assert found.stride() == torch.zeros(1, 3, height, width).stride()


def test_windows_without_data(folders: Path, tmp_path: Path) -> None:
    """The pixel in the corner holds data, and others do not."""
    array = np.full((30, 44), 100, np.uint16)
    array[20:25, 30:40] = 65535
    np.save(tmp_path / "a.npy", array)
    _, tiled = generators(folders / "values", tile=30)
    result = tiled(FileSource(str(tmp_path / "a.npy"), tiled.values.source, 1))
    assert np.array_equal(result.valid(0, 0, 30, 44), array != 65535)


def test_what_is_refused(folders: Path, tmp_path: Path) -> None:
    whole, tiled = generators(folders / "pictures")
    bad = np.full((30, 44, 3), 0.5)
    bad[29, 43] = np.nan
    for given, limits, message in (
        (mapped(bad, tmp_path / "a.npy"), (0, 1), "should be in value_range"),
        (
            mapped(bad, tmp_path / "b.npy"),
            None,
            r"^an array of float64 \(30, 44, 3\) needs value_ra",
        ),
        (mapped(bad > 0, tmp_path / "e.npy"), None, r"not an array of bool \(30, 44, 3\)"),
        (mapped(bad[..., :2], tmp_path / "c.npy"), (0, 1), r"should be \(H, W, 3\)"),
        (mapped(np.zeros((3, 30, 44, 3), np.uint8), tmp_path / "d.npy"), None, r"\(H, W\) or"),
        (ArraySource(np.zeros((30, 44, 1), np.float32)), None, "3 channels, not 1"),
    ):
        with pytest.raises(UserError, match=message):
            tiled(given, limits)
    with pytest.raises(UserError, match="tile=1024"):
        whole(ArraySource(np.zeros((30, 44, 3), np.float32)))
    _, tiled = generators(folders / "mixed")
    with pytest.raises(UserError, match=r"^an array of float64 \(30, 44, 3\) needs value_range"):
        tiled(mapped(bad, tmp_path / "f.npy"))
    result = tiled(mapped(np.zeros((30, 44), np.uint8), tmp_path / "g.npy"))
    assert result.dtype == np.float32 and result.shape == (30, 44)
    _, tiled = generators(folders / "values")
    for number, shape in enumerate(((30, 44, 2), (30, 44, 1, 1))):
        with pytest.raises(UserError, match=r"holds 2 bands, and|should be \(H, W\) or"):
            tiled(mapped(np.zeros(shape, np.uint16), tmp_path / f"{number}.npy"))


def test_a_batch_without_images(folders: Path) -> None:
    whole, tiled = generators(folders / "pictures")
    assert tiled(torch.zeros(0, 3, 30, 44)).shape == whole(torch.zeros(0, 3, 30, 44)).shape


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no room")
def test_a_full_disk_is_found_before_it_is_written(monkeypatch) -> None:
    """Writing a memory map to a full disk would kill the process."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"0.003 GB, in .* \(TMPDIR\): No space left on device"):
        empty_map((1000, 1000, 3), np.dtype("uint8"))

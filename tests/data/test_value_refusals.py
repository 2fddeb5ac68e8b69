"""Folders whose values need a range, other bands or one type: one line says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from rasters import PLAIN, both, channels, ramp, values, write, write_tif
from samples import dataset, options

from data import create_dataset
from data.listing import list_images, remarks
from util.errors import UserError

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")


def refused(root, *parts: str, **changes) -> None:
    with pytest.raises(UserError) as error:
        dataset("unaligned", root, **PLAIN | changes)
    message = str(error.value)
    assert "\n" not in message and all(part in message for part in parts), message


def test_values_without_a_range_are_refused_with_what_they_hold(tmp_path):
    root = both(tmp_path, [ramp("int16", -1024, 3071)])
    parts = ("trainA", "int16", "-1024 to 3071", "50 %: 1", "--value_range_A -1024 3071")
    refused(root, *parts, **channels(1))
    root = both(tmp_path / "float", [ramp("float32", 0.1, 0.9)])
    refused(root, "float32", "0.1 to 0.9", "--value_range_A 0 1", **channels(1))
    root = both(tmp_path / "nan", [np.full((4, 4, 1), np.nan, np.float32)])
    refused(root, "no finite ones", **channels(1))


def test_bands_that_do_not_fit_the_networks(tmp_path):
    root = both(tmp_path, [ramp("uint16", 0, 65535, 5)])
    refused(root, "uint16 in 5 bands", "--input_nc is 3: give --input_nc 5", "--bands_A")
    refused(root, "--bands_A 1 6", "5 bands", input_nc=2, bands_A=[1, 6])
    refused(root, "--bands_A 1 2 are 2 bands", "--input_nc 2", bands_A=[1, 2])
    refused(root, "trainB", "--output_nc is 3: give --output_nc 5", input_nc=5)
    root = both(tmp_path / "bytes", [ramp("uint8", 0, 255, 3)], "png")
    refused(root, "uint8 in 3 bands", "--input_nc is 13", **channels(13))


def test_mixed_folders(tmp_path):
    arrays = [ramp("uint16", 0, 65535), ramp("int16", 0, 999)]
    refused(both(tmp_path, arrays), "0.tif holds uint16 in 1 band", "1.tif int16", **channels(1))
    arrays = [ramp("uint16", 0, 65535, n) for n in (1, 2)]
    refused(both(tmp_path / "bands", arrays), "0.tif", "1.tif", "2 bands", **channels(1))
    root = tmp_path / "depths"
    for number in range(101):  # the 16-bit one is not among the 50 that are looked at
        array = ramp("uint16" if number == 61 else "uint8", 0, 65535 if number == 61 else 255)
        for domain in "AB":
            write(root / f"train{domain}" / f"{number:03}.png", array[:4, :4])
    made = dataset("unaligned", root, **PLAIN)
    with pytest.raises(UserError, match=r"061\.png.* 16 bits per channel and other images"):
        made[61]
    root = tmp_path / "later"
    for number in range(101):
        write(
            root / "trainA" / f"{number:03}.npy", np.zeros((4, 4), f"f{8 if number == 61 else 4}")
        )
        write(root / "trainB" / f"{number:03}.npy", np.zeros((4, 4), "f4"))
    made = dataset("unaligned", root, **PLAIN, **channels(1), **values(0, 1))
    with pytest.raises(UserError, match=r"061\.npy: it holds float64 values.* for float32"):
        made[61]


@pytest.mark.parametrize("high, proposed", [(255, 255), (700, 1023), (4095, 4095), (4096, 0)])
def test_16_bits_that_use_12_are_warned_of(high, proposed, tmp_path, capfd):
    root = both(tmp_path, [ramp("uint16", 0, high)], "png")
    dataset("unaligned", root, **PLAIN, **channels(1))
    err = capfd.readouterr().err
    assert (f"--value_range_A 0 {proposed}" in err and f"above {high}" in err) == bool(proposed)
    dataset("unaligned", root, **PLAIN, **channels(1), **values(0, 65535))
    assert not capfd.readouterr().err


def test_a_dataset_that_reads_8_bits_refuses_the_options(tmp_path):
    write(tmp_path / "train" / "x.png", ramp("uint8", 0, 255, 3))
    more = {"input_nc": 1, "output_nc": 2, "dataset_mode": "colorization"} | values(0, 1)
    with pytest.raises(UserError, match="--value_range: --dataset_mode colorization reads"):
        create_dataset(options(dataroot=str(tmp_path), **PLAIN, **more))


def test_what_works_with_8_bits_says_that_it_reduces_16(tmp_path, capfd):
    write(tmp_path / "train" / "x.png", ramp("uint16", 0, 65535, 3))
    remarks.clear()
    dataset("colorization", tmp_path, **PLAIN, input_nc=1, output_nc=2)
    assert remarks == ["train: 16 bits per channel are reduced to 8"]
    list_images(str(tmp_path / "train"))
    assert "train: 16 bits per channel are reduced to 8" in capfd.readouterr().err
    write(tmp_path / "train" / "x.png", ramp("uint8", 0, 255, 3))
    list_images(str(tmp_path / "train"))
    assert not capfd.readouterr().err


def test_big_images_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)  # the dataset sets it, the test restores it
    write_tif(tmp_path / "trainA" / "x.tif", np.zeros((40, 50, 1), np.float32))
    write(tmp_path / "trainB" / "x.npy", np.zeros((40, 50, 1), np.float32))
    for domain in "AB":
        small = write(tmp_path / f"train{domain}" / "y.npy", np.zeros((4, 5, 1), np.float32))
        if domain == "A":
            small.unlink()
    refused(tmp_path, "more than 99 pixels", **channels(1), **values(0, 1), max_pixels=99)

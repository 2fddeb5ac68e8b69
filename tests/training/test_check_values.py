"""check_data.py and --dry_run say what the files of each folder hold and which flags they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_EPOCH, TINY, Programs
from rasters import hounsfield, make_folder, ramp, write

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")


def lines(run: Programs, data: Path, *more: object, status: int = 0) -> str:
    result = run.check("--dataroot", data, *TINY, *ONE_EPOCH, *more)
    assert (result.status, result.err) == (status, ""), result
    return result.out


def test_the_report_proposes_the_flags_with_which_it_finds_no_problem(run, tmp_path):
    make_folder(tmp_path / "trainA", "tif", [hounsfield(i, (40, 40)) for i in range(3)])
    make_folder(tmp_path / "trainB", "npy", [ramp("float32", 0.1, 0.9, 5, (40, 40))])
    report = lines(run, tmp_path, status=1)
    assert "trainA: 3 images, all 40x40" in report
    for proposal in (
        "int16 in 1 band, -1000 to 1200 (1 %: -1000, 50 %: -1000, 99 %: 1200); "
        "give --value_range_A -1000 1200 --input_nc 1",
        "float32 in 5 bands, 0.1 to 0.9 (1 %: 0.108, 50 %: 0.5, 99 %: 0.892); "
        "give --value_range_B 0 1 --output_nc 5",
        "holds int16 in 1 band, but --input_nc is 3: give --input_nc 1",
        "; trainA holds int16 values of -1000 to 1200",
    ):
        assert proposal in report, report
    flags = ["--value_range_A", "-1e3", "1e3", "--input_nc", "1"]
    flags += ["--value_range_B", "0", "1", "--output_nc", "5"]
    report = lines(run, tmp_path, *flags)
    assert "; give" not in report and "Nothing would stop the training" in report
    assert "trainA: 3 images with values outside of -1000..1000, which become its ends" in report
    swapped = ["--direction", "BtoA", "--input_nc", "5", "--output_nc", "1"]
    report = lines(run, tmp_path, *swapped, status=1)
    assert "--value_range_A -1000 1200\n" in report and "--value_range_B 0 1\n" in report


def test_what_would_stop_the_training(run, tmp_path):
    arrays = [ramp("float32", 0, 1, 1, (40, 40)) for _ in range(4)]
    arrays[2][5, 5] = np.nan
    make_folder(tmp_path / "trainA", "tif", arrays)
    make_folder(tmp_path / "trainB", "png", [ramp("uint16", 0, 999, 1, (40, 40))] * 60)
    options = ["--value_range_A", "0", "1", "--input_nc", "1", "--output_nc", "1"]
    result = run.check("--dataroot", tmp_path, *TINY, *ONE_EPOCH, *options)
    assert "trainA: 1 image with values that are not numbers (NaN): trainA/2.tif" in result.out
    assert "NaN in 1 file; give --nodata nan" in result.out
    assert (
        "uint16 in 1 band, 0 to 999 (1 %" in result.out and "--value_range_B 0 1023" in result.out
    )
    assert result.status == 1 and "almost black" not in result.out
    write(tmp_path / "trainB" / "5.png", ramp("uint8", 0, 255, 3, (40, 40)))
    report = lines(run, tmp_path, *options, "--nodata", "nan", status=1)
    assert "NaN" not in report
    assert "trainB mixes kinds of files: 59 images with uint16 in 1 band, 1 image" in report


def test_a_damaged_page_and_a_choice_of_bands(run, tmp_path):
    for domain in "AB":
        make_folder(tmp_path / f"train{domain}", "tif", [ramp("uint16", 0, 65535, 5, (40, 40))] * 2)
    path = tmp_path / "trainA" / "1.tif"
    path.write_bytes(path.read_bytes()[:9000])
    bands = ["--bands_A", "4", "3", "2", "--bands_B", "5", "5", "5"]
    report = lines(run, tmp_path, *bands, status=1)
    assert "trainA: 1 image of 2 cannot be read: trainA/1.tif (" in report
    report = lines(run, tmp_path, "--bands_A", "6", status=1)
    assert "it holds 5 bands, but band 6 is used" in report


def test_pairs_in_two_folders_get_the_flags_of_their_domains(run, tmp_path):
    make_folder(tmp_path / "trainA", "tif", [hounsfield(i, (40, 40)) for i in range(2)])
    make_folder(tmp_path / "trainB", "npy", [ramp("float32", 0.1, 0.9, 5, (40, 40))] * 2)
    model = ("--model", "pix2pix", "--direction", "AtoB", "--netG", "resnet_6blocks")
    report = lines(run, tmp_path, *model, status=1)
    assert "give --value_range_A -1000 1200 --input_nc 1" in report
    assert "give --value_range_B 0 1 --output_nc 5" in report


def test_datasets_that_reduce_16_bits_may_mix_them_with_8(run, tmp_path):
    for number, dtype in enumerate(("uint8", "uint16")):
        array = ramp(dtype, 0, 255 if dtype == "uint8" else 65535, 1, (40, 40))
        write(tmp_path / "train" / f"{number}.png", array)
    report = lines(run, tmp_path, "--model", "colorization")
    assert "mixes" not in report and "--input_nc" not in report

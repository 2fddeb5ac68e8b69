"""Trainings and tests on files of any values: the rules of the run, resumes, and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs, pictures
from rasters import hounsfield, make_folder, ramp, write
from survival import equal, interrupt, resume, train

from util import values

pytest_plugins = ["survival"]
pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

SIZE = (40, 40)
FLAGS = (
    *("--value_range_A", "-1e3", "1000", "--value_range_B", "0", "1", "--nodata", "-2000"),
    *("--bands_B", "3", "1", "--input_nc", "1", "--output_nc", "2"),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders like CT slices (int16, with pixels without data) and floats of three bands."""
    slices = [hounsfield(i, SIZE) for i in range(4)]
    for image in slices:
        image[:3] = -2000
    for phase, number in (("train", 4), ("test", 2)):
        make_folder(tmp_path / "data" / f"{phase}A", "tif", slices[:number])
        floats = [ramp("float32", 0, 1 - i / 9, 3, SIZE) for i in range(number + 1)]
        make_folder(tmp_path / "data" / f"{phase}B", "npy", floats)
    return tmp_path / "data"


def weights(run: Programs, name: str) -> dict:
    return torch.load(run.runs / name / "latest_net_G_A.pth", weights_only=True)


def steps(run: Programs, name: str) -> np.ndarray:
    """Return the losses of a run as (steps, losses)."""
    lines = (run.runs / name / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return np.array([list(entry["losses"].values()) for entry in entries if "losses" in entry])


def test_the_run_keeps_its_rules(run: Programs, data: Path) -> None:
    """Training records them; a resume cannot change them, and a test follows them or says so."""
    result = run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *FLAGS).ok()
    assert "trainA: int16, 1 band, -1000..1000 becomes -1..1, -2000 is no data\n" in result.out
    assert "trainB: float32, bands 3 1, 0..1 becomes -1..1, -2000 is no data\n" in result.out
    assert re.search(r"Domain A: \d+ values in (\d) of \1 images were outside", result.out)
    rules = values.load(run.runs / "x")
    assert rules == {
        "A": values.Values(-1000, 1000, "int16", 1, None, -2000, "tif"),
        "B": values.Values(0, 1, "float32", 2, (3, 1), -2000, "npy"),
    }
    more = ("--continue_train", "--name", "x", "--n_epochs", "2")
    run.train(*more, "--value_range_A", "0", "9").refused(2, "--continue_train", "--value_range_A")
    run.train(*more, "--bands_B", "1", "2").refused(2, "--continue_train cannot change --bands_B")
    write(data / "trainA" / "0.tif", ramp("float32", 0, 1, 1, SIZE))
    run.train(*more).refused(1, "trainA mixes kinds of files")

    plain = run.test("--dataroot", data, "--name", "x").ok()
    assert "testA: int16, 1 band, -1000..1000 becomes -1..1" in plain.out
    other = run.test("--dataroot", data, "--name", "x", "--value_range_A", "0", "9").ok()
    assert "testA: in training, int16, 1 band, -1000..1000 becomes -1..1" in other.out
    assert "testA: int16, 1 band, 0..9 becomes -1..1" in other.out
    write(data / "testB" / "0.npy", ramp("uint8", 0, 255, 3, SIZE))
    (data / "testB" / "1.npy").unlink()
    (data / "testB" / "2.npy").unlink()
    run.test("--dataroot", data, "--name", "x").refused(1, "testB", "uint8", "for float32")
    (run.runs / "x" / "values.json").write_text("{}")
    run.test("--dataroot", data, "--name", "x").refused(1, "values.json")


@pytest.mark.slow
def test_a_resume_is_exact(run: Programs, data: Path, after_step: Callable) -> None:
    train(run, data, *FLAGS, name="whole").ok()
    interrupt(run, data, after_step, *FLAGS)
    resume(run).ok()
    assert equal(run)


@pytest.mark.slow
def test_a_training_that_follows_in_the_folder_has_its_own_rules(run: Programs, data: Path) -> None:
    run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *FLAGS).ok()
    root = data.parent / "bytes"
    for domain in "AB":
        pictures(root / f"train{domain}", ["a.png"])
    run.train("--dataroot", root, "--name", "x", *TINY, *ONE_EPOCH).ok()
    assert not (run.runs / "x" / "values.json").exists()


@pytest.mark.slow
def test_a_plain_folder_and_the_other_direction(run: Programs, data: Path) -> None:
    flags = [*FLAGS, "--direction", "BtoA", "--input_nc", "2", "--output_nc", "1"]
    run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *flags).ok()
    assert json.loads((run.runs / "x" / "values.json").read_text())["A"]["dtype"] == "int16"
    for folder, direction in (("testB", ()), ("testA", ("--direction", "AtoB", "--input_nc", "1"))):
        more = (*direction, *(("--output_nc", "2") if direction else ()))
        result = run.test("--dataroot", data / folder, "--name", "x", "--model", "test", *more).ok()
        assert ("int16" if folder == "testA" else "float32, bands 3 1") in result.out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_pairs_in_files_of_double_width(run: Programs, tmp_path: Path, kind: str) -> None:
    pair = np.concatenate([hounsfield(0, SIZE), hounsfield(1, SIZE)], axis=1)
    for phase in ("train", "test"):
        make_folder(tmp_path / "pairs" / phase, kind, [pair, pair])
    model = ("--model", "pix2pix", "--netG", "resnet_6blocks", "--input_nc", 1, "--output_nc", 1)
    limits = ("--value_range", "-1000", "1200")
    whole = ("--dataroot", tmp_path / "pairs", "--name", "x", *TINY, *ONE_EPOCH, *model, *limits)
    run.train(*whole).ok()
    run.test("--dataroot", tmp_path / "pairs", "--name", "x").ok()


@pytest.mark.slow
def test_8_bit_pictures_train_as_ever_with_their_own_range(run: Programs, tmp_path: Path) -> None:
    """The same bits with an explicit 0..255; on the path of floats the same up to rounding.

    There the losses are compared: Adam amplifies the last bits of the gradients.
    """
    for domain in "AB":
        pictures(tmp_path / "data" / f"train{domain}", [f"{i}.png" for i in range(3)])
    crop = ("--preprocess", "crop", "--crop_size", "32")
    for name, flags in (
        ("plain", ()),
        ("explicit", ("--value_range", "0", "255")),
        ("floats", ("--bands_A", "1", "2", "3", "--bands_B", "1", "2", "3")),
    ):
        whole = ("--dataroot", tmp_path / "data", "--name", name, *TINY, *crop, *ONE_EPOCH)
        run.train(*whole, *flags, "--print_freq", "1").ok()
    plain, explicit = (weights(run, name) for name in ("plain", "explicit"))
    assert all(torch.equal(plain[key], explicit[key]) for key in plain)
    losses, others = (steps(run, name) for name in ("plain", "floats"))
    assert losses.shape == (3, 8) and np.abs(losses[0] - others[0]).max() < 1e-5
    np.testing.assert_allclose(losses, others, rtol=0.03)

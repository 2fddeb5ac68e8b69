"""The drawn slices like those of a CT, and their comparison."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Programs
from PIL import Image

sys.path.append(str(ROOT / "datasets"))  # Python does this for a script
import make_phantoms

from scripts.maintenance import compare_levels


def test_slices_as_floats_and_as_levels(run: Programs, tmp_path: Path) -> None:
    """The levels are the floats, rounded; a test pair shows the same tissues."""
    tifffile = pytest.importorskip("tifffile")
    size = ("--size", 48, "--train", 2, "--test", 3)
    for kind in ("float", "256"):
        words = (tmp_path / kind, *size, "--levels", kind)
        out = run.call(make_phantoms.main, "make_phantoms.py", *words).ok().out
        assert out == "trainA 2, trainB 2, testA 3, testB 3\n"
    for path in sorted(tmp_path.glob("float/t*/*.tif")):
        exact = tifffile.imread(path)
        level = Image.open(tmp_path / "256" / path.parent.name / f"{path.stem}.png")
        assert exact.dtype == np.float32 and -1024 <= exact.min() < -950 and exact.max() > 500
        assert (
            np.abs(np.asarray(level, float) * 4095 / 255 - 1024 - exact).max()
            < 4095 / 255 / 2 + 0.01
        )
    tissues = np.load(tmp_path / "float" / "tissues.npz")
    for i in range(3):
        A, B = (tifffile.imread(tmp_path / "float" / f"test{d}" / f"{i:05d}.tif") for d in "AB")
        assert abs(np.median(A[tissues["liver"][i]]) - 58) < 4
        assert abs(np.median(B[tissues["liver"][i]]) - 110) < 4
        assert tissues["liver"][i].sum() > 20
    run.call(make_phantoms.main, "make_phantoms.py", tmp_path / "256").refused(1, "has images")


def test_scores_of_translated_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of 10 HU everywhere has a PSNR of 20 log10(409.5) and keeps the contrast."""
    masks = {"lesion": np.zeros((1, 4, 4), bool), "liver": np.zeros((1, 4, 4), bool)}
    masks["lesion"][0, 0], masks["liver"][0, 1] = True, True
    (tmp_path / "float").mkdir()
    np.savez(tmp_path / "float" / "tissues.npz", **masks)
    truth = np.full((1, 4, 4), 100.0)
    truth[0, 0] -= 39
    score = compare_levels.score(truth + 10, truth, tmp_path)
    assert score == pytest.approx({"psnr": 52.245, "soft_l1": 10, "contrast": -39}, abs=1e-3)
    table = compare_levels.table({"float": dict.fromkeys("AB", [score, score])})
    assert "| float | A → B | 52.25 ± 0.00 | 10.00 ± 0.00 | -39.00 ± 0.00 |" in table

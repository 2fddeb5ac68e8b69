"""The drawn dataset for ablations: lakes, and maps of the lakes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from conftest import ROOT, Programs
from PIL import Image

sys.path.append(str(ROOT / "datasets"))  # Python does this for a script
import make_lakes

from scripts.paper_tools import counts


def arrays(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def test_only_test_images_are_pairs(run: Programs, tmp_path: Path) -> None:
    """The blue pixels of a test picture are the water of its map; training images differ."""
    words = (tmp_path / "a", "--train", 12, "--test", 6, "--size", 16)
    out = run.call(make_lakes.main, "make_lakes.py", *words).ok().out
    assert out == "trainA 12, trainB 12, testA 6, testB 6\n"
    sets = {path.name: arrays(path) for path in (tmp_path / "a").iterdir()}
    blue = {x: sets[f"{x}A"][..., 2] > sets[f"{x}A"][..., 0] for x in ("train", "test")}
    water = {x: (sets[f"{x}B"] == make_lakes.WATER).all(-1) for x in ("train", "test")}
    land = (sets["testB"] == make_lakes.LAND).all(-1)
    assert (blue["test"] == water["test"]).all() and (land == ~water["test"]).all()
    assert ((blue["train"] == water["train"]).mean((1, 2)) < 0.95).all()
    shares = np.concatenate([*water.values()]).mean((1, 2))
    assert (shares > 0.25).all() and (shares < 0.45).all()


def test_wrong_maps_do_not_pass_the_rule(run: Programs, tmp_path: Path) -> None:
    """Maps of land alone, and the true maps of other pictures, have too few correct pixels."""
    run.call(make_lakes.main, "make_lakes.py", tmp_path / "a", "--train", 1).ok()
    water = (arrays(tmp_path / "a" / "testB") == make_lakes.WATER).all(-1)
    assert len(water) == 60 and (~water).mean() < counts.SHARE
    assert (water == np.roll(water, 1, axis=0)).mean() < 0.6 < counts.SHARE


def test_the_seed_decides(run: Programs, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        words = (tmp_path / name, "--train", 2, "--test", 1, "--seed", seed)
        run.call(make_lakes.main, "make_lakes.py", *words).ok()
    for part in ("trainA", "trainB", "testA", "testB"):
        one, same, other = (arrays(tmp_path / name / part) for name in ("one", "same", "other"))
        assert (one == same).all() and (one != other).any()


def test_images_are_not_mixed_with_others(run: Programs, tmp_path: Path) -> None:
    (tmp_path / "trainA").mkdir()
    (tmp_path / "trainA" / "x.png").touch()
    run.call(make_lakes.main, "make_lakes.py", tmp_path).refused(1, "has images already")

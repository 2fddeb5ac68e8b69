"""Training pairs of the bundled dataset, from a small made-up world."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Programs
from PIL import Image

sys.path.append(str(ROOT / "datasets"))  # Python does this for a script
import make_atlas


def test_pairs(run: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairs are the tiles of trainA with their maps; the other splits share no place."""
    monkeypatch.setattr(make_atlas, "WIDTH", 512)
    monkeypatch.setattr(make_atlas, "HEIGHT", 616)
    land = np.random.default_rng(0).random((9, 8)) < 0.5
    colours = np.where(land[..., None], (120, 100, 60), (10, 20, 90)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "bmng.jpg")
    words = ("make_atlas.py", tmp_path, "--size", 32, "--stride", 32, "--block", 64)
    run.call(make_atlas.main, *words, tmp_path / "set").ok()
    out = run.call(make_atlas.main, *words, tmp_path / "pairs", "--pairs").ok().out
    folders = {path.name: path for path in (tmp_path / "set").iterdir()}
    names = {name: {path.stem for path in folder.iterdir()} for name, folder in folders.items()}
    pairs = sorted((tmp_path / "pairs" / "train").iterdir())
    assert [path.name for path in (tmp_path / "pairs").iterdir()] == ["train"]
    assert {path.stem for path in pairs} == names["trainA"] and len(pairs) > 5
    assert not names["trainA"] & (names["trainB"] | names["testA"]) and names["testA"]
    assert out == f"pairs {len(pairs)}\n"
    for path in pairs:
        photo = np.asarray(Image.open(folders["trainA"] / f"{path.stem}.jpg"))
        pair = np.asarray(Image.open(path))
        assert (pair[:, :32] == photo).all()
        colours_of_map = {tuple(colour) for colour in pair[:, 32:].reshape(-1, 3).tolist()}
        assert colours_of_map == {make_atlas.WATER, make_atlas.LAND}  # both, as tiles are coasts

"""Odd records and names for paper.py, and odd files in the place of downloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Programs, pictures

from datasets import download
from scripts import download_model, paper

RECORD = {"task": "maps", "hours": 1, "machine": "x", "images": 1, "commit": "x", "changed": []}
SETUP = {"dataset": "d", "train": [], "palette": [], "network": None, "features": None}
RUN = {"variant": "full", "seed": 1, "best": None, **RECORD}


@pytest.mark.parametrize("scores", [{}, {"AtoB": {}}, {"AtoB": {"L1": "x"}, "BtoA": {}}])
def test_records_without_both_directions(run: Programs, scores: dict) -> None:
    file = run.folder / "checkpoints/paper_maps/paper.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(RECORD | {"scores": scores}))
    run.call(paper.main, "paper.py", "table").refused(1, "paper.json", "other content")
    results = run.folder / "out/d"
    results.mkdir(parents=True)
    (results / "setup.json").write_text(json.dumps(SETUP))
    for of_run in (scores, {"latest": scores}):
        (results / "full-1.json").write_text(json.dumps(RUN | {"scores": of_run}))
        program = ("paper.py", "results", "--out", "out")
        run.call(paper.main, *program).refused(1, "full-1.json", "other content than expected")


def test_a_direction_that_is_unknown_is_not_shown(run: Programs) -> None:
    file = run.folder / "checkpoints/paper_maps/paper.json"
    file.parent.mkdir(parents=True)
    scores = {"AtoB": {"L1": 2}, "BtoA": {}, "XtoY": {"L1": 3}}
    file.write_text(json.dumps(RECORD | {"scores": scores}))
    assert "2.000" in run.call(paper.main, "paper.py", "table").ok().out


@pytest.mark.parametrize("name", ["notes.md", "conclusion.md"])
def test_notes_that_are_no_text(run: Programs, name: str) -> None:
    folder = run.folder / "out/d"
    folder.mkdir(parents=True)
    (folder / "setup.json").write_text(json.dumps(SETUP))
    (folder / name).write_bytes(b"\xff")
    program = ("paper.py", "results", "--out", "out")
    run.call(paper.main, *program).refused(1, f"{name}: it is damaged (not UTF-8 text)")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "."])
def test_results_stay_in_their_folder(run: Programs, name: str) -> None:
    for x in "AB":
        pictures(run.folder / f"d/test{x}", ["0.png"])
    program = ("paper.py", "ablate", "--dataroot", "d", "--out", "out", "--dry_run", "--name", name)
    run.call(paper.main, *program).refused(2, f"--name {name}: should be the name of one folder")


def model(folder: Path) -> Path:
    path = folder / "checkpoints/horse2zebra_pretrained/latest_net_G.pth"
    path.parent.mkdir(parents=True)
    return path


def test_an_existing_model_is_read(run: Programs) -> None:
    """An empty file or a folder is not taken for the model."""
    path = model(run.folder)
    program = ("download_model.py", "horse2zebra")
    path.touch()
    run.call(download_model.main, *program).refused(1, "exists, but this is not a file of weights")
    path.unlink()
    path.mkdir()
    run.call(download_model.main, *program).refused(1, "move it away")
    path.rmdir()
    path.symlink_to("nowhere")
    run.call(download_model.main, *program).refused(1, "is a link to nothing; remove it")
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()
    run.call(download_model.main, *program).refused(1, "is a file, but should be a folder")


def test_a_dataset_in_the_place_of_a_link(run: Programs) -> None:
    (run.folder / "d").symlink_to("nowhere")
    program = ("download.py", "horse2zebra", "--out", "d")
    run.call(download.main, *program).refused(1, "d is a link to nothing; choose another --out")

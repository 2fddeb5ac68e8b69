"""Facts and explanations on the training page, and the part of a state that belongs to it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from simulated_pages import training_options

from models.training import state_check
from models.training.health import WARNINGS
from util.sinks.training_page import TrainingPage


def test_facts_about_the_run(run: Programs, unaligned: Path) -> None:
    flags = ("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--max_dataset_size", "1")
    run.train(*flags).ok()
    line = (run.runs / "x" / "web" / "data.js").read_text().splitlines()[0]
    kind, begin = json.loads(f"[{line[4:-1]}]")
    facts = begin["facts"]
    assert kind == "begin" and facts["Command"].startswith("python train.py --dataroot ")
    assert facts["Command"].endswith(shlex.join(map(str, flags)))
    assert facts["PyTorch"].startswith(torch.__version__) and facts["Device"].startswith("cpu (")
    networks = [f"{name} [0-9.]+ k" for name in ("G_A", "G_B", "D_A", "D_B")]
    assert re.fullmatch(", ".join(networks), facts["Parameters"])


def test_the_page_explains_every_warning(tmp_path: Path) -> None:
    page = TrainingPage(training_options(tmp_path, 1), tmp_path / "x" / "web")
    page.close()
    html = (page.folder / "index.html").read_text()
    assert [sign for sign in WARNINGS if f'<article id="why-{sign}">' not in html] == []


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ([1, 0.5, 9, 1e9, 0.5, None], ""),
        ([1, 0.5, 9, 1e9, 0.5], "x.points should have 6 numbers each"),
        ([1, None, 9, 1e9, 0.5, 0.1], "x.points should begin with four numbers"),
        ([1, 0.5, 9, 1e9, "0.5", 0.1], "x.points[0][4] should be"),
    ],
)
def test_points_in_a_state(point: list, problem: str) -> None:
    """A value can be missing, the place of a point cannot; states may come from elsewhere."""
    found = state_check.page({"keys": ["G", "change_G"], "points": [point]}, "x")
    assert found.startswith(problem) and bool(found) == bool(problem)

"""Fixtures for tests of scripts/paper.py: its programs run in the test process on tiny images."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_EPOCH, ROOT, TINY, Programs, pictures
from PIL import Image

from scripts import paper
from scripts.paper_tools import jobs

# Options for train.py that replace the paper's settings by tiny networks and one epoch.
OVERRIDE = ("--", *TINY, *ONE_EPOCH, "--no_html")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of the programs that paper.py ran, in this process."""
    calls: list[list[str]] = []

    def execute(argv: list[str], place: jobs.Place = jobs.HERE) -> None:
        calls.append(list(map(str, argv)))
        monkeypatch.setattr(sys, "argv", calls[-1])
        runpy.run_path(str(ROOT / argv[0]), run_name="called")["main"]()

    monkeypatch.setattr(jobs, "execute", execute)
    return calls


@pytest.fixture
def do(run: Programs) -> Callable:
    """Calls paper.py as a user does."""
    return lambda *words: run.call(paper.main, "paper.py", *words)


def pairs(root: Path, palette: bool = False) -> Path:
    """Make 3 training images of each domain, and 2 test pairs named as in the archives.

    With ``palette``, the images of domain B have two colours.
    """
    counts = {"trainA": 3, "trainB": 3, "testA": 2, "testB": 2}
    for seed, (folder, count) in enumerate(counts.items()):
        pictures(root / folder, [f"{i}_{folder[-1]}.png" for i in range(count)], seed)
    for path in root.glob("*B/*") if palette else ():
        light = np.asarray(Image.open(path).convert("L")) > 128
        Image.fromarray(np.where(light, 255, 0).astype(np.uint8)).save(path)
    return root

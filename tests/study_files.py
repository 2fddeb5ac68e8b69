"""A small perceptual study and result files of it, with fixtures for its tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from conftest import Programs, Result, pictures

from scripts import study

NEEDED = ("--contact", "me@example.org", "--practice", "2", "--trials", "4", "--size", "16")
NAMES = [f"{i:04}" for i in range(8)]


def results_pages(folder: Path) -> None:
    """Write results pages of two methods: results/one and results/two."""
    for seed, name in enumerate(("one", "two")):
        images = folder / "results" / name / "test_latest" / "images"
        pictures(images, [f"{stem}_fake_B.png" for stem in NAMES], seed, (16, 16))
        pictures(images, [f"{stem}_real_B.png" for stem in NAMES], 9, (16, 16))


def make(run: Programs, *args: object, results: bool = True) -> Result:
    """Run ``study.py make``, by default on both results pages."""
    pages = [run.folder / "results" / name / "test_latest" for name in ("one", "two")]
    given = ("--results", *pages) if results else ()
    more = () if "--output" in args else ("--output", run.folder / "study")
    return run.call(study.main, "study.py", "make", *given, *NEEDED, *more, *args)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two results pages, and a study of them with its key. Not to be written to."""
    folder = tmp_path_factory.mktemp("study")
    results_pages(folder)
    make(Programs(folder)).ok()
    return folder


@pytest.fixture(scope="session")
def key(folder: Path) -> dict:
    return json.loads((folder / "study_key.json").read_text())


def answers(key: dict, seed: int, guess: Callable[[Random], bool], **changes: object) -> dict:
    """The result of a participant who takes a generated image for real if ``guess`` says so."""
    random = Random(seed)
    group = changes.pop("group", None) or random.choice(sorted(key["groups"]))

    def trials(pool: str, count: int) -> list[dict]:
        found = []
        for pair in random.sample(key["groups"][group][pool], count):
            order = random.sample([pair["real"], pair["fake"]], 2)
            chosen = pair["fake"] if guess(random) else pair["real"]
            trial = dict(zip(("first", "second"), order, strict=True))
            trial["answer"] = next(place for place, name in trial.items() if name == chosen)
            found.append(trial | {"shown": [1000.0, 1016.7], "late": 0, "response": 700.0})
        return found

    return {
        "version": 1,
        "study": key["study"],
        "group": group,
        "participant": "",
        "session": f"s{seed}",
        "started": 1_700_000_000_000 + seed,
        "finished": 1_700_001_000_000,
        "reloads": 0,
        "screen": {"image": 256},
        "practice": trials("practice", key["practice"]),
        "trials": trials("scored", key["trials"]),
    } | changes

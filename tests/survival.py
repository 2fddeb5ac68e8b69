"""Fixtures for trainings that end before their time, in this process and as processes that can be killed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import FSYNC, TINY, Programs, Result, pictures

from models.training.step import Step
from scripts.maintenance import check_resume
from scripts.maintenance.check_resume import differences, kill, start

TWO_EPOCHS = ("--n_epochs", "2", "--n_epochs_decay", "0", "--seed", "1")  # of five steps
OFTEN = (
    "--print_freq",
    "1",
    "--display_freq",
    "2",
    "--update_html_freq",
    "2",
    "--save_latest_freq",
    "2",
)


class Crash(Exception):
    """Ends a training as a bug would."""


def crash() -> None:
    raise Crash


def images(data: Path) -> Path:
    """Make trainA with 4, trainB with 5 images there."""
    for seed, (folder, count) in enumerate({"trainA": 4, "trainB": 5}.items()):
        pictures(data / folder, [f"{folder[-1].lower()}{i}.png" for i in range(count)], seed)
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of :func:`images`, to be written to."""
    return images(tmp_path / "data")


@pytest.fixture
def after_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """``after_step(3, what)`` calls ``what`` at the end of the third step from now, in this process."""
    step, todo = Step.__call__, {}

    def counted_step(self: Step, *args) -> None:
        step(self, *args)
        for what in list(todo):
            todo[what] -= 1
            if todo[what] == 0:
                todo.pop(what)
                what()

    monkeypatch.setattr(Step, "__call__", counted_step)
    return lambda count, what: todo.update({what: count})


def train(run: Programs, data: Path, *more: object, name: str = "x") -> Result:
    return run.train("--dataroot", data, "--name", name, *TINY, *TWO_EPOCHS, *OFTEN, *more)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unbroken run of two epochs. Not to be written to."""
    run = Programs(tmp_path_factory.mktemp("once"))
    train(run, images(run.folder / "data"), name="whole").ok()
    return run.runs / "whole"


@pytest.fixture
def whole(run: Programs, once: Path) -> Path:
    """A copy of it beside the runs of a test."""
    return Path(shutil.copytree(once, run.runs / "whole"))


def go_on(run: Programs, *more: object, name: str = "x") -> Result:
    return run.train("--continue_train", "--name", name, *more)


def break_off(
    run: Programs, data: Path, after_step: Callable, *more: object, step: int = 4
) -> None:
    """A run x that crashed after so many steps; with the options above it was saved after an even number."""
    after_step(step, crash)
    with pytest.raises(Crash):
        train(run, data, *more)


def state(folder: Path) -> dict:
    return torch.load(folder / "state.pth", weights_only=True)


def equal(run: Programs, name: str = "x", other: str = "whole") -> bool:
    """Whether two runs have left the same behind; where not, pytest shows what differs."""
    found = differences(run.runs / other, run.runs / name)
    found.pop("page", None)  # which holds the run's name
    return not found or pytest.fail(str(found))


def subclass(path: Path, *lines: str, of: str = "models.cycle_gan_model.CycleGANModel") -> str:
    """Write ``NAME_model.py`` with such a subclass of a model, or likewise of a dataset; returns its path."""
    module, _, base = of.rpartition(".")
    name = path.stem.title().replace("_", "")
    path.write_text(
        f"import os, signal, time\nimport torch\nfrom {module} import {base}\n\n\nclass {name}({base}):\n"
        + "".join(f"    {line}\n" for line in lines)
    )
    return str(path)


class Running:
    """Starts trainings as processes, and waits for what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.output = (
            folder,
            folder / "work" / "checkpoints",
            folder / "output.txt",
        )
        self.processes: list = []

    def __call__(self, data: Path, *more: str):
        args = [
            "--dataroot",
            str(data),
            "--name",
            "x",
            *TINY,
            *TWO_EPOCHS,
            *OFTEN,
            "--checkpoints_dir",
            str(self.runs),
            *more,
        ]
        self.processes.append(start(args, self.output))
        return self.processes[-1]

    def wait_for(self, file: Path, words: str = "") -> None:
        until = time.monotonic() + 60
        while not (file.exists() and words in (file.read_text() if words else "")):
            assert self.processes[-1].is_alive() and time.monotonic() < until, (
                self.output.read_text()
            )
            time.sleep(0.005)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes start as copies of this one, which has imported PyTorch already, with what optimizers import when they step."""
    import torch._dynamo  # noqa: F401

    monkeypatch.setattr(check_resume, "launcher", multiprocessing.get_context("fork"))
    monkeypatch.setattr(os, "fsync", FSYNC)  # a save then takes long enough to be met by a kill


@pytest.fixture
def running(tmp_path: Path, copied: None) -> Iterator[Running]:
    runner = Running(tmp_path)
    yield runner
    for process in runner.processes:
        kill(process)

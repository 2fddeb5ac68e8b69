"""Fixtures for interrupted trainings, in this process or as processes that can be killed.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import contextlib
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
from scripts.maintenance.check_resume import start
from scripts.maintenance.compare_runs import differences
from scripts.maintenance.sessions import kill
from util.checkpoint import saved_options
from util.plugins import file_flags

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
    """An error that ends a training as a bug would."""


def crash() -> None:
    raise Crash


def images(data: Path) -> Path:
    """Create trainA with 4 and trainB with 5 images."""
    for seed, (folder, count) in enumerate({"trainA": 4, "trainB": 5}.items()):
        pictures(data / folder, [f"{folder[-1].lower()}{i}.png" for i in range(count)], seed)
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of :func:`images` that a test may change."""
    return images(tmp_path / "data")


@pytest.fixture
def after_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """``after_step(3, call)`` runs ``call()`` at the end of the third step from now."""
    context, todo = Step.context, {}

    @contextlib.contextmanager
    def counted_step(self: Step, *args, **kwargs) -> Iterator[None]:
        with context(self, *args, **kwargs):
            yield
        for what in list(todo):
            todo[what] -= 1
            if todo[what] == 0:
                todo.pop(what)
                what()

    monkeypatch.setattr(Step, "context", counted_step)
    return lambda count, what: todo.update({what: count})


def train(run: Programs, data: Path, *more: object, name: str = "x") -> Result:
    return run.train("--dataroot", data, "--name", name, *TINY, *TWO_EPOCHS, *OFTEN, *more)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of two epochs. Tests must not change it."""
    run = Programs(tmp_path_factory.mktemp("once"))
    train(run, images(run.folder / "data"), name="whole").ok()
    return run.runs / "whole"


@pytest.fixture
def whole(run: Programs, once: Path) -> Path:
    """A copy of the uninterrupted run, beside the runs of a test."""
    return Path(shutil.copytree(once, run.runs / "whole"))


def resume(run: Programs, *more: object, name: str = "x") -> Result:
    """Resume a run that this test trusts: a model or dataset file has to be given again."""
    files = file_flags(saved_options(run.runs / name))
    return run.train("--continue_train", "--name", name, *files, *more)


def interrupt(
    run: Programs, data: Path, after_step: Callable, *more: object, step: int = 4
) -> None:
    """Make a run x that crashed after ``step`` steps; OFTEN saves after every second step."""
    after_step(step, crash)
    with pytest.raises(Crash):
        train(run, data, *more)


def state(folder: Path) -> dict:
    return torch.load(folder / "state.pth", weights_only=True)


def equal(run: Programs, name: str = "x", other: str = "whole") -> bool:
    """True if two runs left the same files; otherwise the test fails with the differences."""
    changes = differences(run.runs / other, run.runs / name)
    changes.pop("page", None)  # the page shows the run's name
    return not changes or pytest.fail(str(changes))


def subclass(path: Path, *lines: str, of: str = "models.cycle_gan_model.CycleGANModel") -> str:
    """Write a module with a subclass of ``of`` whose body is ``lines``; return its path."""
    module, _, base = of.rpartition(".")
    name = path.stem.title().replace("_", "")
    path.write_text(
        f"import os, signal, time\nimport torch\nfrom {module} import {base}\n\n\n"
        f"class {name}({base}):\n" + "".join(f"    {line}\n" for line in lines)
    )
    return str(path)


class Running:
    """Starts trainings as processes, and waits for their files."""

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
    """Start processes as forks of this one, which has imported all of PyTorch already."""
    import torch._dynamo  # noqa: F401

    monkeypatch.setattr(check_resume, "launcher", multiprocessing.get_context("fork"))
    monkeypatch.setattr(os, "fsync", FSYNC)  # a save then takes long enough to be met by a kill


@pytest.fixture
def running(tmp_path: Path, copied: None) -> Iterator[Running]:
    runner = Running(tmp_path)
    yield runner
    for process in runner.processes:
        kill(process)

"""The printed seconds per image, with a clock and a GPU that are fakes."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.training.position import Position
from models.training.report import Report
from models.training.run_state import RunState
from models.training.validation import Validation
from util.visualizer import Visualizer


class World:
    """A clock, and a GPU that works through what the host has queued while the host continues."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.busy_until = 0.0

    def host(self, seconds: float) -> None:
        self.now += seconds

    def queue(self, seconds: float) -> None:
        self.busy_until = max(self.now, self.busy_until) + seconds

    def wait(self, *device: object) -> None:
        self.now = max(self.now, self.busy_until)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(time, "monotonic", lambda: world.now)
    monkeypatch.setattr(time, "time", lambda: 1e9 - world.now)  # the system's clock is set back
    monkeypatch.setattr(torch.cuda, "synchronize", world.wait)
    return world


class Data:
    """Twelve batches of 2 images; the host waits 0.5 s for each."""

    last_batch_images = global_batch_size = 2

    def __init__(self, world: World) -> None:
        self.world = world

    def __len__(self) -> int:
        return 24

    def __iter__(self) -> Iterator[dict]:
        for _ in range(12):
            self.world.host(0.5)
            yield {}


class Model:
    """Losses that wait for the GPU."""

    optimizers = ()

    def __init__(self, world: World) -> None:
        self.world = world

    def get_current_losses(self) -> dict[str, float]:
        self.world.wait()
        return {"G": 1.0}

    def compute_visuals(self) -> None:
        self.world.host(3)

    def get_current_visuals(self) -> dict:
        return {}


@pytest.fixture
def report(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Lines every 8 images, images every 6; plotting takes 7 s."""
    frequencies = {"print_freq": 8, "display_freq": 6, "update_html_freq": 6}
    logs = {"no_html": True, "display_id": 0, "use_wandb": False, "use_tensorboard": False}
    place = {"checkpoints_dir": str(tmp_path), "name": "x", "continue_train": False}
    official = {"epoch_count": 1, "isTrain": True, "display_winsize": 256, "gpu_ids": [0]}
    opt = Namespace(
        **frequencies, **logs, **place, **official, device=torch.device("cuda:0"), no_health=True
    )
    report = Report(opt, Visualizer(opt))
    plot = report.visualizer.plot_current_losses
    monkeypatch.setattr(
        report.visualizer, "plot_current_losses", lambda *more: (world.host(7), plot(*more))
    )
    return report


def printed(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "x" / "loss_log.txt").read_text().splitlines()
    return [line.split("iters: ")[1].split(")")[0] for line in lines[1:]]


def test_the_gpu_is_behind_the_host(tmp_path: Path, report: Report, world: World) -> None:
    """Steps of 4 s are queued within 0.1 s. Waiting, saving, validation and pages do not count."""
    at, model, data = Position(1), Model(world), Data(world)
    state, validation = RunState.__new__(RunState), Validation.__new__(Validation)
    state.report = report
    state._save = lambda names: (world.wait(), world.host(20))
    validation._measure = lambda *more: world.host(50)
    for step, _ in enumerate(report.timed_batches(data), 1):
        world.queue(4)
        world.host(0.1)
        at.advance(2)
        report.log_and_show(at, model, data)
        if step in (2, 4, 5):
            state.save("latest")
        if step == 7:
            validation.validate(at, report.visualizer)
    # The GPU needs 2 s per image. Of the waits for data, those of steps 2, 11 and 12 overlap with
    # its work; before the other steps it has finished, because something waited for it.
    expected = [round((16 - overlap) / 8, 3) for overlap in (0.5, 0.0, 1.0)]
    times = [float(line.split("time: ")[1].split(",")[0]) for line in printed(tmp_path)]
    assert times == expected, times


def test_a_step_by_itself(tmp_path: Path, report: Report, world: World) -> None:
    """A line after each step of two images; the next epoch begins without the validation's time."""
    at, model, data = Position(1), Model(world), Data(world)
    report.opt.print_freq = 2
    for _ in range(2):
        for _ in report.timed_batches(data):
            world.host(1)
            at.advance(2)
            report.log_and_show(at, model, data)
        world.host(100)  # what train.py does at the end of an epoch
        at.begin_next_epoch()
    assert {line.split("time: ")[1] for line in printed(tmp_path)} == {"0.500, data: 0.500"}


def test_work_of_the_gpu_at_the_end_of_an_epoch(
    tmp_path: Path, report: Report, world: World
) -> None:
    """It belongs to the first line of the next epoch, whatever waits for the GPU in between."""
    at, model, data = Position(1), Model(world), Data(world)
    report.opt.print_freq = report.opt.display_freq = 32
    at.printed = at.shown = True
    for _ in range(2):
        for _ in report.timed_batches(data):
            world.queue(4)
            at.advance(2)
            report.log_and_show(at, model, data)
            if at.total == 32:
                break
        world.wait()
        at.begin_next_epoch()
    [line] = printed(tmp_path)
    waits = 0.5 * (11 + 3)  # all but the first of each epoch overlap
    assert float(line.split("time: ")[1].split(",")[0]) == round((16 * 4 - waits) / 32, 3)

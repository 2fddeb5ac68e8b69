"""The time that ``train.py --dry_run`` estimates."""

from __future__ import annotations

import time

import pytest
import torch
from steps import batch, options, repeatable  # noqa: F401

from models.training import timing
from models.training.step import Step
from util.errors import UserError

SMALL = "--netG resnet_6blocks --netD pixel --ngf 1 --ndf 1 --load_size 16 --crop_size 16"


def test_first_step_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three real steps are timed, after a slow one, such as one that compiles."""
    durations = iter((5.0, 0.4, 0.2, 0.3))
    clock = [0.0]
    train = Step.__call__

    def step(self: Step, images: dict) -> None:
        train(self, images)
        clock[0] += next(durations)

    monkeypatch.setattr(Step, "__call__", step)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    text = timing.line(options(*SMALL.split()), batch(1, 16, torch.float32), 1000)
    assert text.startswith("Time: about 0:05:00 for 1000 steps of 0.3 s on cpu, ")
    assert next(durations, None) is None


def test_long_times() -> None:
    assert timing.shown(35_999) == "9:59:59"
    assert timing.shown(154_800) == "43 hours" and timing.shown(864_000) == "240 hours (10.0 days)"


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Step, images: dict) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Step, "__call__", step)
    with pytest.raises(UserError, match="out of memory on cpu"):
        timing.line(options(*SMALL.split()), batch(1, 16, torch.float32), 1)

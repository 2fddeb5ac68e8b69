"""--early_stop: where a training ends, also a resumed one, and what it leaves."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Programs
from survival import equal, interrupt, resume, state, train

from models.training.position import Position
from models.training.validation import Validation
from util import distributed

pytest_plugins = ["survival"]
# Of each epoch: the best are 2 and 6; the value of epoch 4 equals the best, which is not better.
VALUES = [5.0, 4.0, 6.0, 4.0, 5.0, 3.0, 6.0, 7.0, 8.0]
SMALL = """--max_dataset_size 3 --netD pixel --ngf 1 --ndf 1 --load_size 18 --crop_size 16
    --panel_size 0 --no_health --save_latest_freq 3 --print_freq 100 --display_freq 100"""
STOP = ["--n_epochs", "9", "--val_freq", "1", "--val_share", "0.4", "--early_stop", "2"]
STOP += SMALL.split()


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validations give VALUES."""
    measure = Validation._measure

    def scripted_measure(self: Validation, position: Position, *more: object) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            metrics = {"patches": VALUES[position.epoch - 1]}
            patch.setattr(self, "compute_metrics", lambda: metrics)
            return measure(self, position, *more)

    monkeypatch.setattr(Validation, "_measure", scripted_measure)


def test_a_training_stops_and_can_be_continued(run: Programs, data: Path) -> None:
    """Log, page and index say so; --early_stop 0 continues up to the planned end."""
    out = train(run, data, *STOP).ok().out
    reason = "stopped early after epoch 4 of 9: 2 validations without a new best (--early_stop 2)"
    assert f"The training {reason}; to continue it" in out and "the best is epoch 2" in out
    folder = run.runs / "x"
    assert state(folder)["position"]["epoch"] == 5 and state(folder)["position"]["seen"] == 0
    page = (folder / "web" / "data.js").read_text().splitlines()
    assert page[-1].startswith('run("end", "finished", ') and page[-1].endswith(", 4)")
    index = (run.runs / "index.html").read_text()
    assert 'class="state finished"' in index and "4 of 9 epochs" in index and reason in index

    weights = (folder / "latest_net_G_A.pth").read_bytes()
    assert f"This run {reason}; to continue it: --early_stop 0" in resume(run).ok().out
    assert (folder / "latest_net_G_A.pth").read_bytes() == weights
    out = resume(run, "--early_stop", 0, "--n_epochs", 6).ok().out
    assert "--early_stop 2 -> 0" in out
    assert "stopped early" not in out and "the best is epoch 6" in out
    assert state(folder)["position"]["epoch"] == 7
    assert json.loads((folder / "best.json").read_text())["epoch"] == 6
    assert "6 of 6 epochs" in (run.runs / "index.html").read_text()


@pytest.mark.slow
def test_val_freq_and_the_last_epoch(run: Programs, data: Path) -> None:
    """Validations count, not epochs; a training without a reason to stop ends as planned."""
    more = (*STOP, "--no_html")
    out = train(run, data, *more, "--val_freq", "2").ok().out
    assert "stopped early after epoch 8 of 9" not in out  # epochs 2, 4, 6 (best), 8, 9
    assert "stopped early" not in out and "epoch 9 has 8" in out
    out = train(run, data, *more, "--early_stop", "3", name="y").ok().out
    assert "stopped early after epoch 5 of 9: 3 validations" in out


@pytest.mark.parametrize("step", [5, pytest.param(7, marks=pytest.mark.slow)])  # epochs 3 and 4
def test_a_resumed_run_stops_at_the_same_place(
    run: Programs, data: Path, after_step: Callable, step: int
) -> None:
    train(run, data, *STOP, name="whole").ok()
    interrupt(run, data, after_step, *STOP, step=step)
    assert "stopped early after epoch 4 of 9" in resume(run).ok().out
    assert equal(run)
    position = state(run.runs / "x")["position"]
    assert position["without_best"] == 2 and position["validated"] == [(4, 4.0), (2, 4.0)]


def test_other_ranks_stop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rank 0 measures; the others get what decides about the end."""
    validation = Validation(Namespace(val_freq=0, val_metric="auto"), None, None)
    validation.opt = Namespace(n_epochs=9, n_epochs_decay=0, early_stop=2)
    found = (False, "", [(4, 4.0), (2, 4.0)], 2)
    monkeypatch.setattr(distributed, "is_main", lambda: False)
    monkeypatch.setattr(distributed, "broadcast_object", lambda mine: found)
    position = Position(4)
    assert validation.last_epoch(position) == 9
    assert validation.validate(position, None) is False
    assert validation.last_epoch(position) == 4


def test_refusals(run: Programs, data: Path) -> None:
    train(run, data, "--early_stop", 2).refused(2, "--early_stop needs --val_freq")
    train(run, data, *STOP, "--early_stop", -1).refused(2, "--early_stop", "at least 0")

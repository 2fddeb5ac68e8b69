"""Checkpoints are written in a thread: they hold the state at the save, and errors end the run."""

import threading

import pytest
import torch
from conftest import ONE_EPOCH, TINY

from models.cycle_gan_model import CycleGANModel
from models.training import run_state
from models.training.background import BackgroundWriter, snapshot
from util import files
from util.errors import UserError


def test_jobs_run_in_order_and_errors_are_raised_once() -> None:
    writer, release, finished = BackgroundWriter(), threading.Event(), []
    writer.check()
    writer.wait()
    writer.start(lambda: (release.wait(5), finished.append(1)))
    writer.check()
    assert finished == []  # neither start nor check waits
    release.set()
    writer.start(lambda: finished.append(2))
    writer.wait()
    assert finished == [1, 2]

    def fail() -> None:
        raise UserError("full")

    writer.start(fail)
    writer.join()
    with pytest.raises(UserError, match="full"):
        writer.check()
    writer.check()


def test_a_snapshot_does_not_change() -> None:
    weight, pool = torch.ones(3), [torch.zeros(2)]
    state = {
        "weights": {"w": weight},
        "pool": pool,
        "position": {"seen": 1},
        "none": None,
        "random": (1, (2, 3)),
    }
    copy = snapshot(state)
    weight.add_(1)
    pool.append(weight)
    state["position"]["seen"] = 2
    assert copy["weights"]["w"].tolist() == [1, 1, 1] and len(copy["pool"]) == 1
    assert (
        copy["position"] == {"seen": 1} and copy["none"] is None and copy["random"] == (1, (2, 3))
    )


def test_training_continues_during_a_save(run, unaligned, monkeypatch) -> None:
    """A save that takes as long as two steps holds the state from the moment of its start."""
    real, steps, held = files.write_atomically, [], []
    begun = threading.Event()

    def slow(path, data, flag=""):
        if path.name == "state.pth" and len(steps) == 2 and not held:
            held.append(begun.wait(20))  # until two steps later
            real(path.with_name("held.pth"), data)
        real(path, data, flag)

    step = CycleGANModel.optimize_parameters

    def counted(model) -> None:
        step(model)
        steps.append(snapshot(model.netG_A.state_dict()))
        if len(steps) == 4:
            begun.set()

    monkeypatch.setattr(files, "write_atomically", slow)
    monkeypatch.setattr(CycleGANModel, "optimize_parameters", counted)
    run.train(
        "--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--save_latest_freq", "2"
    ).ok()
    assert held == [True]
    saved = torch.load(run.runs / "x" / "held.pth", weights_only=True)
    assert saved["position"]["seen"] == 2
    weights = saved["model"]["networks"]["G_A"]
    assert all(torch.equal(weights[k], steps[1][k]) for k in weights)
    last = torch.load(run.runs / "x" / "latest_net_G_A.pth", weights_only=True)
    assert all(torch.equal(last[k], steps[-1][k]) for k in last)


def test_a_full_disk_ends_the_training_with_one_line(run, unaligned, monkeypatch) -> None:
    real, count = files.write_atomically, [0]

    def full(path, data, flag=""):
        count[0] += path.name == "state.pth"
        if count[0] >= 2:
            raise UserError(f"cannot write {path}: No space left on device")
        real(path, data, flag)

    monkeypatch.setattr(files, "write_atomically", full)
    result = run.train(
        "--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--save_latest_freq", "1"
    )
    result.refused(1, "No space left on device")
    assert (
        torch.load(run.runs / "x" / run_state.STATE, weights_only=True)["position"]["seen"] == 0
    )  # the first one

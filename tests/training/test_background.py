"""Saving beside the training: what is written is the moment of the save, and errors come out of the next step."""

import threading

import pytest
import torch
from conftest import ONE_EPOCH, TINY
from steps import SMALL, batch, options, repeatable  # noqa: F401
from torch.utils._pytree import tree_leaves, tree_map

from models.cycle_gan_model import CycleGANModel
from models.training import run_state
from models.training.background import Background, Lending, snapshot
from models.training.step import Step
from util import checkpoint
from util.errors import UserError


def test_jobs_run_in_order_and_errors_come_out_once() -> None:
    background, go, seen = Background(), threading.Event(), []
    background.check()
    background.wait()
    background.start(lambda: (go.wait(5), seen.append(1)))
    assert seen == []  # the caller goes on
    go.set()
    background.start(lambda: seen.append(2))
    background.wait()
    assert seen == [1, 2]

    def fail() -> None:
        raise UserError("full")

    background.start(fail)
    background.join()
    with pytest.raises(UserError, match="full"):
        background.check()
    background.check()


def test_a_snapshot_does_not_follow() -> None:
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


class Own(CycleGANModel):
    """May change its weights anywhere."""


@pytest.mark.parametrize(("model", "lent"), [(CycleGANModel, True), (Own, False)])
def test_what_is_lent_is_not_copied_before_it_changes(
    model: type[CycleGANModel], lent: bool
) -> None:
    model = model(options(*SMALL, "--pool_size", "2"))
    step, lending = Step(model.opt, model), Lending()
    step(batch(dtype=torch.float32))
    p = next(model.netG_A.parameters())
    before = tree_map(
        lambda v: v.clone() if isinstance(v, torch.Tensor) else v, model.training_state()
    )
    assert lending.begin(model, 0.1) == []  # nothing is known of its steps yet
    lending.step = 0.3
    assert lending.begin(model, 0.2) == []  # the job would take longer than the next step
    state = snapshot(model.training_state(), lending.begin(model, 0.1))
    key, moment = "model.1.weight", model.optimizer_G.state[p]["exp_avg"]
    copies = (
        state["networks"]["G_A"][key],
        state["optimizers"][0]["state"][0]["exp_avg"],
        state["pools"]["fake_B_pool"][0],
    )
    for copy, value in zip(copies, (p, moment, model.fake_B_pool.images[0]), strict=True):
        assert (copy.data_ptr() == value.data_ptr()) == lent
    step.before_change = lambda optimizer: lending.end(optimizer, busy=True)
    step(batch(dtype=torch.float32))
    assert not torch.equal(p, copies[0])
    for ours, theirs in zip(tree_leaves(state), tree_leaves(before), strict=True):
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    address = p.data_ptr()
    assert bool(lending.begin(model, 0)) == lent and 0 < lending.step < 10
    step.before_change = lambda optimizer: lending.end(optimizer, busy=False)
    step(batch(dtype=torch.float32))
    assert p.data_ptr() == address and not lending.optimizers


def test_training_goes_on_while_it_is_saved(run, unaligned, monkeypatch) -> None:
    """A save in the middle of the epoch is held back until two more steps are done; it holds the moment it began at."""
    real, steps, held = checkpoint.write_atomically, [], []
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

    monkeypatch.setattr(checkpoint, "write_atomically", slow)
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
    real, count = checkpoint.write_atomically, [0]

    def full(path, data, flag=""):
        count[0] += path.name == "state.pth"
        if count[0] >= 2:
            raise UserError(f"cannot write {path}: No space left on device")
        real(path, data, flag)

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    result = run.train(
        "--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--save_latest_freq", "1"
    )
    result.refused(1, "No space left on device")
    assert (
        torch.load(run.runs / "x" / run_state.STATE, weights_only=True)["position"]["seen"] == 0
    )  # the first one

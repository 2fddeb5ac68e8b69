"""The learning rate of every epoch."""

import math
from argparse import Namespace

import pytest
import torch

from models.base_model import BaseModel
from models.networks import get_scheduler
from util.errors import UserError
from util.schedules import describe, last_epoch, lr_factor


def options(**changes):
    defaults = {
        "lr_policy": "linear",
        "n_epochs": 100,
        "n_epochs_decay": 100,
        "lr_decay_iters": 50,
        "epoch_count": 1,
        "lr": 0.1,
        "isTrain": True,
        "continue_train": False,
        "gpu_ids": [],
        "device": "cpu",
        "checkpoints_dir": "none",
        "name": "x",
        "preprocess": "none",
        "verbose": False,
    }
    return Namespace(**defaults | changes)


class Small(BaseModel):
    """A model with two optimizers of different rates, and a metric if the test sets one."""

    def __init__(self, opt, metric=None):
        super().__init__(opt)
        self.optimizers = [
            torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=scale * opt.lr)
            for scale in (1, 4)
        ]
        self.metric = metric

    def set_input(self, input):
        pass

    def forward(self):
        pass

    def optimize_parameters(self):
        for optimizer in self.optimizers:
            optimizer.step()

    def rates(self):
        return [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]


def factors(opt):
    return [lr_factor(opt, epoch) for epoch in range(1, last_epoch(opt) + 1)]


def test_linear_as_in_the_paper():
    found = factors(options())
    assert len(found) == 200
    assert found[:100] == [1.0] * 100
    assert found[100:] == pytest.approx([1 - k / 101 for k in range(1, 101)])
    assert found[-1] == pytest.approx(1 / 101)


@pytest.mark.parametrize(
    ("full", "decay", "wanted"),
    [
        (5, 0, [1] * 5),
        (1, 0, [1]),
        (0, 5, [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        (1, 1, [1, 0.5]),
        (0, 1, [0.5]),
    ],
)
def test_short_linear_schedules(full, decay, wanted):
    assert factors(options(n_epochs=full, n_epochs_decay=decay)) == pytest.approx(wanted)


def test_step_counts_epochs():
    found = factors(options(lr_policy="step", lr_decay_iters=3, n_epochs=4, n_epochs_decay=4))
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(("full", "decay"), [(100, 100), (5, 0), (0, 5), (1, 0), (2, 1)])
def test_cosine_falls_over_all_epochs(full, decay):
    found = factors(options(lr_policy="cosine", n_epochs=full, n_epochs_decay=decay))
    assert found[0] == 1 and found[-1] > 0
    assert all(later < earlier for earlier, later in zip(found, found[1:], strict=False))
    n = full + decay
    assert found == pytest.approx([(1 + math.cos(math.pi * e / n)) / 2 for e in range(n)])


@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
@pytest.mark.parametrize(("full", "decay"), [(100, 100), (5, 0), (0, 5), (1, 0), (30, 500)])
def test_no_epoch_is_wasted_and_no_rate_rises(policy, full, decay):
    found = factors(options(lr_policy=policy, n_epochs=full, n_epochs_decay=decay))
    assert min(found) > 0 and max(found) <= 1
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("policy", ["linear", "cosine"])
def test_scripts_that_train_on_get_neither_a_negative_nor_a_rising_rate(policy):
    opt = options(lr_policy=policy, n_epochs=3, n_epochs_decay=3)
    last = lr_factor(opt, 6)
    assert all(0 <= lr_factor(opt, epoch) <= last for epoch in range(7, 20))


def test_unknown_policies_raise():
    for policy in ("plateau", "poly"):
        with pytest.raises(NotImplementedError, match=policy):
            lr_factor(options(lr_policy=policy), 1)
    with pytest.raises(NotImplementedError, match="poly"):
        get_scheduler(torch.optim.SGD([torch.zeros(1)], lr=1), options(lr_policy="poly"))


# In a model


@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
def test_update_with_and_without_an_epoch(policy):
    opt = options(lr_policy=policy, n_epochs=3, n_epochs_decay=4, lr_decay_iters=2)
    counting, numbered = Small(opt), Small(opt)
    for epoch in range(1, 8):
        counting.update_learning_rate()
        numbered.update_learning_rate(epoch)
        wanted = 0.1 * lr_factor(opt, epoch)
        assert counting.rates() == numbered.rates() == pytest.approx([wanted, 4 * wanted])
        assert counting.optimizers[0].param_groups[0]["lr"] == pytest.approx(wanted)


def test_a_later_first_epoch_joins_the_same_schedule():
    opt = options(epoch_count=151)
    model = Small(opt)
    model.update_learning_rate()
    assert model.rates()[0] == pytest.approx(0.1 * (1 - 51 / 101))
    model.update_learning_rate()
    assert model.rates()[0] == pytest.approx(0.1 * (1 - 52 / 101))
    model.update_learning_rate(3)  # and back again: nothing accumulates
    assert model.rates() == pytest.approx([0.1, 0.4])


@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
@pytest.mark.parametrize("first", [1, 3])
def test_get_scheduler_stepped_after_each_epoch(policy, first):
    opt = options(
        lr_policy=policy, n_epochs=3, n_epochs_decay=4, lr_decay_iters=2, epoch_count=first
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = get_scheduler(optimizer, opt)
    for epoch in range(first, 8):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * lr_factor(opt, epoch))
        optimizer.step()
        scheduler.step()


def test_plateau_is_refused_without_a_metric():
    with pytest.raises(UserError, match="--lr_policy plateau"):
        Small(options(lr_policy="plateau")).setup(options(lr_policy="plateau"))


def test_plateau_follows_the_metric():
    opt = options(lr_policy="plateau")
    better, stalled, joined = Small(opt, 1.0), Small(opt, 1.0), Small(opt, 1.0)
    for model in (better, stalled, joined):
        model.setup(opt)
    found = []
    for epoch in range(1, 31):
        better.update_learning_rate(epoch)
        stalled.update_learning_rate(epoch)
        joined.update_learning_rate()
        assert joined.rates() == stalled.rates()
        assert better.rates() == [0.1, 0.4]
        better.metric *= 0.9
        found.append(stalled.rates()[0] / 0.1)
        assert stalled.rates()[1] == pytest.approx(4 * stalled.rates()[0])
    assert found[:7] == [1.0] * 7  # first seen before epoch 2, then five epochs of patience
    assert found == pytest.approx([1] * 7 + [0.2] * 6 + [0.04] * 6 + [0.008] * 6 + [0.0016] * 5)


def test_a_model_may_own_the_usual_names():
    """Custom models of the official code set such attributes on themselves."""
    model = Small(options())
    model.learning_rate = 0.5
    model.networks = []
    assert model.learning_rate == 0.5


# The line that is printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lr": 0.0002}, ["epochs 1-100 at 0.0002", "falling to 1.98e-06 in epoch 200"]),
        ({"n_epochs": 5, "n_epochs_decay": 0}, ["epochs 1-5 at 0.1"]),
        ({"n_epochs": 0, "n_epochs_decay": 5}, ["epochs 1-5", "falling to 0.0167 in epoch 5"]),
        ({"epoch_count": 150}, ["epochs 150-200", "falling to 0.00099 in epoch 200"]),
        ({"lr_policy": "cosine"}, ["epochs 1-200 from 0.1"]),
        ({"lr_policy": "step", "epoch_count": 51}, ["epochs 51-200 from 0.01 to 0.0001"]),
        ({"lr_policy": "plateau"}, ["epochs 1-200 from 0.1", "0.2"]),
    ],
)
def test_the_plan_in_words(changes, words):
    said = describe(options(**changes))
    assert "\n" not in said
    assert all(word in said for word in words), said

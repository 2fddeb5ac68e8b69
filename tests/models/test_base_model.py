"""BaseModel as models, scripts and forks of both generations of the official code use it."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from test_schedules import Small, options
from torch import nn

from models import BaseModel
from models.networks import define_G
from models.training import state_check
from util import checkpoint
from util.epoch_scheduler import EpochScheduler
from util.paths import TextPath
from util.schedules import lr_factor

# Learning rates in the scripts of both generations


def step(model: Small) -> None:
    for optimizer in model.optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        optimizer.step()


def rates_of_epochs(model: Small, at_the_end: bool, last: int) -> list[list[float]]:
    """Train as a script does; returns the rates of each epoch, from ``epoch_count`` on."""
    model.setup(model.opt)
    found = []
    for _ in range(model.opt.epoch_count, last + 1):
        if not at_the_end:
            model.update_learning_rate()
        found.append(model.rates())
        step(model)
        if at_the_end:
            model.update_learning_rate()
        rates = [group["lr"] for optimizer in model.optimizers for group in optimizer.param_groups]
        assert [rate for s in model.schedulers for rate in s.get_last_lr()] == rates
    return found


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_each_epoch_has_its_rate(policy, at_the_end, first, kind):
    """Plain SGD remembers nothing that would show that it has stepped."""
    opt = options(
        lr_policy=policy, n_epochs=3, n_epochs_decay=4, lr_decay_iters=2, epoch_count=first
    )
    model = Small(opt)
    model.optimizers = [kind([nn.Parameter(torch.zeros(1))], lr=scale * 0.1) for scale in (1, 4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rates_of_epochs(model, at_the_end, last=7)
    wanted = [0.1 * lr_factor(opt, epoch) for epoch in range(first, 8)]
    assert [rate for rate, _ in found] == pytest.approx(wanted)
    assert [rate for _, rate in found] == pytest.approx([4 * rate for rate in wanted])
    assert all(isinstance(scheduler, EpochScheduler) for scheduler in model.schedulers)


@pytest.mark.parametrize("at_the_end", [False, True])
def test_plateau_in_scripts(at_the_end):
    """The metric of an epoch counts for the next one in both orders of calls."""
    found = rates_of_epochs(Small(options(lr_policy="plateau"), 1.0), at_the_end, last=14)
    assert [rate / 0.1 for rate, _ in found] == pytest.approx([1] * 7 + [0.2] * 6 + [0.04])


@pytest.mark.parametrize("at_the_end", [False, True])
def test_schedulers_of_other_classes(at_the_end):
    """They step once between two epochs, and an optimizer without a part in a step waits, too."""
    model = Small(options())
    model.setup(model.opt)
    exponential = torch.optim.lr_scheduler.ExponentialLR(model.optimizers[0], 0.5)
    model.setup = lambda opt: None
    model.schedulers = [exponential, *model.schedulers[1:]]
    found = rates_of_epochs(model, at_the_end, last=4)
    assert [rate for rate, _ in found] == pytest.approx([0.1, 0.05, 0.025, 0.0125])


@pytest.mark.parametrize("at_the_end", [False, True])
def test_models_that_step_the_schedulers_themselves(at_the_end):
    class Own(Small):
        def update_learning_rate(self):
            for scheduler in self.schedulers:
                scheduler.step()

    opt = options(n_epochs=1, n_epochs_decay=3)
    found = rates_of_epochs(Own(opt), at_the_end, last=4)
    assert [rate for rate, _ in found] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_the_line_of_scripts(capsys):
    model = Small(options(n_epochs=1, n_epochs_decay=1))
    model.setup(model.opt)
    step(model)
    model.update_learning_rate()
    assert "learning rate 0.1000000 -> 0.0500000\n" in capsys.readouterr().out
    model.set_next_epoch(1)  # as train.py does, which prints the rates itself
    model.update_learning_rate()
    assert capsys.readouterr().out == "" and model.rates() == [0.1, 0.4]


# Attributes


def test_device():
    model = Small(options())
    for device in ("cpu", torch.device("cpu"), "cuda:1"):
        model.device = device
        assert model.device == torch.device(device)


def test_save_dir_is_a_path_and_text():
    folder = Small(options(checkpoints_dir="runs", name="a.x")).save_dir
    assert isinstance(folder, Path) and folder == Path("runs/a.x")
    assert folder + "/b" == "runs/a.x/b" and "my" + folder == "myruns/a.x"
    assert (folder / "b") + "/c" == "runs/a.x/b/c" and f"{folder}/b" == "runs/a.x/b"
    assert os.path.join(folder, "b") == "runs/a.x/b" and folder.endswith("x")
    for other in (copy.deepcopy(folder), pickle.loads(pickle.dumps(folder))):
        assert other == folder and isinstance(other, TextPath) and other + "b" == "runs/a.xb"
    with pytest.raises(AttributeError):
        folder.nothing  # noqa: B018


# Weights


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: f"module.{key}",
        lambda key: f"_orig_mod.{key}",
        lambda key: f"module.module._orig_mod.{key}",
        lambda key: f"_orig_mod.module.{key.replace('model.', 'model._orig_mod.', 1)}",
    ],
)
def test_names_with_the_parts_of_wrappers(rename, tmp_path):
    net = define_G(3, 3, 4, "resnet_6blocks", "instance")
    own = net.state_dict()
    weights = {rename(key): torch.ones_like(value) for key, value in own.items()}
    assert checkpoint.architecture_of(weights) == checkpoint.architecture_of(own)
    for wrapped in (net, nn.DataParallel(net)):
        checkpoint.fit_state_dict(wrapped, weights, tmp_path)
        assert all(value.eq(1).all() for value in net.state_dict().values())


def test_a_part_that_is_named_like_a_wrapper(tmp_path):
    net = nn.ModuleDict({"module": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    twins = nn.ModuleDict({"module": nn.ModuleDict({"a": nn.Linear(2, 2)}), "a": nn.Linear(2, 2)})
    for one in (net, twins):
        copied = copy.deepcopy(one)
        checkpoint.fit_state_dict(copied, one.state_dict(), tmp_path)


class Bare(Small):
    """A model with a wrapped network of ours and one that it built itself."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.model_names = ["G", "E"]
        self.netG = nn.DataParallel(define_G(3, 3, 2, "resnet_6blocks", "instance"))
        self.netE = nn.Conv2d(3, 3, 3)


def test_wrapped_networks_are_saved_without_the_wrapper(tmp_path):
    model = Bare(options(checkpoints_dir=tmp_path))
    model.save_networks("latest")
    saved = torch.load(tmp_path / "x" / "latest_net_G.pth", weights_only=True)
    assert saved.keys() == model.netG.module.state_dict().keys()
    other = Bare(options(checkpoints_dir=tmp_path, isTrain=False, epoch="latest", load_iter=0))
    other.setup(other.opt)
    assert torch.equal(other.netE.weight, model.netE.weight)
    assert all(torch.equal(v, saved[k]) for k, v in other.netG.module.state_dict().items())


@pytest.mark.parametrize("init_bare", [False, True])
def test_networks_of_the_model_itself(init_bare, capsys):
    model = Bare(options(init_bare=init_bare, init_type="normal", init_gain=0.02))
    before = model.netE.weight.clone()
    model.setup(model.opt)
    assert torch.equal(before, model.netE.weight) is not init_bare
    assert model.netE.bias.any().item() is not init_bare
    lines = [line for line in capsys.readouterr().out.splitlines() if "--init_bare" in line]
    assert [": E. " in line for line in lines] == [True] * (not init_bare)


def test_statistics_of_instance_norm():
    net = nn.Sequential(nn.InstanceNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True))
    keys = [f"{i}.{name}" for i in (0, 1) for name in ("running_mean", "num_batches_tracked")]
    state = dict.fromkeys([*keys, "0.weight"])
    for key in list(state):
        Small(options())._BaseModel__patch_instance_norm_state_dict(state, net, key.split("."))
    assert list(state) == ["1.running_mean", "1.num_batches_tracked", "0.weight"]


# State


class Hidden(Small):
    """A model that keeps an optimizer, a scheduler and a parameter in attributes only."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.weight = nn.Parameter(torch.ones(2))
        self.optimizer_E = torch.optim.Adam([self.weight], lr=0.5)
        self.scheduler_E = torch.optim.lr_scheduler.MultiStepLR(self.optimizer_E, [1, 2], 0.1)

    def train_once(self) -> None:
        self.optimizer_E.zero_grad()
        self.weight.square().sum().backward()
        self.optimizer_E.step()
        self.scheduler_E.step()


def test_parts_that_only_attributes_hold(tmp_path):
    problem = state_check._problem_of_model
    one, other = Hidden(options()), Hidden(options())
    one.train_once()
    torch.save(one.training_state(), tmp_path / "state.pth")
    saved = torch.load(tmp_path / "state.pth", weights_only=True)
    assert problem(saved, other) == "" and problem(saved, Small(options()))
    other.load_training_state(saved)
    for model in (one, other):
        model.train_once()
    assert torch.equal(one.weight, other.weight)
    assert one.scheduler_E.get_last_lr() == other.scheduler_E.get_last_lr()
    assert one.scheduler_E.get_last_lr() == pytest.approx([0.005])


def test_names_that_are_no_text_are_ignored():
    model = Bare(options())
    model.model_names = ["E", []]
    assert isinstance(model, BaseModel) and list(model.get_networks()) == ["E"]

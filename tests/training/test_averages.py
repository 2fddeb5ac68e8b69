"""--ema: moving averages of the generators."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from steps import SMALL, Ops, batch, options, repeatable, trained  # noqa: F401

from models import create_model
from models.training.averaging import young_average
from models.training.step import Step
from models.training.validation import with_averaged_networks
from util.errors import UserError


def test_averages_need_a_generator() -> None:
    """Only networks whose names begin with G are averaged."""
    opt = options(*SMALL, "--ema", "0.9")
    model = create_model(opt)
    model.model_names = ["D_A", "D_B"]
    with pytest.raises(UserError, match="--ema .* D_A, D_B"):
        Step(opt, model)


def test_averaged_generators() -> None:
    """Each step moves the averages by 1 - decay towards the weights, from the initial weights."""
    torch.manual_seed(3)
    step = trained("--ema", "0.9", steps=0, double=False)
    wanted = {key: value.clone() for key, value in step.model.netG_A.state_dict().items()}
    for _ in range(3):
        step(batch(dtype=torch.float32))
        wanted = {
            key: 0.9 * value + 0.1 * step.model.netG_A.state_dict()[key]
            for key, value in wanted.items()
        }
    averages = step.model.get_weights()
    assert averages.keys() >= {"G_A_ema", "G_B_ema"} and list(averages["G_A_ema"]) == list(wanted)
    for key, value in averages["G_A_ema"].items():
        assert torch.allclose(value, wanted[key], atol=1e-7)


@pytest.mark.parametrize(("decay", "steps", "share"), [(0.99, 10, "90"), (0.999, 400, "67")])
def test_averages_that_hardly_move(decay: float, steps: int, share: str) -> None:
    """A warning names the share of the first weights, and a decay that fits."""
    problem = young_average(decay, steps)
    assert f"--ema {decay}: after the {steps} steps" in problem and f" {share}% initial" in problem
    fitting = float(re.findall(r"at most --ema ([0-9.]+)", problem)[0])
    assert fitting**steps < 0.05 < decay**steps and fitting**steps > 0.04
    assert not young_average(fitting, steps) and not young_average(0, steps)


def test_averaged_batch_norm() -> None:
    """Running statistics are averaged, counters are copied, and resuming continues the averages."""
    args = ("--norm", "batch", "--ema", "0.5", "--lr", "0.0002")
    step = trained(*args, steps=2, n=2, double=False)
    name = "model.2.running_mean"
    assert not torch.equal(average(step)[name], step.model.netG_A.state_dict()[name])
    counter = "model.2.num_batches_tracked"
    assert average(step)[counter] == step.model.netG_A.state_dict()[counter] > 0
    other = trained(*args, steps=0, double=False)
    saved = copy.deepcopy(step.model.training_state())
    other.model.load_training_state(saved)
    assert all(map(torch.equal, average(other).values(), average(step).values()))
    data = batch(2, dtype=torch.float32)
    for step_ in (step, other):
        step_(data)
    assert all(map(torch.equal, average(other).values(), average(step).values()))
    for key in ("G_A_ema", "G_B_ema"):
        del saved["networks"][key]
    other.model.load_training_state(saved)  # a run without --ema resumes with it
    assert all(map(torch.equal, average(other).values(), saved["networks"]["G_A"].values()))


def test_updates_do_not_wait() -> None:
    step = trained("--ema", "0.9", "--norm", "batch", steps=0, double=False)
    with Ops(("_local_scalar_dense", "_to_copy")):
        step.model.averaged["G_A"].update_parameters(step.model.netG_A)


def test_hooks_that_are_methods_of_the_model() -> None:
    """A copy of such a hook would copy the whole model, which fails during a step."""
    opt = options(*SMALL, "--ema", "0.9")
    model = create_model(opt)
    model.features = torch.ones(1, requires_grad=True) * 2
    model.netG_A.register_forward_hook(model.set_input)
    with pytest.raises(UserError, match="^--ema .* hooks [^\n]*$"):
        Step(opt, model)


def test_all_names_of_a_generator_are_averaged() -> None:
    """Validation replaces every attribute that is a generator, and only in a copy of the model."""
    model = trained("--ema", "0.9", steps=0, double=False).model
    model.translator, G_A = model.netG_A, model.averaged["G_A"].module
    copied = with_averaged_networks(model)
    assert copied.translator is copied.netG_A is G_A and copied.netD_A is model.netD_A
    assert model.translator is model.netG_A is not G_A


def average(step: Step) -> dict[str, torch.Tensor]:
    return step.model.get_weights()["G_A_ema"]

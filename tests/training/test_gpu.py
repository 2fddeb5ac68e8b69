"""A CUDA GPU computes the same as the CPU. Skipped without a GPU."""

from __future__ import annotations

import pytest
import torch
from steps import SMALL, batch, build, options, repeatable  # noqa: F401

from models import create_model
from models.networks import get_norm_layer
from models.training.step import Step

pytestmark = pytest.mark.gpu


def losses_on(device: str, *args: str) -> dict[str, float]:
    """The losses of the second of two steps in double precision, from fixed weights and images."""
    torch.manual_seed(0)
    model = build(*SMALL, *args)
    model.device = torch.device(device)
    for module in (*model.get_networks().values(), model.criterionGAN):
        module.to(device)
    data = batch()
    for _ in range(2):
        model.set_input(data)
        model.optimize_parameters()
    return model.get_current_losses()


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_losses_equal_those_of_the_cpu(norm: str) -> None:
    expected = losses_on("cpu", "--norm", norm)
    assert losses_on("cuda", "--norm", norm) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_instance_norm_takes_half_precision(dtype: torch.dtype) -> None:
    """Half precision in and out, with statistics in float32: a large mean must not cost digits."""
    x = torch.randn(2, 8, 64, 64, device="cuda") + 10
    norm = get_norm_layer("instance")(8)
    result = norm(x.to(dtype))
    assert result.dtype == dtype
    assert (result.float() - norm(x.to(dtype).float())).abs().max() < 0.02


def test_deterministic_steps_are_bit_equal() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        assert losses_on("cuda") == losses_on("cuda")
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_step_with_averages_does_not_wait() -> None:
    opt = options(*SMALL, "--ema", "0.9")
    opt.device = "cuda"
    model = create_model(opt)
    for net in model.get_networks().values():
        net.cuda()
    step, data = Step(opt, model), batch(dtype=torch.float32)
    data |= {"A": data["A"].cuda(), "B": data["B"].cuda()}
    step(data)  # allocates the states of the optimizers
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(data)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    step.check()

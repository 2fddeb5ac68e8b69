"""Small models in double precision, their batches, and a fixture that makes steps repeatable."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models import create_model
from models.training.gradients import LossScaler
from models.training.step import Step
from options.train_options import TrainOptions

SMALL = (
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--netG",
    "resnet_6blocks",
    "--netD",
    "n_layers",
    "--n_layers_D",
    "2",
    "--init_gain",
    "0.2",
    "--lr",
    "0.01",
)


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def options(*args: str) -> Namespace:
    opt = TrainOptions().gather_options(["--dataroot", ".", *args])
    opt.isTrain, opt.gpu_ids, opt.device = True, [], torch.device("cpu")
    return opt


def build(*args: str, double: bool = True):
    model = create_model(options(*args))
    for net in (*model.get_networks().values(), model.criterionGAN) if double else ():
        net.double()
    return model


def batch(
    n: int = 1, size: int = 32, dtype: torch.dtype = torch.float64, other: int | None = None
) -> dict:
    A, B = (torch.rand(n, 3, side, size, dtype=dtype) * 2 - 1 for side in (size, other or size))
    return {"A": A, "B": B, "A_paths": ["a.png"] * n, "B_paths": ["b.png"] * n}


class Ops(TorchDispatchMode):
    """A context that notes every operation, and can forbid those that wait for the device."""

    def __init__(self, forbidden: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.names: list[str] = []
        self.forbidden = forbidden

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        assert not any(word in str(func) for word in self.forbidden), func
        return func(*args, **(kwargs or {}))


def trained(
    *args: str,
    steps: int = 3,
    n: int = 1,
    model: str = "cycle_gan",
    double: bool = True,
    scale: float = 256,
) -> Step:
    """Train on ``steps`` batches of ``n`` images; equal architectures start from equal weights."""
    torch.manual_seed(3)
    opt = options(*SMALL, "--pool_size", "0", "--model", model, "--norm", "instance", *args)
    opt.no_dropout = True
    model = create_model(opt)
    for net in (*model.get_networks().values(), model.criterionGAN) if double else ():
        net.double()
    if model.fp16_scaler:
        model.fp16_scaler = LossScaler("cpu", init_scale=scale)
    step = Step(opt, model)
    dtype = torch.float64 if double else torch.float32
    for data in [batch(n, dtype=dtype) for _ in range(steps)]:
        step(data)
    return step


def distance(a: Step, b: Step) -> float:
    """Return the largest difference between two weights."""
    return max(
        float((p - q).abs().max())
        for name, net in a.model.get_networks().items()
        for p, q in zip(net.parameters(), b.model.get_networks()[name].parameters(), strict=True)
    )

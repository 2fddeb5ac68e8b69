"""Models, batches and single steps for the checks."""

from __future__ import annotations

import copy
from argparse import Namespace

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from models import create_model
from models.base_model import BaseModel
from options.train_options import TrainOptions
from scripts.gpu.checks import Setup
from util import plugins
from util.errors import UsageError

SMALL = """--netG resnet_6blocks --netD n_layers --n_layers_D 2 --ngf 4 --ndf 4 --init_gain 0.2
    --pool_size 0 --no_dropout"""


# Side of the images in models whose networks take one size only
FIXED_SIZE = {"cogan": 64}


def models() -> list[str]:
    """The names of all models that train."""
    return [name for name in plugins.available("model") if name != "test"]


def size_for(model: str, other: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) of images for ``model``: its own, or ``other``."""
    side = FIXED_SIZE.get(model)
    return (side, side) if side else other


def options(setup: Setup, words: str, device: str = "") -> Namespace:
    """The options of a training.

    Args:
        words: options of train.py; later ones replace earlier ones.
        device: "cpu" for the CPU; default: the device of ``setup``.

    Raises:
        UsageError: the options do not go together, or do not fit the device.
    """
    gpu = -1 if device == "cpu" else setup.gpu
    common = ["--dataroot", ".", "--checkpoints_dir", str(setup.folder), "--name", "run"]
    common += ["--gpu_ids", str(gpu), "--seed", "1"]
    try:
        return TrainOptions().parse([*common, *words.split()], record=False)
    except UsageError as error:
        if str(error).startswith("--"):  # refuses an option
            raise
        raise RuntimeError(str(error)) from None  # e.g. a damaged model file


def build(opt: Namespace, dtype: torch.dtype = torch.float32) -> BaseModel:
    """Return a model with the weights of a fixed seed."""
    torch.manual_seed(1)
    model = create_model(opt)
    model.setup(opt)
    for value in vars(model).values():
        if isinstance(value, nn.Module):
            value.to(dtype)
    return model


def batch(
    opt: Namespace, n: int = 1, size: tuple[int, int] = (32, 32), dtype: torch.dtype = torch.float32
) -> dict:
    """Return n random images of (height, width) for each domain, from a fixed seed."""
    generator = torch.Generator().manual_seed(2)

    def images(channels: int) -> torch.Tensor:
        shape = (n, channels, *size)
        x = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
        return x.to(opt.device, dtype)

    paths = {f"{domain}_paths": [f"{domain}{i}.png" for i in range(n)] for domain in "AB"}
    channels = [opt.input_nc, opt.output_nc]
    first, second = channels if opt.direction == "AtoB" else channels[::-1]
    return {"A": images(first), "B": images(second), **paths}


def start_weights(model: BaseModel) -> dict[str, dict[str, torch.Tensor]]:
    """Return copies of the state dicts of all networks, for :func:`restore`."""
    networks = model.get_networks()
    return {name: copy.deepcopy(net.state_dict()) for name, net in networks.items()}


def restore(model: BaseModel, start: dict[str, dict[str, torch.Tensor]]) -> None:
    """Give the networks of ``model`` the weights and buffers ``start``."""
    for name, net in model.get_networks().items():
        net.load_state_dict(start[name])


def weights(model: BaseModel) -> dict[str, torch.Tensor]:
    """Return copies of the parameters of each network."""
    return {
        name: torch.cat([p.detach().flatten() for p in net.parameters()])
        for name, net in model.get_networks().items()
    }


def gradients(model: BaseModel) -> dict[str, torch.Tensor]:
    """Return the gradients of each network as one vector in double precision on the CPU."""
    return {
        name: torch.cat([_gradient(p) for p in net.parameters()])
        for name, net in model.get_networks().items()
    }


def _gradient(p: torch.Tensor) -> torch.Tensor:
    return (torch.zeros_like(p) if p.grad is None else p.grad).double().flatten().cpu()


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the cosine of the angle between two vectors; 1 if both are zero."""
    scale = float(a.norm() * b.norm())
    return float(a @ b) / scale if scale else float(not a.any() and not b.any())


class CpuNoise(TorchFunctionMode):
    """Inside, ``torch.rand`` draws on the CPU, so that all devices get the same numbers."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        device = kwargs.pop("device", None) if function is torch.rand else None
        result = function(*args, **kwargs)
        return result if device is None else result.to(device)


def synchronize(setup: Setup) -> None:
    """Wait for the GPU, if there is one."""
    if setup.full:
        torch.cuda.synchronize()

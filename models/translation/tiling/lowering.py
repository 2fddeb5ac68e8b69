"""The layers that a module of a network consists of."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from models.translation.tiling.layers import (
    Conv,
    Enlarge,
    Layer,
    Norm,
    Pad,
    Pair,
    Pointwise,
    TransposedConv,
    as_pair,
)
from util.errors import UsageError, UserError
from util.modules import DROPOUTS
from util.norms import Identity, InstanceNorm, SyncBatchNorm2d
from util.reflection import ReflectionPad
from util.upsampling import ResizeConv2d

PAD_MODES = {"zeros": "zero", "reflect": "reflect", "replicate": "replicate"}  # of convolutions
PADS: dict[type[nn.Module], str] = {
    ReflectionPad: "reflect",
    nn.ReflectionPad2d: "reflect",
    nn.ReplicationPad2d: "replicate",
    nn.ZeroPad2d: "zero",
}
ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
    nn.Hardtanh,
    nn.Sigmoid,
    nn.Tanh,
    nn.Identity,
    Identity,
)
NORMS: tuple[type[nn.Module], ...] = (
    InstanceNorm,
    nn.InstanceNorm2d,
    nn.BatchNorm2d,
    SyncBatchNorm2d,
    nn.SyncBatchNorm,
)
FUNCTIONS: set[Callable] = {
    operator.add,
    operator.sub,
    operator.mul,
    torch.add,
    torch.sub,
    torch.mul,
    torch.relu,
    torch.tanh,
    torch.sigmoid,
    F.relu,
}
NUMBERS = (int, float, type(None))


class NotUnderstood(UserError):
    """A layer that cannot be computed in tiles."""


def is_known(module: nn.Module) -> bool:
    """True if :func:`lowered` may have layers for a module of exactly this type."""
    kinds = (*PADS, *ACTIVATIONS, *NORMS, *DROPOUTS)
    return type(module) in (*kinds, nn.Conv2d, nn.ConvTranspose2d, ResizeConv2d, nn.Upsample)


def lowered(module: nn.Module) -> list[Layer]:
    """Return the layers of a module, which are applied in this order.

    Raises:
        NotUnderstood: there are none for its type or its settings.
        UsageError: dropout is active.
    """
    kind = type(module)
    if kind in PADS:
        left, right, top, bottom = module.padding  # type: ignore[misc]
        return [Pad(PADS[kind], (top, left), (bottom, right))]  # type: ignore[has-type]
    if kind in ACTIVATIONS:
        return [Pointwise(out_of_place(module))]
    if kind in DROPOUTS:
        if module.training and module.p:
            raise UsageError(
                "--tile: dropout is active, and its noise would differ from that of the whole "
                "image; --eval turns it off"
            )
        return [Pointwise(nn.Identity())]
    if kind in NORMS:
        fixed = not module.training and getattr(module, "running_mean", None) is not None
        return [Pointwise(module)] if fixed else [Norm(module)]
    if isinstance(module, ResizeConv2d) and kind is ResizeConv2d:
        return [Enlarge(2), *lowered(module.pad), Conv(module)]
    if isinstance(module, nn.Conv2d) and kind is nn.Conv2d:
        return convolution(module)
    if isinstance(module, nn.ConvTranspose2d) and kind is nn.ConvTranspose2d:
        return transposed_convolution(module)
    if isinstance(module, nn.Upsample) and kind is nn.Upsample:
        factor = module.scale_factor
        if module.mode == "nearest" and isinstance(factor, float) and factor == int(factor) > 0:
            return [Enlarge(int(factor))]
    raise NotUnderstood(f"{module}")


def convolution(module: nn.Conv2d) -> list[Layer]:
    """Return the padding and the convolution. Raises NotUnderstood: its padding is another one."""
    if isinstance(module.padding, str) or module.padding_mode not in PAD_MODES:
        raise NotUnderstood(f"{module}")
    width: Pair = as_pair(module.padding)
    pad: list[Layer] = [Pad(PAD_MODES[module.padding_mode], width, width)] if any(width) else []
    return [*pad, Conv(module)]


def transposed_convolution(module: nn.ConvTranspose2d) -> list[Layer]:
    """Return the layer. Raises NotUnderstood: parts of its output have no input."""
    layer = TransposedConv(module)
    for dim in (0, 1):
        if layer.more[dim] > layer.padding[dim] or layer.reach(dim) + 1 < layer.stride[dim]:
            raise NotUnderstood(f"{module}")
    return [layer]


def out_of_place(module: nn.Module) -> nn.Module:
    """Return a copy of an activation that leaves its input as it is."""
    module = copy.copy(module)
    if getattr(module, "inplace", False):
        module.inplace = False  # type: ignore[assignment]
    return module


def function_layer(function: Any, args: tuple, kwargs: dict) -> Layer | None:
    """Return the layer of a function; None if it is unknown.

    Args:
        args: its arguments; None stands for a tensor.
    """
    if function in (torch.cat, torch.concat):
        dims = [*args[1:], *kwargs.values()]
        return Pointwise(lambda *parts: torch.cat(parts, 1), joins=True) if dims == [1] else None
    if function not in FUNCTIONS or not all(isinstance(x, NUMBERS) for x in args):
        return None
    settings = {name: value for name, value in kwargs.items() if name != "inplace"}

    def call(*tensors: torch.Tensor) -> torch.Tensor:
        given = iter(tensors)
        return function(*(next(given) if x is None else x for x in args), **settings)

    return Pointwise(call)

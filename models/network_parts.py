"""Layers of networks.py and their initialisation. Images and features are (N, C, H, W)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn import init

from util import distributed
from util.modules import hold_traced_size

Norm = Callable[[int], nn.Module]  # channels -> layer


def get_norm_layer(norm_type: str = "instance") -> Norm:
    """Return the constructor of a norm layer.

    batch: statistics over the images of a batch (sync_batch: of all ranks), learned scale and
    shift. instance: statistics of each image, nothing learned.
    """
    if norm_type == "batch":
        return functools.partial(nn.BatchNorm2d, affine=True, track_running_stats=True)
    if norm_type == "sync_batch":
        return SyncBatchNorm
    if norm_type in ("instance", "sync_instance"):
        return functools.partial(InstanceNorm, affine=False, track_running_stats=False)
    if norm_type == "none":
        return lambda channels: nn.Identity()
    raise ValueError(f"norm {norm_type}: should be (sync_)batch, (sync_)instance or none")


def init_weights(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> None:
    """Initialise convolutions by ``init_type``, and scales of batch norm by N(1, init_gain)."""
    fill = {
        "normal": lambda w: init.normal_(w, 0.0, init_gain),
        "xavier": lambda w: init.xavier_normal_(w, gain=init_gain),
        "kaiming": lambda w: init.kaiming_normal_(w, a=0, mode="fan_in"),
        "orthogonal": lambda w: init.orthogonal_(w, gain=init_gain),
    }
    if init_type not in fill:
        raise ValueError(f"init_type {init_type}: should be one of {', '.join(fill)}")
    net.initialized = True  # type: ignore[assignment]
    for module in net.modules():
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            fill[init_type](module.weight.data)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
            init.normal_(module.weight.data, 1.0, init_gain)
            init.zeros_(module.bias)


def is_initialized(net: nn.Module) -> bool:
    """True if :func:`init_weights` has initialised ``net`` or a part of it."""
    return any(getattr(module, "initialized", False) for module in net.modules())


def needs_bias(norm_layer: Norm) -> bool:
    """True if convolutions before this norm have a bias (the official code's rule)."""
    return isinstance(norm_layer(1), nn.InstanceNorm2d)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm without learned parameters or running statistics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda:  # accepts half precision and computes the statistics in float32
            return F.instance_norm(x, eps=self.eps)
        # One group per channel is the same function and ten times faster on CPUs.
        full = x if x.dtype == torch.float64 else x.float()
        return F.group_norm(full, self.num_features, eps=self.eps).to(x.dtype)


class SyncBatchNorm(nn.SyncBatchNorm):
    """SyncBatchNorm over all ranks; plain BatchNorm while only this rank runs (validation)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if distributed.world_size() > 1:
            return super().forward(x)
        return nn.BatchNorm2d.forward(self, x)  # type: ignore[arg-type]


class ReflectionPad(nn.ReflectionPad2d):
    """nn.ReflectionPad2d, with a reproducible gradient on CUDA if ``--deterministic`` is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda and torch.are_deterministic_algorithms_enabled():
            return reflect_edges(x, self.padding[0])
        return super().forward(x)


def reflect_edges(x: torch.Tensor, width: int) -> torch.Tensor:
    """Reflect ``width`` pixels at each edge; its gradient adds up in a fixed order."""
    for dim in (2, 3):
        before = x.narrow(dim, 1, width).flip(dim)
        after = x.narrow(dim, x.shape[dim] - 1 - width, width).flip(dim)
        x = torch.cat([before, x, after], dim)
    return x


def reflect_to_multiple(x: torch.Tensor, multiple: int, minimum: int) -> torch.Tensor:
    """Reflect the right and lower edges up to a multiple of ``multiple``, at least ``minimum``."""
    for dim in (2, 3):
        # ONNX rounds quotients towards zero, so they are not negative here.
        size = max(minimum, (x.shape[dim] + multiple - 1) // multiple * multiple)
        x = hold_traced_size(x, dim, multiple if x.shape[dim] == size else None)
        while x.shape[dim] < size:
            inner = max(x.shape[dim] - 1, 1)  # the last row itself is not repeated
            width = min(size - x.shape[dim], inner)
            x = torch.cat([x, x.narrow(dim, inner - width, width).flip(dim)], dim)
    return x


def forward_pair(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """net(x) and net(y), in one pass if no image of a batch influences another."""
    if getattr(net, "samples_independent", False) and x.shape == y.shape:
        a, b = net(torch.cat([x, y])).chunk(2)
        return a, b
    return net(x), net(y)

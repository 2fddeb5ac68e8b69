"""Layers and helpers of networks.py. Images and features are (N, C, H, W)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from util import distributed


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
    """Reflect ``width`` pixels at each edge, like nn.ReflectionPad2d (whose CUDA gradient adds up in random order)."""
    for dim in (2, 3):
        before = x.narrow(dim, 1, width).flip(dim)
        after = x.narrow(dim, x.shape[dim] - 1 - width, width).flip(dim)
        x = torch.cat([before, x, after], dim)
    return x


def reflect_to_multiple(x: torch.Tensor, multiple: int, minimum: int) -> torch.Tensor:
    """Extend at the right and lower edges by reflection, until H and W are multiples of ``multiple`` and >= ``minimum``.

    Images smaller than the extension are reflected to and fro.
    """
    for dim in (2, 3):
        size = max(minimum, -(-x.shape[dim] // multiple) * multiple)
        while x.shape[dim] < size:
            inner = max(x.shape[dim] - 1, 1)  # the last row itself is not repeated
            width = min(size - x.shape[dim], inner)
            x = torch.cat([x, x.narrow(dim, inner - width, width).flip(dim)], dim)
    return x


def samples_independent(net: nn.Module) -> bool:
    """True if ``net`` treats each image of a batch separately; unknown networks count as False."""
    return getattr(net, "samples_independent", False)


def forward_pair(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """``net(x), net(y)``, as one concatenated batch if the net treats samples independently."""
    if samples_independent(net) and x.shape == y.shape:
        a, b = net(torch.cat([x, y])).chunk(2)
        return a, b
    return net(x), net(y)

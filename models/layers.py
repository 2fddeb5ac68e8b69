"""Layers that networks.py is made of. Images and features are (N, C, H, W)."""
from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from util import distributed


class InstanceNorm(nn.InstanceNorm2d):
    """One group per channel: the same numbers as nn.InstanceNorm2d without parameters, at a tenth of its time on a CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return F.group_norm(wide, self.num_features, eps=self.eps).to(x.dtype)


class ReLU(nn.ReLU):
    """Keeps its input for the gradient, not its result: the same memory where nothing after it keeps the result, and two
    operations less, by which autograd detaches a result from its own graph.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.threshold(x, 0.0, 0.0)


class SyncBatchNorm(nn.SyncBatchNorm):
    """Statistics of the images of all ranks; where one rank looks at something alone, of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if distributed.world() > 1 else nn.BatchNorm2d.forward(self, x)  # type: ignore[arg-type]


class ReflectionPad(nn.ReflectionPad2d):
    """On GPUs its gradient adds up in any order; where bits are to be equal, one that does not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda and torch.are_deterministic_algorithms_enabled():
            return pad_by_index(x, self.padding[0])
        return super().forward(x)


def mirrored(x: torch.Tensor, dim: int, start: int, end: int) -> torch.Tensor:
    """Positions ``start`` to ``end`` of ``x`` along ``dim``, as if it stood between mirrors: any position is inside."""
    period = max(1, 2 * (x.shape[dim] - 1))
    at = torch.arange(start, end, device=x.device).abs() % period
    return x.index_select(dim, torch.minimum(at, period - at) if x.shape[dim] > 1 else at)


def pad_by_index(x: torch.Tensor, width: int) -> torch.Tensor:
    """Reflect (N, C, H, W) at each edge, as nn.ReflectionPad2d."""
    for dim in (2, 3):
        x = mirrored(x, dim, -width, x.shape[dim] + width)
    return x


def reflect(x: torch.Tensor, multiple: int, least: int) -> torch.Tensor:
    """Mirror (N, C, H, W) at its right and lower edges until H and W are multiples, and at least ``least``."""
    for dim in (2, 3):
        wanted = max(least, -(-x.shape[dim] // multiple) * multiple)
        if wanted != x.shape[dim]:  # small images are mirrored to and fro, as often as needed
            x = mirrored(x, dim, 0, wanted)
    return x


def apart(net: nn.Module) -> bool:
    """Whether ``net`` treats each image of a batch as if it were alone; of networks from elsewhere that is not known."""
    return getattr(net, "apart", False)


def both(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``net(x), net(y)``, in one pass where that comes to the same."""
    if apart(net) and x.shape == y.shape:
        a, b = net(torch.cat([x, y])).chunk(2)
        return a, b
    return net(x), net(y)

"""Layers that networks.py is made of. Images and features are (N, C, H, W)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from util import distributed

LARGE = 1 << 18  # numbers in features whose memory is worth a few microseconds


class InstanceNorm(nn.InstanceNorm2d):
    """One group per channel: the same numbers as nn.InstanceNorm2d without parameters, at a tenth of its time on a CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        sound = (
            x.shape[1] == self.num_features and x.shape[2] * x.shape[3] > 1
        )  # else PyTorch says what is wrong
        own = sound and wide.is_contiguous() and not _watched()
        return (
            Normalise.apply(wide, self.eps)
            if own
            else F.group_norm(wide, self.num_features, eps=self.eps)
        ).to(x.dtype)


class Normalise(torch.autograd.Function):
    """The same with four operations less, by which PyTorch detaches mean and deviation from their own graph."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, eps: float) -> torch.Tensor:
        n, c, h, w = x.shape
        y, mean, inverse = torch.native_group_norm(x, None, None, n, c, h * w, c, eps)
        ctx.save_for_backward(x, mean, inverse)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        x, mean, inverse = ctx.saved_tensors
        n, c, h, w = x.shape
        if torch.is_grad_enabled():  # somebody wants the gradient's own
            return torch.autograd.grad(
                F.group_norm(x, c, eps=ctx.eps), x, gradient, create_graph=True
            )[0], None
        return torch.ops.aten.native_group_norm_backward(
            gradient.contiguous(), x, mean, inverse, None, n, c, h * w, c, [True, False, False]
        )[0], None


def _watched() -> bool:
    """Whether somebody records which operations of PyTorch's own are called."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


class SyncBatchNorm(nn.SyncBatchNorm):
    """Statistics of the images of all ranks; where one rank looks at something alone, of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (
            super().forward(x) if distributed.world_size() > 1 else nn.BatchNorm2d.forward(self, x)
        )  # type: ignore[arg-type]


class ReflectionPad(nn.ReflectionPad2d):
    """On GPUs its gradient adds up in any order; where bits are to be equal, one that does not. Large features are not kept."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda and torch.are_deterministic_algorithms_enabled():
            return pad_by_index(x, self.padding[0])
        return (
            Reflect.apply(x, self.padding)
            if x.numel() >= LARGE and not _watched()
            else super().forward(x)
        )


class Reflect(torch.autograd.Function):
    """Reflection padding that keeps the shape of its input alone; PyTorch's keeps the input, 150 MB in a default step."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, padding: tuple[int, ...]) -> torch.Tensor:
        ctx.shape, ctx.dtype, ctx.padding = x.shape, x.dtype, padding
        return F.pad(x, padding, "reflect")

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        like = gradient.new_empty(()).expand(
            ctx.shape
        )  # of the result's type, which autocast on CPUs makes float32
        return torch.ops.aten.reflection_pad2d_backward(gradient, like, ctx.padding).to(
            ctx.dtype
        ), None


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


def samples_independent(net: nn.Module) -> bool:
    """Whether ``net`` treats each image of a batch as if it were alone; of networks from elsewhere that is not known."""
    return getattr(net, "samples_independent", False)


def forward_pair(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """``net(x), net(y)``, in one pass where that comes to the same."""
    if samples_independent(net) and x.shape == y.shape:
        a, b = net(torch.cat([x, y])).chunk(2)
        return a, b
    return net(x), net(y)

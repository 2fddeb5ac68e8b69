"""Norms of networks.py. Features are (N, C, H, W)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from util import distributed

Norm = Callable[[int], nn.Module]  # channels -> layer


def get_norm_layer(norm_type: str = "instance") -> Norm:
    """Return the constructor of a norm layer.

    batch: statistics over the images of a batch (sync_batch, syncbatch: of all ranks), learned
    scale and shift. instance: statistics of each image, nothing learned.
    """
    if norm_type == "batch":
        return functools.partial(nn.BatchNorm2d, affine=True, track_running_stats=True)
    if norm_type in ("sync_batch", "syncbatch"):
        return functools.partial(SyncBatchNorm2d, affine=True, track_running_stats=True)
    if norm_type in ("instance", "sync_instance"):
        return functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
    if norm_type == "none":
        return lambda channels: Identity()
    raise NotImplementedError(f"norm {norm_type}: should be (sync_)batch, (sync_)instance or none")


def cpu_optimized_norm_layer(norm_type: str) -> Norm:
    """Like get_norm_layer, with an instance norm that is much faster on CPUs.

    get_norm_layer itself keeps ``nn.InstanceNorm2d``, because forks compare with that class.
    """
    norm_layer = get_norm_layer(norm_type)
    return InstanceNorm if needs_bias(norm_layer) else norm_layer


def needs_bias(norm_layer: Norm) -> bool:
    """True if convolutions before this norm have a bias (the official code's rule)."""
    return getattr(norm_layer, "func", norm_layer) in (nn.InstanceNorm2d, InstanceNorm)


class Identity(nn.Module):
    """No norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm without learned parameters or running statistics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda:  # accepts half precision and computes the statistics in float32
            return F.instance_norm(x, eps=self.eps)
        # One group per channel is the same function and ten times faster on CPUs.
        full = x if x.dtype == torch.float64 else x.float()
        return F.group_norm(full, self.num_features, eps=self.eps).to(x.dtype)


class SyncBatchNorm2d(nn.SyncBatchNorm):
    """SyncBatchNorm over all ranks; plain BatchNorm while only this rank runs (validation)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_scripting():
            mean, variance, training = self.running_mean, self.running_var, self.training
            x = F.batch_norm(x, mean, variance, self.weight, self.bias, training, eps=self.eps)
        elif distributed.world_size() > 1:
            x = super().forward(x)
        else:
            x = nn.BatchNorm2d.forward(self, x)  # type: ignore[arg-type]
        return x

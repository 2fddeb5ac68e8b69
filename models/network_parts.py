"""Norms of networks.py. Features are (N, C, H, W)."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import nn

from util.norms import Identity, InstanceNorm, SyncBatchNorm2d

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


def fast_norm_layer(norm_type: str) -> Norm:
    """Like get_norm_layer, with an instance norm that is much faster on CPUs (same values).

    get_norm_layer itself keeps ``nn.InstanceNorm2d``, because forks compare with that class.
    """
    norm_layer = get_norm_layer(norm_type)
    return InstanceNorm if conv_needs_bias(norm_layer) else norm_layer


def conv_needs_bias(norm_layer: Norm) -> bool:
    """True if convolutions before this norm have a bias: only before instance norm.

    Batch norm adds a bias of its own. Before no norm, the official code has none either, and
    official weights should fit.
    """
    return getattr(norm_layer, "func", norm_layer) in (nn.InstanceNorm2d, InstanceNorm)

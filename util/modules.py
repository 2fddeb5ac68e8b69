"""Running networks without an effect on a training, and what their outputs depend on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator

import torch
from torch import nn


def uncompiled() -> contextlib.AbstractContextManager:
    """Inside, networks run as without ``--compile``.

    Compiled networks have no second derivatives, need minutes for each new input size, and with
    CUDA graphs record one for each new use.
    """
    if "torch._dynamo" not in sys.modules or not can_compile():
        return contextlib.nullcontext()  # nothing is compiled, and importing the compiler is slow
    return torch.compiler.set_stance("force_eager")


def can_compile() -> bool:
    """True if PyTorch (2.6 or newer) can run a compiled network uncompiled for a while."""
    return hasattr(torch.compiler, "set_stance")


@contextlib.contextmanager
def restored_buffers(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Restore the buffers of ``modules``, e.g. the statistics of norms, on exit."""
    buffers = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, value in buffers:
            buffer.data.copy_(value)


@contextlib.contextmanager
def unaffected(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Run ``modules`` uncompiled, and restore their buffers on exit."""
    with uncompiled(), restored_buffers(modules):
        yield


is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # new in PyTorch 2.7


def hold_traced_size(x: torch.Tensor, dim: int, multiple: int | None) -> torch.Tensor:
    """Return ``x``; a traced or exported network fails at other sizes of ``dim`` than it fits.

    A trace repeats the padding of its example at any size, which would give wrong pixels.

    Args:
        multiple: sizes that are a multiple of this number are right; None: only the traced size.
    """
    if not (torch.jit.is_tracing() or is_exporting()):
        return x
    parts = (-1, multiple) if multiple else (1, int(x.shape[dim]))
    return x.unflatten(dim, parts).flatten(dim, dim + 1)


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def batch_dependence(networks: Iterable[nn.Module]) -> str:
    """Return what makes an output depend on the rest of its batch, "" if nothing does.

    These are batch norm with the statistics of the batch, and dropout, whose noise differs from
    item to item. Evaluation mode turns off both.
    """
    layers = [layer for network in networks for layer in network.modules()]
    statistics = any(
        isinstance(layer, BATCH_NORMS) and (layer.training or layer.running_mean is None)
        for layer in layers
    )
    dropout = any(isinstance(layer, DROPOUTS) and layer.training and layer.p for layer in layers)
    return " and ".join(["batch statistics"] * statistics + ["dropout"] * dropout)


def unwrapped(net: nn.Module) -> nn.Module:
    """Return the network inside of nn.DataParallel, DistributedDataParallel and torch.compile."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(net, wrappers) or hasattr(net, "_orig_mod"):
        net = net.module if isinstance(net, wrappers) else net._orig_mod  # type: ignore[assignment]
    return net

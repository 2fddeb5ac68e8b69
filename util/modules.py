"""Running networks without an effect on a training, and what their outputs depend on."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


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


def digest(tensors: Iterable[torch.Tensor], *more: object) -> str:
    """Return a text that depends on every bit of ``tensors`` and on ``more``."""
    result = hashlib.blake2b(repr(more).encode(), digest_size=16)
    for tensor in tensors:
        result.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return result.hexdigest()


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


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def batch_dependence(networks: Iterable[nn.Module]) -> str:
    """Return what makes an output depend on the rest of its batch, "" if nothing does.

    These are batch norm with the statistics of the batch, and dropout, whose noise differs from
    item to item. Evaluation mode turns off both.
    """
    networks = list(networks)
    stated = "".join(getattr(network, "batch_dependence", "") for network in networks)
    if stated:  # an exported network has no layers to look at
        return stated
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


def forward_pair(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """net(x) and net(y), in one pass if no image of a batch influences another."""
    if getattr(net, "can_join_batches", False) and x.shape == y.shape:
        a, b = net(torch.cat([x, y])).chunk(2)
        return a, b
    return net(x), net(y)


@torch.jit.unused
def recompute_in_backward(
    layers: nn.Sequential, block: type[nn.Module], x: torch.Tensor, preserve_rng: bool
) -> torch.Tensor:
    """Return ``layers(x)``; only the features between the blocks of class ``block`` are kept.

    backward() computes the others again. The layers before the blocks, each block, and the layers
    after the blocks are one part each. The blocks should follow each other without a gap.

    Args:
        preserve_rng: draw the same random numbers again, e.g. for dropout.
    """
    blocks = [i for i, layer in enumerate(layers) if isinstance(layer, block)]
    first, end = blocks[0], blocks[-1] + 1
    for part in (layers[:first], *layers[first:end], layers[end:]):
        x = checkpoint(part, x, use_reentrant=False, preserve_rng_state=preserve_rng)
    return x

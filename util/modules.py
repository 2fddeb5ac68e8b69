"""Contexts for running networks in the middle of a training without an effect on it."""

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

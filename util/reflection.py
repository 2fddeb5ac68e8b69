"""Padding of images and features, (N, C, H, W), by reflection."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # new in PyTorch 2.7


class ReflectionPad(nn.ReflectionPad2d):
    """nn.ReflectionPad2d, with a reproducible gradient on CUDA if ``--deterministic`` is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_scripting():
            in_order = False  # TorchScript cannot ask for --deterministic
        else:
            in_order = x.is_cuda and torch.are_deterministic_algorithms_enabled()
        if in_order:
            return reflect_edges(x, self.padding[0])
        return functional.pad(x, self.padding, "reflect")


def reflect_edges(x: torch.Tensor, width: int) -> torch.Tensor:
    """Reflect ``width`` pixels at each edge; its gradient adds up in a fixed order."""
    for dim in (2, 3):
        before = x.narrow(dim, 1, width).flip([dim])
        after = x.narrow(dim, x.shape[dim] - 1 - width, width).flip([dim])
        x = torch.cat([before, x, after], dim)
    return x


def reflect_to_multiple(x: torch.Tensor, multiple: int, minimum: int) -> torch.Tensor:
    """Reflect the right and lower edges up to a multiple of ``multiple``, at least ``minimum``."""
    for dim in (2, 3):
        # ONNX rounds quotients towards zero, so they are not negative here.
        size = max(minimum, (x.shape[dim] + multiple - 1) // multiple * multiple)
        if not torch.jit.is_scripting():  # a script repeats the loop below at each size
            x = hold_traced_size(x, dim, multiple if x.shape[dim] == size else None)
        while x.shape[dim] < size:
            inner = max(x.shape[dim] - 1, 1)  # the last row itself is not repeated
            width = min(size - x.shape[dim], inner)
            x = torch.cat([x, x.narrow(dim, inner - width, width).flip([dim])], dim)
    return x


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

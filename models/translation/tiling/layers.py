"""Layers on a part of an image: which part of its input each layer needs, and what it computes.

Rows and columns are treated alike, one after the other: dimension 0 is the height, 1 the width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Pair = tuple[int, int]  # (of rows, of columns)


class Span(NamedTuple):
    """Rows, or columns, from ``start`` up to ``stop`` (not included)."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def union(self, other: Span | None) -> Span:
        """Return the smallest span that holds both."""
        if other is None:
            return self
        return Span(min(self.start, other.start), max(self.stop, other.stop))


Window = tuple[Span, Span]  # rows, columns


class Layer:
    """A layer whose output at a position depends on its input at that position only.

    Attributes:
        scale: the height of the input over that of the output, without borders.
        channels: of the output; None: those of the first input.
        joins: True if the channels of all inputs follow one another in the output.
        work: multiplications for each position of the output, as a measure of cost.
    """

    scale = Fraction(1)
    channels: int | None = None
    joins = False
    work = 0.0

    def size(self, size: int, dim: int) -> int:
        """Return the height or width of the output for an input of ``size``."""
        return size

    def source(self, span: Span, size: int, dim: int) -> Span:
        """Return the span of the input, which has ``size``, that a span of the output needs."""
        return span

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        """Return a window of the output.

        Args:
            inputs: for each input exactly the part that :meth:`source` says, (1, C, h, w).
            sizes: height and width of the whole first input.
        """
        raise NotImplementedError


class Pointwise(Layer):
    """A function of one or more tensors, value by value, or one that joins their channels."""

    def __init__(self, function: Callable[..., torch.Tensor], joins: bool = False) -> None:
        self.function, self.joins = function, joins

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        return self.function(*inputs)


class Norm(Layer):
    """A norm with the statistics of the whole image; the engine applies it."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module


class Pad(Layer):
    """Padding with a reflection, with the nearest value ("replicate"), or with zeros."""

    def __init__(self, mode: str, before: Pair, after: Pair) -> None:
        self.mode, self.before, self.after = mode, before, after

    def size(self, size: int, dim: int) -> int:
        return size + self.before[dim] + self.after[dim]

    def positions(self, span: Span, size: int, dim: int) -> np.ndarray:
        """Return the position in the input that each position of ``span`` repeats."""
        found = np.arange(span.start, span.stop) - self.before[dim]
        if self.mode == "reflect":
            return (size - 1) - np.abs((size - 1) - np.abs(found))
        return found.clip(0, size - 1)

    def source(self, span: Span, size: int, dim: int) -> Span:
        inner = Span(span.start - self.before[dim], span.stop - self.before[dim])
        if inner.start >= 0 and inner.stop <= size:
            return inner
        found = self.positions(span, size, dim)
        return Span(int(found.min()), int(found.max()) + 1)

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        [x] = inputs
        for dim, (span, size) in enumerate(zip(window, sizes, strict=True)):
            first, last = span.start - self.before[dim], span.stop - self.before[dim]
            if first >= 0 and last <= size:
                continue  # inside of the image nothing is padded
            found = self.positions(span, size, dim)
            x = x.index_select(dim + 2, torch.from_numpy(found - found.min()).to(x.device))
            if self.mode == "zero":
                x.narrow(dim + 2, 0, max(0, -first)).zero_()
                x.narrow(dim + 2, span.length - max(0, last - size), max(0, last - size)).zero_()
        return x


class Conv(Layer):
    """A convolution without padding."""

    def __init__(self, module: nn.Conv2d, stride: Pair | None = None) -> None:
        self.module = module
        self.stride = as_pair(module.stride)
        self.dilation, self.kernel = as_pair(module.dilation), as_pair(module.kernel_size)
        self.scale, self.channels = Fraction(max(self.stride)), module.out_channels
        self.work = module.weight.numel()

    def reach(self, dim: int) -> int:
        return self.dilation[dim] * (self.kernel[dim] - 1)

    def size(self, size: int, dim: int) -> int:
        return (size - self.reach(dim) - 1) // self.stride[dim] + 1

    def source(self, span: Span, size: int, dim: int) -> Span:
        step = self.stride[dim]
        return Span(span.start * step, (span.stop - 1) * step + self.reach(dim) + 1)

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        layer = self.module
        settings = (self.stride, 0, self.dilation, layer.groups)
        return F.conv2d(inputs[0], layer.weight, layer.bias, *settings)


class TransposedConv(Layer):
    """A transposed convolution: the input at i adds to the output at i * stride - padding + k."""

    def __init__(self, module: nn.ConvTranspose2d) -> None:
        self.module = module
        self.stride, self.padding = as_pair(module.stride), as_pair(module.padding)
        self.dilation, self.kernel = as_pair(module.dilation), as_pair(module.kernel_size)
        self.more = as_pair(module.output_padding)
        self.scale, self.channels = Fraction(1, max(self.stride)), module.out_channels
        self.work = module.weight.numel() / (self.stride[0] * self.stride[1])

    def reach(self, dim: int) -> int:
        return self.dilation[dim] * (self.kernel[dim] - 1)

    def size(self, size: int, dim: int) -> int:
        grown = (size - 1) * self.stride[dim] + self.reach(dim) + 1
        return grown - 2 * self.padding[dim] + self.more[dim]

    def source(self, span: Span, size: int, dim: int) -> Span:
        step, pad = self.stride[dim], self.padding[dim]
        first = -((self.reach(dim) - span.start - pad) // step)
        last = (span.stop - 1 + pad) // step
        return Span(max(first, 0), min(last + 1, size))

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        layer = self.module
        settings = (self.stride, 0, 0, layer.groups, self.dilation)
        x = F.conv_transpose2d(inputs[0], layer.weight, layer.bias, *settings)
        for dim, span in enumerate(window):
            begin = self.source(span, sizes[dim], dim).start * self.stride[dim]
            x = x.narrow(dim + 2, span.start + self.padding[dim] - begin, span.length)
        return x


class Enlarge(Layer):
    """Enlargement by a whole number, by repeating each value."""

    def __init__(self, factor: int) -> None:
        self.factor, self.scale = factor, Fraction(1, factor)

    def size(self, size: int, dim: int) -> int:
        return size * self.factor

    def source(self, span: Span, size: int, dim: int) -> Span:
        return Span(span.start // self.factor, (span.stop - 1) // self.factor + 1)

    def run(self, inputs: Sequence[torch.Tensor], window: Window, sizes: Pair) -> torch.Tensor:
        x = F.interpolate(inputs[0], scale_factor=float(self.factor))
        for dim, span in enumerate(window):
            x = x.narrow(dim + 2, span.start % self.factor, span.length)
        return x


def as_pair(value: Any) -> Pair:
    """Return a setting of a layer for rows and for columns; one number counts for both."""
    if isinstance(value, int):
        return value, value
    rows, columns = value
    return rows, columns

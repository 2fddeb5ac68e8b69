"""Generators in a form that ONNX and TorchScript can hold for images of any size."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from models.translation.unpadded import unpadded
from util.modules import BATCH_NORMS
from util.norms import InstanceNorm
from util.values import Values


def reflect(x: torch.Tensor, dim: int, multiple: int, minimum: int) -> torch.Tensor:
    """Return what ``reflect_to_multiple`` does along ``dim``, for any size, without a branch.

    Repeated reflection visits the rows of an image to and fro: 0, 1, ..., n-1, n-2, ..., 0, 1, ...
    """
    last = x.size(dim) - 1
    size = max(minimum, (last + multiple) // multiple * multiple)
    rows = torch.arange(size, device=x.device) % max(2 * last, 1)
    return x.index_select(dim, last - (rows - last).abs())


# Traced, the function would be right for the size and on the device of the example only.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # torch.export, its successor, has no such file
    reflect = torch.jit.script(reflect)


class ExportedGenerator(nn.Module):
    """A generator with the padding and, if ``raw``, the mapping of the values inside.

    It takes and gives float32 (N, C, H, W): in [-1, 1], or in the values of the files of its
    domains, whole numbers rounded. Inside, it has the precision of ``net``.
    """

    def __init__(
        self, net: nn.Module, raw: bool, source: Values | None, target: Values | None
    ) -> None:
        """Args: source, target: the rules of the values of input and output; None: 0..255."""
        super().__init__()
        self.raw, self.source, self.target = raw, source, target
        # A generator of other code may pad in a way of its own. The comparison afterwards shows
        # if that works at all sizes.
        (self.multiple, self.minimum), self.layers = unpadded(net)
        self.kind = next((p.dtype for p in net.parameters()), torch.float32)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.to_unit(image) if self.raw else image
        y = self.translate(x.to(self.kind)).to(torch.float32)
        return self.from_unit(y, image) if self.raw else y

    def translate(self, x: torch.Tensor) -> torch.Tensor:
        if (self.multiple, self.minimum) == (1, 1):
            return self.layers(x)
        padded = reflect(x, 2, self.multiple, self.minimum)
        padded = reflect(padded, 3, self.multiple, self.minimum)
        result = self.layers(padded)
        return result[..., : x.shape[2], : x.shape[3]]

    def to_unit(self, image: torch.Tensor) -> torch.Tensor:
        """Map values of files to [-1, 1] as ``Values.to_unit`` does, without data to -1."""
        if self.source is None:
            return image / 127.5 - 1
        low, high = self.source.low, self.source.high
        unit = (image.clamp(low, high) - low) * (2 / (high - low)) - 1
        if self.source.nodata is None:
            return unit
        return torch.where(self.invalid(image), torch.full_like(unit, -1), unit)

    def invalid(self, image: torch.Tensor) -> torch.Tensor:
        """Return where an image holds no data, as bool (N, 1, H, W)."""
        assert self.source and self.source.nodata is not None
        nodata = in_float32(self.source.nodata)
        missing = image.isnan() if math.isnan(nodata) else image == nodata
        return missing.to(torch.float32).amax(1, keepdim=True) > 0

    def from_unit(self, y: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Map [-1, 1] to values of files as ``Values.from_unit`` does."""
        if self.target is None:
            return ((y + 1) * 127.5).clamp(0, 255).round()
        low, high = self.target.low, self.target.high
        values = (y.clamp(-1, 1) + 1) * ((high - low) / 2) + low
        if self.target.is_integer:
            values = values.round().clamp(*limits_of(self.target.dtype))
        if self.source is None or self.source.nodata is None:
            return values
        fill = low if self.target.fill is None else self.target.fill
        filled = torch.full_like(values, in_float32(fill))
        return torch.where(self.invalid(image), filled, values)


def in_float32(number: float) -> float:
    """Return a number as float32 holds it: the lowest float64, a usual ``--nodata``, is -inf."""
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def limits_of(dtype: str) -> tuple[float, float]:
    """Return the lowest and the highest float32 that fit a type of whole numbers."""
    limits = np.iinfo(dtype)
    low, high = np.float32(limits.min), np.float32(limits.max)
    if int(high) > limits.max:
        high = np.nextafter(high, np.float32(0))
    return float(low), float(high)


class ExplicitNorm(nn.Module):
    """Instance norm, or batch norm with the statistics of its input, as plain operations.

    ONNX has an instance norm, but onnxruntime adds up its million values one by one: of 3000x3000
    pixels, the result is wrong by 2e-3 to 6 where this one is right to 2e-6 to 6e-4. The other norm
    is missing from most runtimes. Statistics are in float32.
    """

    def __init__(self, layer: Any, dims: tuple[int, ...]) -> None:
        """Args: dims: (3, 2) for the statistics of each image, (3, 2, 0) for those of the batch."""
        super().__init__()
        self.dims, self.eps = dims, layer.eps
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        full = x.to(torch.float32)
        centred = full - self.mean(full)
        variance = self.mean(centred * centred)
        result = centred / torch.sqrt(variance + self.eps)
        if self.weight is not None:
            result = result * self.weight[:, None, None] + self.bias[:, None, None]
        return result.to(x.dtype)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over ``dims``, one after the other: short sums, which round less."""
        for dim in self.dims:
            x = x.mean(dim, keepdim=True)
        return x


def prepared(net: nn.Module, half: bool) -> nn.Module:
    """Return a copy of a generator whose graph can be written: on the CPU, float32 or half.

    Norms that use the statistics of their input become :class:`ExplicitNorm`.
    """
    net = in_precision(net, half)
    for parent in list(net.modules()):
        for name, layer in parent.named_children():
            of_batch = layer.training or getattr(layer, "running_mean", None) is None
            if isinstance(layer, InstanceNorm):
                setattr(parent, name, ExplicitNorm(layer, (3, 2)))
            elif isinstance(layer, BATCH_NORMS) and of_batch:
                setattr(parent, name, ExplicitNorm(layer.float(), (3, 2, 0)))
    return net


def in_precision(net: nn.Module, half: bool) -> nn.Module:
    """Return a copy of a network on the CPU, in float32 or half precision."""
    net = copy.deepcopy(net).cpu().requires_grad_(False)
    return net.half() if half else net.float()

"""Mean and variance of the channels of a whole image, which norms need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


class Moments:
    """Mean and variance of the values of each channel, added tile by tile.

    Attributes:
        count: values per channel.
        mean: float64 (C,).
        squares: sum of the squared differences from the mean, float64 (C,).
    """

    def __init__(self, count: int = 0, mean: Any = 0.0, squares: Any = 0.0) -> None:
        self.count = count
        self.mean, self.squares = np.asarray(mean, float), np.asarray(squares, float)

    def add(self, x: torch.Tensor) -> None:
        """Add features (1, C, h, w).

        Within a tile PyTorch adds in float32, or better; tiles are joined in float64, by the
        differences of their means. Sums of squares would lose the variance of a channel with a
        large mean.
        """
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        count = x.shape[2] * x.shape[3]
        self.join(Moments(count, mean.cpu().double(), variance.cpu().double() * count))

    def join(self, other: Moments) -> None:
        """Add the values of ``other`` (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        gap = other.mean - self.mean
        self.squares = self.squares + other.squares + gap**2 * (self.count * other.count / count)
        self.mean = self.mean + gap * (other.count / count)
        self.count = count

    def normalised(self, x: torch.Tensor, module: nn.Module) -> torch.Tensor:
        """Return features (1, C, h, w) as a norm with these statistics gives them."""

        def on_channels(values: torch.Tensor) -> torch.Tensor:
            return values.to(x).view(1, -1, 1, 1)

        variance = torch.from_numpy(self.squares / self.count)
        scale = (variance + module.eps).rsqrt()  # type: ignore[operator]
        result = (x - on_channels(torch.from_numpy(self.mean))).mul_(on_channels(scale))
        if getattr(module, "weight", None) is not None:
            result.mul_(on_channels(module.weight)).add_(on_channels(module.bias))  # type: ignore
        return result

    def record(self) -> list:
        """Return the moments as plain JSON, exactly; ``Moments(*record)`` reads them."""
        return [self.count, self.mean.tolist(), self.squares.tolist()]


def joined(parts: Iterable[Moments]) -> Moments:
    """Return the moments of the values of all parts together."""
    whole = Moments()
    for part in parts:
        whole.join(part)
    return whole

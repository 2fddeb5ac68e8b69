"""Generators without the padding before, and the cropping after, their layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from models import networks


def unpadded(network: nn.Module) -> tuple[tuple[int, int], nn.Module]:
    """Return what pads the images of a network, and the module that computes the rest.

    Returns:
        The multiple and the minimum of height and width that images are padded to, see
        :func:`util.reflection.reflect_to_multiple`, and the module of what follows, without the
        cropping at the end. (1, 1) and the network itself if it pads in a way of its own, or not.
    """
    base: Any = getattr(networks, "Generator", nn.Identity)  # a fork's networks.py may have none
    if isinstance(network, base) and type(network).forward is base.forward:
        return (network.multiple, network.minimum), AppliedLayers(network)  # type: ignore
    return (1, 1), network


class AppliedLayers(nn.Module):
    """The layers of a generator."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.generator.apply_layers(x)  # type: ignore[operator]

"""Small networks and images that are translated in tiles."""

from __future__ import annotations

import functools
from argparse import Namespace

import torch
from torch import nn

from models import networks
from models.network_parts import fast_norm_layer
from models.translation.tiling.engine import Settings
from util.upsampling import use_upsampling

SMALL = {  # the layers of the generators, fewer of them
    "resnet": functools.partial(networks.ResnetGenerator, 3, 3, 4, n_blocks=1),
    "unet": functools.partial(networks.UnetGenerator, 3, 3, 5, 2),
}
LEVEL = 1 / 127.5  # of 8 bits, in [-1, 1]


def image(height: int, width: int) -> torch.Tensor:
    """Noise on a slope: statistics differ from place to place."""
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    return 0.6 * noise - 0.8 + torch.linspace(0, 0.9, width)


def trained(net: nn.Module, upsample: str = "transpose") -> nn.Module:
    """Give a network weights that use the whole range, and batch norms other statistics."""
    use_upsampling(Namespace(upsample=upsample, netG="x", init_type="normal", init_gain=0.02), net)
    rng = torch.Generator().manual_seed(3)
    for weight in net.parameters():
        inputs = weight[0].numel() if weight.dim() > 1 else 4
        weight.data = torch.randn(weight.shape, generator=rng) * 1.5 / inputs**0.5
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None:
            layer.running_var.fill_(2.0)
    return net


def small(kind: str, norm: str = "instance", upsample: str = "transpose") -> nn.Module:
    net = SMALL[kind](norm_layer=fast_norm_layer(norm.split()[-1]))  # type: ignore[operator]
    return trained(net, upsample).train("evaluated" not in norm)


def quiet(tile: int, statistics: str | None = None, notes: list[str] | None = None) -> Settings:
    note = (notes if notes is not None else []).append
    return Settings(tile, statistics, say=note, report=note)

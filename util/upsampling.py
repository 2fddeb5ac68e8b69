"""``--upsample resize``: generators that enlarge their features without checkerboards."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from util.errors import UsageError
from util.init_weights import init_weights
from util.option_defaults import ours
from util.reflection import ReflectionPad


class ResizeConv2d(nn.Conv2d):
    """Nearest-neighbour enlargement by 2, reflection padding, 3x3 convolution.

    A transposed convolution covers some output pixels more often than others, so that it has to
    learn weights without a pattern; this layer treats all alike (Odena, Dumoulin, Olah,
    "Deconvolution and checkerboard artifacts", Distill, 2016).
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, bias=bias)
        self.pad = ReflectionPad(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W)."""
        larger = functional.interpolate(x, scale_factor=2.0)
        return functional.conv2d(self.pad(larger), self.weight, self.bias)


def use_upsampling(opt: Namespace, *networks: nn.Module, option: str = "upsample") -> None:
    """Replace the transposed convolutions of new generators if ``--upsample resize`` is given.

    Models call this after ``define_G``, before they create optimizers. Names of weights stay; their
    shapes show which layers a file is for (``architecture_of`` in util/weight_shapes.py).

    Args: option: one that takes the place of ``--upsample`` for these networks if it is given.

    Raises UsageError: a network has no such layers, or one that does not double its input.
    """
    opt = ours(opt)
    option = option if getattr(opt, option, None) else "upsample"
    for network in networks if getattr(opt, option, "transpose") == "resize" else ():
        layers = {
            (parent, name): layer
            for parent in network.modules()
            for name, layer in parent.named_children()
            if isinstance(layer, nn.ConvTranspose2d)
        }
        if not layers or not all(map(_doubles, layers.values())):
            found = "one that does not double its input" if layers else "none"
            raise UsageError(
                f"--{option} resize replaces transposed convolutions, and --netG {opt.netG} has "
                f"{found}"
            )
        for (parent, name), layer in layers.items():
            new = ResizeConv2d(layer.in_channels, layer.out_channels, layer.bias is not None)
            init_weights(new, opt.init_type, opt.init_gain)
            setattr(parent, name, new)


def _doubles(layer: nn.ConvTranspose2d) -> bool:
    """True if a layer doubles height and width, whatever they are, and mixes all channels."""
    sizes = zip(layer.kernel_size, layer.padding, layer.output_padding, strict=True)
    same = all(kernel - 2 * pad + more == 2 for kernel, pad, more in sizes)  # type: ignore[operator]
    return same and layer.stride == (2, 2) and layer.dilation == (1, 1) and layer.groups == 1


def require_upsampling(opt: Namespace, model: Any) -> None:
    """Raise UsageError if ``--upsample resize`` is given to a model that does not support it."""
    networks = model.get_networks()
    for option, names in {"upsample": set(networks), "upsample_B": {"G_B"}}.items():
        if getattr(ours(opt), option, "transpose") != "resize":
            continue
        layers = (layer for name in names & set(networks) for layer in networks[name].modules())
        if not any(isinstance(layer, ResizeConv2d) for layer in layers):
            raise UsageError(
                f"--{option} resize: --model {opt.model} does not support it (a model calls "
                "use_upsampling of util/upsampling.py after define_G)"
            )

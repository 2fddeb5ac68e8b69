"""The networks of CoGAN (Liu and Tuzel, NIPS 2016): pairs that share some of their layers.

Widths and layers are those of the authors' network for 128x128 images, coupled. 64 and 256 pixels
have one stage less and one more. Images are (N, C, size, size) in [-1, 1].
"""

from __future__ import annotations

import math

import torch
from torch import nn

SIZES = (64, 128, 256)
LATENT = 100  # length of z, which is uniform in (-1, 1)


class ShiftNorm(nn.BatchNorm2d):
    """Batch norm with a learned shift but no learned scale."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)
        self.bias = nn.Parameter(torch.zeros(channels))


def hidden(conv: nn.Module, channels: int, dropout: float = 0.0) -> nn.Sequential:
    """A hidden layer: convolution, batch norm, PReLU and, if it is not 0, dropout."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(conv, ShiftNorm(channels), nn.PReLU(channels), *drop)


def generator_layers(channels: int, size: int, ngf: int) -> list[nn.Module]:
    """z (N, 100, 1, 1) -> 16*ngf x 4 x 4 -> 8*ngf x 8 x 8 -> ... -> (N, channels, size, size)."""
    stages = int(math.log2(size)) - 2
    widths = [max(1, 16 * ngf >> i) for i in range(stages + 1)]
    layers = [hidden(nn.ConvTranspose2d(LATENT, widths[0], 4, bias=False), widths[0])]
    for c, d in zip(widths, widths[1:], strict=False):
        layers.append(hidden(nn.ConvTranspose2d(c, d, 4, stride=2, padding=1, bias=False), d))
    last = nn.Sequential(nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())
    return [*layers, last]


def discriminator_layers(channels: int, size: int, ndf: int) -> list[nn.Module]:
    """(N, channels, size, size) -> ... -> 16*ndf x 2 x 2 -> 32*ndf -> a logit (N, 1, 1, 1)."""
    stages = int(math.log2(size)) - 1
    widths = [channels, *(max(1, 16 * ndf >> i) for i in reversed(range(stages)))]
    dropouts = [0.0] * (stages - 4) + [0.1, 0.3, 0.3, 0.5]
    layers = []
    for i, (c, d) in enumerate(zip(widths, widths[1:], strict=False)):
        kernel = 5 if i < stages - 3 else 3
        conv = nn.Conv2d(c, d, kernel, stride=2, padding=kernel // 2, bias=False)
        layers.append(hidden(conv, d, dropouts[i]))
    full = nn.Conv2d(widths[-1], 2 * widths[-1], 2, bias=False)
    layers.append(hidden(full, 2 * widths[-1], 0.5))
    return [*layers, nn.Conv2d(2 * widths[-1], 1, 1)]


class CoupledGenerator(nn.Module):
    """g1 and g2, whose first layers, those of the content, are the same (section 3).

    Attributes:
        shared: the layers of both, from z on.
        A: the other layers of g1, which draws domain A.
        B: the other layers of g2.
        size: height and width of the images.
    """

    def __init__(
        self, input_nc: int, output_nc: int, size: int, ngf: int = 64, shared: int | None = None
    ) -> None:
        """Args: shared: the number of shared layers; None: all but the last."""
        super().__init__()
        self.size, self.channels = size, [input_nc, output_nc]
        of_A, of_B = (generator_layers(nc, size, ngf) for nc in self.channels)
        shared = len(of_A) - 1 if shared is None else shared
        self.shared = nn.Sequential(*of_A[:shared])
        self.A, self.B = nn.Sequential(*of_A[shared:]), nn.Sequential(*of_B[shared:])

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return g1(z) and g2(z), joined along the channels."""
        content = self.shared(z[..., None, None])
        return torch.cat([self.A(content), self.B(content)], 1)

    def generate(self, z: torch.Tensor, domain: str) -> torch.Tensor:
        """Return g1(z) for domain "A", or g2(z) for "B". Args: z: (N, 100)."""
        return self.get_submodule(domain)(self.shared(z[..., None, None]))


class CoupledDiscriminator(nn.Module):
    """f1 and f2, whose last layers are the same (section 3)."""

    def __init__(
        self, input_nc: int, output_nc: int, size: int, ndf: int = 64, shared: int | None = None
    ) -> None:
        """Args: shared: the number of shared layers, the last ones; None: all but the first two."""
        super().__init__()
        of_A, of_B = (discriminator_layers(nc, size, ndf) for nc in (input_nc, output_nc))
        own = 2 if shared is None else len(of_A) - shared
        self.A, self.B = nn.Sequential(*of_A[:own]), nn.Sequential(*of_B[:own])
        self.shared = nn.Sequential(*of_A[own:])

    def forward(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        """Return the logits f1(A) and f2(B), joined along the batch, (N_A + N_B, 1).

        The batch norm of the shared layers sees the images of both domains.
        """
        return self.shared(torch.cat([self.A(A), self.B(B)])).flatten(1)

"""Networks that translate in tiles, in the place of those of a model."""

from __future__ import annotations

import torch
from torch import nn

from data.windows.arrays import ArraySink, ArraySource
from models.translation.tiling.engine import Settings, Tiled


class TiledNetwork(nn.Module):
    """A generator (N, C, H, W) -> (N, C, H, W) that computes one tile after another.

    Attributes:
        network: the generator itself.
        images: how many images are still to be translated, for the estimate of time.
    """

    def __init__(self, network: nn.Module, settings: Settings) -> None:
        """Raises UserError, UsageError: see :class:`Tiled`."""
        super().__init__()
        self.network, self.images = network, 1
        self.tiled = Tiled(network, settings)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Translate each image as if it were alone."""
        return torch.cat([self.translated(image) for image in images])

    def translated(self, image: torch.Tensor) -> torch.Tensor:
        """Translate one image (C, H, W) to (1, C, H, W)."""
        channels, height, width = image.shape
        size = self.tiled.output_size(height, width)
        sink = ArraySink((*size, self.tiled.graph.channels(channels)[-1]))
        source = ArraySource(image.detach().permute(1, 2, 0).cpu().numpy())
        self.tiled.translate(source, sink, images=self.images)
        return torch.from_numpy(sink.array).permute(2, 0, 1)[None].to(image)

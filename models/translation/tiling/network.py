"""Networks that translate in tiles, in the place of those of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from data.windows.arrays import ArraySink, ArraySource
from models.base_model import BaseModel
from models.translation.tiling.engine import Settings, Tiled
from models.translation.tiling.sampling import Sampling
from util.console import note_progress
from util.option_defaults import ours


class TiledNetwork(nn.Module):
    """A generator (N, C, H, W) -> (N, C, H, W) that computes one tile after another.

    Attributes:
        network: the generator itself.
        images: how many images are to be translated, for the estimate of time.
    """

    def __init__(self, network: nn.Module, settings: Settings, images: int = 1) -> None:
        """Raises UserError, UsageError: see :class:`Tiled`."""
        super().__init__()
        self.network, self.images = network, images
        self.tiled = Tiled(network, settings)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Translate each image as if it were alone."""
        if not len(images):
            return self.network(images)
        return torch.cat([self.translated(image) for image in images])

    def translated(self, image: torch.Tensor) -> torch.Tensor:
        """Translate one image (C, H, W) to (1, C, H, W)."""
        channels, height, width = image.shape
        size = self.tiled.output_size(height, width)
        sink = ArraySink((*size, self.tiled.graph.channels(channels)[-1]))
        source = ArraySource(image.detach().permute(1, 2, 0).cpu().numpy())
        self.tiled.translate(source, sink, images=self.images)
        return torch.from_numpy(sink.array).permute(2, 0, 1)[None].to(image)


def tile_networks(
    model: BaseModel,
    images: int,
    report: Callable[[str], None],
    say: Callable[[str], None] | None = None,
) -> None:
    """Replace the networks of a model by ones that translate in tiles, as its options say.

    Args:
        images: how many images are to be translated.
        report: gets the error of sampled statistics.
        say: gets what the work takes; None: ``report`` gets it, too.

    Raises:
        UserError: a network has a layer that is not understood.
        UsageError: dropout is active, or the tile or the size of the sample is refused.
    """
    opt, networks = ours(model.opt), model.get_networks()
    for name, network in networks.items():
        settings = Settings(
            opt.tile,
            opt.tile_stats,
            Sampling(opt.seed, opt.tile_samples),
            name=f"{name}: " if len(networks) > 1 else "",
            say=say or report,
            report=report,
            progress=lambda share, note: note_progress(f"{share:.0%}, {note}"),
        )
        tiled = TiledNetwork(network, settings, images)
        places = [key for key, value in vars(model).items() if value is network]
        for place in (*places, f"net{name}"):  # model test has its network under two names
            setattr(model, place, tiled)

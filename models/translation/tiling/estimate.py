"""How long a translation in tiles will take, and the choice between its two kinds of statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.translation.tiling.plan import Plan
from models.translation.tiling.sampling import Sampling
from util.console import duration
from util.errors import UsageError
from util.words import amount

LONG = 3600.0  # seconds above which the user has to choose


class Proposal(NamedTuple):
    """A larger tile.

    Attributes:
        ratio: its work over that of the present one.
        memory: bytes of its features.
    """

    tile: int
    ratio: float
    memory: int


class Estimate:
    """Seconds of a translation.

    Attributes:
        passes: target of a pass -> seconds of the pass over all tiles.
        exact: seconds with exact statistics.
        sample: seconds with those of a sample.
    """

    def __init__(self, plan: Plan, rates: np.ndarray, sampling: Sampling) -> None:
        """Args: rates: of :meth:`Executor.rates`."""
        self.plan, self.sampling, self.tiles = plan, sampling, sampling.sample(plan.tiles)
        *before, _ = plan.passes
        # Seconds for the sums of the statistics; rates[0] are those of the steps
        adding = {x: rates[1, x] * plan.sizes[x][0] * plan.sizes[x][1] for x in before}
        self.passes = {
            target: float(plan.cells(target) @ rates[0]) + adding.get(target, 0)
            for target in plan.passes
        }
        self.exact = sum(self.passes.values())
        share = len(self.tiles) / len(plan.tiles)
        self.sample = plan.cost(rates[0], self.tiles) + sum(adding.values()) * share

    def lines(self, channels: int, images: int, from_sample: bool, room: float) -> list[str]:
        """Return what the user should know before the work begins.

        Args:
            channels: of the image.
            images: how many images of this size are to be translated.
            from_sample: True for the statistics of a sample.
            room: bytes of memory that the features may take.
        """
        plan, (rows, columns) = self.plan, self.plan.grid
        height, width = plan.image
        each = " for each of " + amount(images, "image") if images > 1 else ""
        tiles, part, seconds = None, "", self.exact
        if from_sample:
            tiles, seconds = self.tiles, self.sample
            part = f" with the statistics of {len(tiles)} tiles"
        lines = [
            f"{width}x{height} pixels in {rows}x{columns} tiles of {plan.tile} with a halo of "
            f"{plan.graph.halo()}: {amount(len(plan.passes), 'pass', 'passes')}{part}, "
            f"{plan.overhead(tiles):.3g} times the work of one piece, about "
            f"{duration(seconds)}{each} "
            f"at the measured speed; features of {plan.memory(channels) / 1e9:.2g} GB"
        ]
        if proposal := better(plan, channels, self.sampling if from_sample else None, room):
            lines.append(
                f"--tile {proposal.tile} would take {proposal.ratio:.2g} times as long, and "
                f"{proposal.memory / 1e9:.2g} GB for features"
            )
        return lines

    def chosen(self, statistics: str | None, images: int) -> str:
        """Return "exact" or "sample".

        Args:
            statistics: what the user has chosen; None: nothing.

        Raises:
            UsageError: nothing is chosen, and the work takes more than an hour.
        """
        if statistics or self.exact * images <= LONG:
            return statistics or "exact"
        exact = f"--tile: exact statistics take about {duration(self.exact * images)}"
        count, tiles = len(self.tiles), len(self.plan.tiles)
        if self.sampling.is_whole(tiles):
            raise UsageError(
                f"{exact}, and {tiles} tiles are too few for a sample: give --tile_stats exact, or "
                "--tile_stats sample and a smaller --tile"
            )
        raise UsageError(
            f"{exact}, those of {count} of {tiles} tiles, with a measured error, "
            f"{duration(self.sample * images)}: give --tile_stats exact or --tile_stats sample"
        )


def better(plan: Plan, channels: int, sampling: Sampling | None, room: float) -> Proposal | None:
    """Return the smallest larger tile that saves a fifth of the work or more.

    Args:
        channels: of the image.
        sampling: chooses the tiles of the statistics; None: all.
        room: bytes of memory that the features may take.

    Returns: None if there is none.
    """

    def work(plan: Plan) -> float:
        if len(plan.tiles) == 1:  # needs no passes for statistics
            return 1.0
        if sampling is None or sampling.is_whole(len(plan.tiles)):
            return plan.overhead()
        return plan.overhead(sampling.sample(plan.tiles))

    before, tile = work(plan), plan.tile
    while tile < max(plan.sizes[0]):
        tile *= 2
        larger = Plan(plan.graph, *plan.image, tile)
        if (memory := larger.memory(channels)) > room:
            return None
        if (ratio := work(larger) / before) <= 0.8:
            return Proposal(tile, ratio, memory)
    return None

"""How long a translation in tiles will take, and the choice between its two kinds of statistics."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.translation.tiling.plan import Plan, Tile, better
from util.console import duration
from util.errors import UsageError
from util.words import amount

LONG = 3600.0  # seconds above which the user has to choose
CHECKED = 8  # tiles on which the error of sampled statistics is measured


class Estimate:
    """Seconds of a translation.

    Attributes:
        passes: target of a pass -> seconds of the pass over all tiles.
        exact: seconds with exact statistics.
        sample: seconds with those of a sample.
    """

    def __init__(self, plan: Plan, rates: np.ndarray, sample: Iterable[Tile]) -> None:
        """Args:
        rates: of :meth:`Executor.rates`.
        sample: the tiles of a sample.
        """
        self.plan, self.sampled = plan, list(sample)
        *before, output = plan.passes
        share = len(self.sampled) / len(plan.tiles)
        adding = {x: rates[1, x] * plan.sizes[x][0] * plan.sizes[x][1] for x in before}
        self.passes = {
            target: float(plan.cells(target) @ rates[0]) + adding.get(target, 0)
            for target in plan.passes
        }
        self.exact = sum(self.passes.values())
        of_norms = sum(
            float(plan.cells(x, self.sampled) @ rates[0]) + adding[x] * share for x in before
        )
        checks = 2 * CHECKED * self.passes[output] / len(plan.tiles)
        self.sample = of_norms + checks + self.passes[output]

    def lines(self, channels: int, images: int) -> list[str]:
        """Return what the user should know before the work begins.

        Args:
            channels: of the image.
            images: how many images of this size are to be translated.
        """
        plan, (rows, columns) = self.plan, self.plan.grid
        height, width = plan.image
        each = " for each of " + amount(images, "image") if images > 1 else ""
        lines = [
            f"{width}x{height} pixels in {rows}x{columns} tiles of {plan.tile} with a halo of "
            f"{plan.graph.halo()}: {amount(len(plan.passes), 'pass', 'passes')}, "
            f"{plan.overhead():.3g} times the work of one piece, about "
            f"{duration(self.exact)}{each} "
            f"at the measured speed; features of {plan.memory(channels) / 1e9:.2g} GB"
        ]
        if proposal := better(plan, channels):
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
        needed = bool(self.plan.graph.norms)
        if statistics or not needed or self.exact * images <= LONG:
            return "sample" if statistics == "sample" and needed else "exact"
        count, tiles = len(self.sampled), len(self.plan.tiles)
        raise UsageError(
            f"--tile: exact statistics take about {duration(self.exact * images)}, those of "
            f"{count} of {tiles} tiles, with a measured error, {duration(self.sample * images)}: "
            "give --tile_stats exact or --tile_stats sample"
        )

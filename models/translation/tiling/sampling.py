"""The tiles from which ``--tile_stats sample`` takes the statistics of an image."""

from __future__ import annotations

import random
from typing import NamedTuple

from models.translation.tiling.plan import GROUPS, Tile

SHARE, LEAST = 0.1, 16  # of all tiles; tiles


class Sampling(NamedTuple):
    """Chooses the tiles of a sample.

    Attributes:
        seed: of the choice.
        wanted: the number of tiles, a multiple of :data:`GROUPS`; None: a tenth, at least 16.
    """

    seed: int = 0
    wanted: int | None = None

    def size(self, tiles: int) -> int:
        """Return how many of ``tiles`` are the sample."""
        wanted = self.wanted or GROUPS * round(max(SHARE * tiles, LEAST) / GROUPS)
        return min(tiles, wanted)

    def is_whole(self, tiles: int) -> bool:
        """True if there are so few tiles that a sample would be all of them."""
        return self.size(tiles) == tiles

    def sample(self, tiles: list[Tile]) -> list[Tile]:
        """Return the tiles of all :meth:`groups`."""
        return sum(self.groups(tiles), [])

    def groups(self, tiles: list[Tile]) -> list[list[Tile]]:
        """Return :data:`GROUPS` samples of equal size, no two of which share a tile.

        Each is spread evenly: the image is divided into parts of neighbouring tiles, and each group
        gets one tile of each part, at random. So the differences of what the groups give show how
        much depends on the choice of tiles.
        """
        rng, count = random.Random(self.seed), self.size(len(tiles)) // GROUPS
        ordered = sorted(tiles, key=interleaved)
        edges = [len(ordered) * part // count for part in range(count + 1)] if count else []
        parts = [ordered[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]
        chosen = [rng.sample(part, GROUPS) for part in parts]
        return [[part[group] for part in chosen] for group in range(GROUPS)]


def interleaved(tile: Tile) -> int:
    """Return the place of a tile in an order in which neighbours are close to each other."""
    row, column = (f"{number:024b}" for number in tile)
    return int("".join(bits for pair in zip(row, column, strict=True) for bits in pair), 2)

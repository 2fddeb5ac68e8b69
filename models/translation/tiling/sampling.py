"""The tiles from which ``--tile_stats sample`` takes the statistics of an image."""

from __future__ import annotations

import random

from models.translation.tiling.plan import Tile

SHARE, LEAST = 0.1, 16  # of all tiles; tiles


def sample_size(tiles: int) -> int:
    """Return how many of ``tiles`` are a sample, an even number; all of them are no sample."""
    return min(tiles, 2 * round(max(SHARE * tiles, LEAST) / 2))


def is_whole(tiles: int) -> bool:
    """True if there are so few tiles that a sample would be all of them."""
    return sample_size(tiles) == tiles


def sample_of(tiles: list[Tile], seed: int) -> list[Tile] | None:
    """Return both :func:`halves` of a sample; None if it would be all tiles."""
    return None if is_whole(len(tiles)) else sum(halves(tiles, seed), [])


def halves(tiles: list[Tile], seed: int) -> tuple[list[Tile], list[Tile]]:
    """Return two samples of as many tiles, which have no tile in common.

    Both are spread evenly: the image is divided into parts of neighbouring tiles, and each half
    gets one tile of each part, at random. So the difference of what the halves give shows how much
    depends on the choice of tiles.
    """
    rng, count = random.Random(seed), sample_size(len(tiles)) // 2
    ordered = sorted(tiles, key=interleaved)
    first, second = [], []
    for part in range(count):
        start, stop = (len(ordered) * edge // count for edge in (part, part + 1))
        one, other = rng.sample(ordered[start:stop], 2)
        first.append(one)
        second.append(other)
    return first, second


def interleaved(tile: Tile) -> int:
    """Return the place of a tile in an order in which neighbours are close to each other."""
    row, column = (f"{number:024b}" for number in tile)
    return int("".join(bits for pair in zip(row, column, strict=True) for bits in pair), 2)

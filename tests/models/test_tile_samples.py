"""The statistics of a sample of tiles: which tiles, and whether the measured error is right."""

from __future__ import annotations

import functools
import itertools

import pytest
import torch
from tiles import LEVEL, image, quiet, small

from models.translation.tiling.engine import Settings, Tiled
from models.translation.tiling.network import TiledNetwork
from models.translation.tiling.plan import GROUPS
from models.translation.tiling.sampling import Sampling
from util.errors import UsageError

network = functools.cache(functools.partial(small, "resnet"))


@torch.no_grad()
def errors(seed: int = 0, wanted: int | None = None, tile: int = 16) -> tuple[float, float, str]:
    """Return the real and the measured error on average, in levels, and the line about it."""
    x, notes = image(96, 80), list[str]()
    settings = quiet(tile, "sample", notes)._replace(sampling=Sampling(seed, wanted))
    gap = (TiledNetwork(network(), settings)(x) - network()(x)).abs() / LEVEL
    [line] = [x for x in notes if x.startswith("Statistics of ")] or notes[:1]
    measured = line.partition(" of them, is ")[2].split()[:1]
    return float(gap.mean()), float(*measured), line


def test_measured_error_is_that_of_the_result() -> None:
    """With two groups in place of four, one of these samples measured 0.6 times the real error."""
    ratios = [measured / real for real, measured, _ in map(errors, range(8))]
    assert min(ratios) > 0.6 and max(ratios) < 2.5, ratios
    assert 0.8 < sum(ratios) / len(ratios) < 1.8, ratios


def test_more_tiles_have_a_smaller_error() -> None:
    few, many = errors(wanted=8), errors(wanted=28)
    assert few[2].startswith("Statistics of 8 of 30 tiles: the error, measured on 8 of them, is ")
    assert many[2].startswith("Statistics of 28 of 30 tiles: the error, measured on 7 of them, is ")
    assert many[1] < 0.8 * few[1] and many[0] < 0.5 * few[0]


def test_the_same_seed_gives_the_same_sample() -> None:
    assert errors(seed=3) == errors(seed=3) != errors(seed=4)


@pytest.mark.parametrize(("tile", "wanted", "tiles"), [(40, None, 6), (32, None, 9), (16, 32, 30)])
def test_few_tiles_are_all_taken(tile: int, wanted: int | None, tiles: int) -> None:
    real, measured, line = errors(0, wanted, tile)
    assert line == f"The sample is the whole image, because it has only {tiles} tiles"
    assert real < 1e-3 and measured == 0


@pytest.mark.parametrize(("rows", "columns", "wanted"), [(5, 4, None), (20, 20, None), (9, 7, 8)])
def test_groups_are_spread_and_share_no_tile(rows: int, columns: int, wanted: int | None) -> None:
    tiles = list(itertools.product(range(rows), range(columns)))
    groups = Sampling(5, wanted).groups(tiles)
    assert len(groups) == GROUPS and len({len(group) for group in groups}) == 1
    chosen = sum(groups, [])
    assert len(set(chosen)) == len(chosen) == (wanted or max(16, rows * columns // 10))
    assert set(chosen) < set(tiles)
    for group in groups:  # each quarter of the image gives a group some tiles, or nearly so
        halves = {(2 * row >= rows, 2 * column >= columns) for row, column in group}
        assert len(halves) >= min(len(group), 3)


def test_size_that_cannot_be_divided() -> None:
    with pytest.raises(UsageError, match="--tile_samples 18: should be a multiple of 4, because"):
        Tiled(network(), Settings(16, "sample", Sampling(wanted=18)))

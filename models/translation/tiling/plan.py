"""The tiles of an image: what each pass over them computes, and what this costs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping

import numpy as np
import torch

from models.translation.tiling.graph import Graph, Spans
from models.translation.tiling.layers import Span
from util.reflection import reflect_to_multiple

Tile = tuple[int, int]  # row and column in the grid of tiles
NUMBER = 4  # bytes of a float32
GROUPS = 4  # parts of a sample, whose results are compared to measure its error
CHECKED = 8  # tiles on which it is measured


class Plan:
    """Divides an image into tiles of ``tile`` pixels.

    A pass computes the output of one step, its target, tile by tile; the parts that two tiles need
    are computed twice.

    Attributes:
        sizes: height and width of the output of each step, those of the padded image first.
        grid: number of rows and of columns of tiles.
        positions: for each dimension, the row or column of the image at each of the padded one.
    """

    def __init__(self, graph: Graph, height: int, width: int, tile: int) -> None:
        self.graph, self.tile, self.image = graph, tile, (height, width)
        self.positions = [padded(size, *graph.pads) for size in self.image]
        self.sizes = graph.sizes(*map(len, self.positions))
        self.grid = (-(-self.sizes[0][0] // tile), -(-self.sizes[0][1] // tile))
        self.needs = functools.cache(self._needs)

    @functools.cached_property
    def tiles(self) -> list[Tile]:
        """All tiles, row by row."""
        return list(itertools.product(range(self.grid[0]), range(self.grid[1])))

    @property
    def middle(self) -> Tile:
        """The tile in the middle; no other one has a larger halo."""
        return (self.grid[0] - 1) // 2, (self.grid[1] - 1) // 2

    @property
    def passes(self) -> list[int]:
        """The target of each pass: the input of each norm, and finally the output."""
        return [self.graph.steps[norm].inputs[0] for norm in self.graph.norms] + [self.graph.output]

    def output_size(self) -> tuple[int, int]:
        """Return height and width of the result."""
        return self.image if self.graph.pads != (1, 1) else self.sizes[-1]

    def span(self, target: int, index: int, dim: int) -> Span:
        """Return the part of a target that belongs to the tiles of one row or column of the grid.

        The parts of all tiles together are the whole target, without an overlap.
        """
        whole, size = self.sizes[0][dim], self.sizes[target][dim]
        start, stop = (min(i * self.tile, whole) * size // whole for i in (index, index + 1))
        if target == self.graph.output:  # what lies in the padding is cropped
            start, stop = (min(end, self.output_size()[dim]) for end in (start, stop))
        return Span(start, stop)

    def _needs(self, target: int, index: int, dim: int) -> Spans:
        """Return what each step computes for :meth:`span`, see :meth:`Graph.needs`."""
        span = self.span(target, index, dim)
        if not span.length:
            return [None] * len(self.sizes)
        return self.graph.needs(target, span, self.sizes, dim)

    def cells(self, target: int, tiles: Collection[Tile] | None = None) -> np.ndarray:
        """Return how many positions each step computes in a pass.

        Args:
            tiles: those of the pass; None: all.
        """
        lengths = []
        for dim in (0, 1):
            spans = [self.needs(target, index, dim) for index in range(self.grid[dim])]
            lengths.append(np.array([[x.length if x else 0 for x in row] for row in spans], float))
        heights, widths = lengths
        if tiles is None:
            return heights.sum(0) * widths.sum(0)
        return sum((heights[i] * widths[j] for i, j in tiles), np.zeros(len(self.sizes)))

    def cost(self, weights: np.ndarray, sampled: Collection[Tile] | None = None) -> float:
        """Return the sum of the weights of all steps in all passes.

        Args:
            weights: for each step, that of one position, such as its multiplications or seconds.
            sampled: the tiles from which the statistics are taken; None: all. The error of such
                statistics is measured with :data:`GROUPS` results for each of :data:`CHECKED`
                tiles.
        """
        *before, output = self.passes
        result = float(self.cells(output) @ weights)
        checks = 0 if sampled is None else GROUPS * CHECKED * result / len(self.tiles)
        return sum(float(self.cells(x, sampled) @ weights) for x in before) + checks + result

    def work(self) -> np.ndarray:
        """Return the multiplications of each step for a position of its output."""
        return np.array([step.layer.work for step in self.graph.steps])

    def overhead(self, sampled: Collection[Tile] | None = None) -> float:
        """Return the work of all passes over that of the whole image in one piece.

        Args:
            sampled: see :meth:`cost`.
        """
        whole = np.array([height * width for height, width in self.sizes], float)
        return self.cost(self.work(), sampled) / max(float(whole @ self.work()), 1.0)

    def memory(self, channels: int) -> int:
        """Return the bytes of the features that the largest tile keeps at the same time.

        Args:
            channels: of the image.
        """
        target, depth = self.graph.output, self.graph.channels(channels)
        rows, columns = (self.needs(target, n, dim) for dim, n in enumerate(self.middle))
        bytes_of = [
            NUMBER * d * (y.length * x.length if y and x else 0)
            for d, y, x in zip(depth, rows, columns, strict=True)
        ]
        last, live, peak = self.last_uses(target), 0, 0
        for i, number in enumerate(bytes_of):
            live += number
            # Padding, activations and the copies that convolutions make need their input again
            again = max((bytes_of[j] for j in self.graph.steps[i].inputs), default=0)
            peak = max(peak, live + again)
            live -= sum(bytes_of[j] for j, user in last.items() if user == i)
        return peak

    def last_uses(self, target: int) -> Mapping[int, int]:
        """Return for each step that a pass needs the last step that reads its output."""
        needed = self.needs(target, 0, 0)
        last: dict[int, int] = {}
        for i, step in enumerate(self.graph.steps[: target + 1]):
            if needed[i] is not None:
                last |= dict.fromkeys(step.inputs, i)
        return last


def padded(size: int, multiple: int, minimum: int) -> np.ndarray:
    """Return the row of an image of ``size`` rows that each row of the padded image repeats."""
    rows = torch.arange(size).view(1, 1, size, 1)
    return reflect_to_multiple(rows, multiple, minimum)[0, 0, :, 0].numpy()

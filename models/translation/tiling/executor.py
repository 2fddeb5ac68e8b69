"""Computes the output of any step of a network for one tile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from models.translation.tiling.layers import Norm, Span, Window
from models.translation.tiling.plan import Plan, Tile
from models.translation.tiling.statistics import Moments

Read = Callable[[Window], torch.Tensor]


class Executor:
    """Computes parts of the features of an image.

    Attributes:
        seconds: for each step, those that it has taken so far, and those that the statistics of
            its output have taken; counted only while ``timed``.
    """

    def __init__(self, plan: Plan, read: Read, device: torch.device) -> None:
        """Args: read: returns a window of the image, (1, C, h, w) in [-1, 1]."""
        self.plan, self.read, self.device = plan, read, device
        self.seconds, self.timed = np.zeros((2, len(plan.sizes))), False

    @torch.no_grad()
    def compute(self, target: int, tile: Tile, known: Mapping[int, Moments]) -> torch.Tensor:
        """Return the part of a step's output that belongs to a tile, (1, C, h, w).

        Args:
            known: the statistics of all norms before ``target``.
        """
        plan, steps = self.plan, self.plan.graph.steps
        rows, columns = (plan.needs(target, tile[dim], dim) for dim in (0, 1))
        last, values = plan.last_uses(target), dict[int, torch.Tensor]()
        for i in range(target + 1):
            height, width = rows[i], columns[i]
            if height is None or width is None:
                continue
            begin, window = time.perf_counter(), (height, width)
            layer, inputs = steps[i]
            if i == 0:
                values[i] = self.image(window)
            else:
                size = plan.sizes[inputs[0]]
                part = tuple(layer.source(window[dim], size[dim], dim) for dim in (0, 1))
                given = [cropped(values[j], (rows[j], columns[j]), part) for j in inputs]
                if isinstance(layer, Norm):
                    if self.timed:
                        Moments().add(given[0])
                        begin = self._count((1, inputs[0]), begin)
                    values[i] = known[i].normalised(given[0], layer.module)
                else:
                    values[i] = layer.run(given, window, size)
                del given
            for j in {j for j in inputs if last[j] == i}:
                del values[j]
            if self.timed:
                self._count((0, i), begin)
        return values[target]

    def image(self, window: Window) -> torch.Tensor:
        """Return a window of the padded image."""
        positions = zip(self.plan.positions, window, strict=True)
        found = [rows[span.start : span.stop] for rows, span in positions]
        inner = [Span(int(rows.min()), int(rows.max()) + 1) for rows in found]
        x = self.read((inner[0], inner[1])).to(self.device)
        for dim, (rows, span) in enumerate(zip(found, inner, strict=True)):
            if rows[-1] - rows[0] + 1 != len(rows):  # some are reflected
                x = x.index_select(dim + 2, torch.from_numpy(rows - span.start).to(self.device))
        return x

    def _count(self, place: tuple[int, int], begin: float) -> float:
        """Add the time since ``begin`` to an entry of ``seconds``; return the present time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        self.seconds[place] += now - begin
        return now

    def rates(self) -> np.ndarray:
        """Return the seconds for a position of each step's output, see ``seconds``.

        They are measured with the tile in the middle of the image.
        """
        plan = self.plan
        target, tile = plan.graph.output, plan.middle
        channels = plan.graph.channels(self.read((Span(0, 1), Span(0, 1))).shape[1])
        dummy = {
            i: Moments(1, np.zeros(channels[i]), np.ones(channels[i])) for i in plan.graph.norms
        }
        if self.device.type == "cuda":  # the first run on a GPU loads its code
            self.compute(target, tile, dummy)
        self.timed = True
        self.compute(target, tile, dummy)
        self.timed = False
        return self.seconds / np.maximum(plan.cells(target, [tile]), 1)


def cropped(x: torch.Tensor, window: tuple, part: tuple) -> torch.Tensor:
    """Return the ``part`` of features (1, C, h, w) of which ``x`` holds ``window``."""
    for dim, (span, wanted) in enumerate(zip(window, part, strict=True)):
        if span != wanted:
            x = x.narrow(dim + 2, wanted.start - span.start, wanted.length)
    return x

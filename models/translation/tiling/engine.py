"""Translates an image in tiles, with the statistics of the whole image."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from data.windows.protocols import WindowSink, WindowSource
from models.translation.tiling.estimate import Estimate
from models.translation.tiling.executor import Executor
from models.translation.tiling.graph import Graph
from models.translation.tiling.journal import Journal
from models.translation.tiling.layers import Span, Window
from models.translation.tiling.plan import CHECKED, GROUPS, Plan, Tile
from models.translation.tiling.sampling import Sampling
from models.translation.tiling.statistics import Moments, joined
from util.console import duration, say
from util.errors import UsageError
from util.gpu import total_memory
from util.modules import digest

Known = dict[int, Moments]  # step of a norm -> its statistics


def no_progress(share: float, note: str) -> None:
    """Show nothing."""


class Settings(NamedTuple):
    """How images are translated in tiles.

    Attributes:
        tile: the side of a tile, without its halo, in pixels.
        statistics: "exact" or "sample"; None: exact if it takes at most an hour, else an error.
        sampling: chooses the tiles for "sample".
        name: of the network, before each line.
        say: prints a line about the work.
        report: prints the error of sampled statistics.
        progress: gets the share of the work that is done, from 0 to 1, and what is being done.
    """

    tile: int
    statistics: str | None = None
    sampling: Sampling = Sampling()
    name: str = ""
    say: Callable[[str], None] = say
    report: Callable[[str], None] = say
    progress: Callable[[float, str], None] = no_progress


class Tiled:
    """A network that translates images of any size tile by tile.

    Attributes:
        graph: its layers.
        rates: see :meth:`Executor.rates`.
        rated_cells: the number of positions with which they were measured.
    """

    def __init__(self, network: nn.Module, settings: Settings) -> None:
        """Find the layers of the network.

        Raises:
            UserError: it has a layer that is not understood.
            UsageError: dropout is active, the tile is smaller than the stride, or the size of the
                sample is not a multiple of :data:`GROUPS`.
        """
        self.network, self.settings, self.graph = network, settings, Graph(network)
        self.device = next(network.parameters()).device
        self.rates, self.rated_cells = np.zeros((2, 0)), 0.0
        self.said: set[str] = set()
        if settings.tile < self.graph.stride:
            raise UsageError(
                f"--tile {settings.tile}: should be at least {self.graph.stride}, the pixels for "
                "each position of the smallest features of this network"
            )
        if (wanted := settings.sampling.wanted) and wanted % GROUPS:
            raise UsageError(
                f"--tile_samples {wanted}: should be a multiple of {GROUPS}, because the error is "
                f"measured by comparing {GROUPS} groups of tiles"
            )

    def note(self, line: str) -> None:
        """Print a line about the work, the same line once."""
        if line not in self.said:
            self.said.add(line)
            self.settings.say(self.settings.name + line)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the result for an image."""
        return Plan(self.graph, height, width, self.settings.tile).output_size()

    def key(self, height: int, width: int, origin: str) -> str:
        """Return a text that depends on the network, settings, size and ``origin`` of an image."""
        return digest((), self.network_key, (height, width), self.settings[:3], origin)

    @functools.cached_property
    def network_key(self) -> str:
        """A text that depends on the weights and the layers (--eval keeps the weights)."""
        return digest(self.network.state_dict().values(), str(self.network), self.graph.norms)

    def translate(
        self,
        source: WindowSource,
        sink: WindowSink,
        done: Path | None = None,
        origin: str = "",
        images: int = 1,
    ) -> None:
        """Translate an image, and close the sink.

        Args:
            done: a file that says how far the work has come, from which another process resumes.
            origin: what identifies the image, for ``done``.
            images: how many images of this size are still to be translated, for the estimate.

        Raises:
            UsageError: the work takes more than an hour, and no statistics have been chosen.
            UserError: of the source or the sink.
        """
        height, width = source.height, source.width
        if max(height, width) <= self.settings.tile:
            self.note(f"An image of {width}x{height} pixels is a single tile")
            with torch.no_grad():
                whole = read(source, (Span(0, height), Span(0, width))).to(self.device)
                write(source, sink, self.network(whole), 0, 0)
            sink.close()
            Journal(done, "").remove()  # of an earlier process with smaller tiles
            return
        Work(self, source, sink, done, origin).run(images)


class Work:
    """The translation of one image."""

    def __init__(
        self, tiled: Tiled, source: WindowSource, sink: WindowSink, done: Path | None, origin: str
    ) -> None:
        self.tiled, self.source, self.sink = tiled, source, sink
        settings, size = tiled.settings, (source.height, source.width)
        self.journal = Journal(done, tiled.key(*size, origin) if done else "")
        if not sink.resumed:
            self.journal.nothing_written()
        self.plan = Plan(tiled.graph, *size, settings.tile)
        self.executor = Executor(self.plan, lambda window: read(source, window), tiled.device)
        cells = float(self.plan.cells(tiled.graph.output, [self.plan.middle]).sum())
        if cells > 2 * tiled.rated_cells:  # small tiles take longer for each pixel than large ones
            tiled.rates, tiled.rated_cells = self.executor.rates(), cells
        self.estimate = Estimate(self.plan, tiled.rates, settings.sampling)
        self.spent, self.total = 0.0, 1.0  # seconds, by the estimate
        self.begin, self.skipped = time.monotonic(), 0.0

    def run(self, images: int) -> None:
        """Translate the image; see :meth:`Tiled.translate`."""
        note, tiles = self.tiled.note, self.plan.tiles
        statistics = self.tiled.settings.statistics
        if not self.plan.graph.norms:
            statistics = "exact"
        if statistics == "sample" and self.tiled.settings.sampling.is_whole(len(tiles)):
            note(f"The sample is the whole image, because it has only {len(tiles)} tiles")
            statistics = "exact"
        sampled, room = statistics == "sample", total_memory(self.tiled.device)
        for line in self.estimate.lines(self.source.channels, images, sampled, room):
            note(line)
        statistics = self.estimate.chosen(statistics, images)
        if self.journal.resumed:
            note(f"Resumed: {self.journal.written} of {len(tiles)} tiles are written")
        self.total = getattr(self.estimate, statistics)
        known = self.sampled() if statistics == "sample" else self.statistics_of("all", tiles)
        self.write_result(known)
        self.sink.close()
        self.journal.remove()

    def statistics_of(self, name: str, tiles: list[Tile]) -> Known:
        """Return the statistics of all norms over some tiles.

        The statistics of a norm need its input, and so those of all norms before it: each norm
        takes a pass, which computes everything before it again.

        Args:
            name: of the set of tiles, in the journal.
        """
        graph, journal = self.tiled.graph, self.journal
        known = journal.known.setdefault(name, {})
        for number, norm in enumerate(graph.norms, 1):
            target = graph.steps[norm].inputs[0]
            moments, begin = Moments(), 0
            step, count, so_far = journal.partial.get(name, (None, 0, moments))
            if step == norm:  # an earlier process was stopped in the middle of this pass
                moments, begin = so_far, count
            if norm in known:
                begin = len(tiles)
            self.advance(target, begin)
            for count, tile in enumerate(tiles[begin:], begin + 1):
                moments.add(self.executor.compute(target, tile, known))
                journal.partial[name] = (norm, count, moments)
                journal.save()
                self.advance(target, 1, f"statistics {number} of {len(graph.norms)}")
            known.setdefault(norm, moments)
        journal.save(force=True)
        return known

    def sampled(self) -> Known:
        """Return the statistics of a sample of tiles, and print their error."""
        settings, tiles = self.tiled.settings, self.plan.tiles
        groups = settings.sampling.groups(tiles)
        each = [self.statistics_of(f"group {i}", group) for i, group in enumerate(groups)]
        in_turn = [tile for part in zip(*groups, strict=True) for tile in part]
        checked = [x for x in in_turn if self.has_output(x)] or list(filter(self.has_output, tiles))
        checked = checked[:: -(-len(checked) // CHECKED)]
        mean, most = self.error(checked, each)
        settings.report(
            f"{settings.name}Statistics of {len(in_turn)} of {len(tiles)} tiles: the error, "
            f"measured on {len(checked)} of them, is {127.5 * mean:.2g} of 255 levels on average "
            f"and {127.5 * most:.2g} at most ({mean / 2:.2%} and {most / 2:.2%} of the range)"
        )
        return {norm: joined(known[norm] for known in each) for norm in each[0]}

    def error(self, tiles: list[Tile], each: list[Known]) -> tuple[float, float]:
        """Return the mean and the largest error of the statistics of all groups, in [-1, 1].

        It is the standard error of the mean of their results for some tiles: the deviation of the
        results of the groups, over the root of their number.

        Args:
            each: the statistics of each group.
        """
        target = self.plan.graph.output
        sums, count, most = 0.0, 0, 0.0
        for tile in tiles:
            results = torch.stack([self.executor.compute(target, tile, known) for known in each])
            error = results.std(0) / len(each) ** 0.5
            sums, count = sums + float(error.double().sum()), count + error.numel()
            most = max(most, float(error.max()))
            self.advance(target, len(each), "error of the sample")
        return sums / count, most

    def write_result(self, known: Known) -> None:
        """Compute the result and write it, from the first tile that is not written."""
        plan, journal, target = self.plan, self.journal, self.plan.graph.output
        self.advance(target, journal.written)
        for count, tile in enumerate(plan.tiles[journal.written :], journal.written + 1):
            if self.has_output(tile):
                top, left = (plan.span(target, tile[dim], dim).start for dim in (0, 1))
                result = self.executor.compute(target, tile, known)
                write(self.source, self.sink, result, top, left)
            journal.written = count
            journal.save(self.sink.flush)
            self.advance(target, 1, f"tile {count} of {len(plan.tiles)}")

    def has_output(self, tile: Tile) -> bool:
        """True unless the whole tile is in the padding at the border of the image."""
        spans = (self.plan.span(self.plan.graph.output, tile[dim], dim) for dim in (0, 1))
        return all(span.length for span in spans)

    def advance(self, target: int, tiles: int, note: str = "") -> None:
        """Show that some tiles of a pass have been computed.

        Args:
            note: what is being done; "" if an earlier process has computed them.
        """
        done = self.estimate.passes[target] * tiles / len(self.plan.tiles)
        self.spent += done
        self.skipped += 0 if note else done
        share, elapsed = min(1.0, self.spent / self.total), time.monotonic() - self.begin
        if note and self.spent > self.skipped:
            left = elapsed * (self.total - self.spent) / (self.spent - self.skipped)
            note = f"{note}, {duration(max(0.0, left))} left"
        self.tiled.settings.progress(share, note)


def read(source: WindowSource, window: Window) -> torch.Tensor:
    """Return a window of an image as (1, C, h, w) in [-1, 1].

    Its values lie in the memory as those of whole images do: convolutions round others differently.
    """
    rows, columns = window
    pixels = source.read(rows.start, columns.start, rows.length, columns.length)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    return planes.clone(memory_format=torch.contiguous_format)


def write(
    source: WindowSource, sink: WindowSink, result: torch.Tensor, top: int, left: int
) -> None:
    """Write a part of the result, (1, C, h, w), with data where the image holds data."""
    pixels = result[0].permute(1, 2, 0).float().cpu().numpy()
    height, width = pixels.shape[:2]
    inside = top + height <= source.height and left + width <= source.width
    valid = source.valid(top, left, height, width) if inside else None
    sink.write(top, left, np.ascontiguousarray(pixels), valid)

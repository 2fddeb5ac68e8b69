"""The order in which an epoch takes the images, and the images that each rank takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from torch.utils.data import Sampler

from util import distributed
from util.seeds import derived_seed


class EpochSampler(Sampler):
    """Iterating gives this rank's batches of one epoch, as lists of keys (epoch, index).

    Each step takes ``batch`` images per rank. The rest in the last step is divided evenly, so that
    all ranks make the same number of steps; a rank without images then gets a placeholder batch
    whose weight is 0.

    Attributes:
        epoch: the epoch that the next pass gives, from 1.
        start: number of images that the next pass leaves out at the beginning of the epoch.
    """

    def __init__(
        self,
        total: int,
        seed: int,
        shuffle: bool,
        batch: int,
        limit: int | None = None,
        minimum: int = 1,
    ) -> None:
        """Args:
        total: number of items of the dataset.
        batch: images per rank in a full step.
        limit: begin no further step after this many items.
        minimum: images per rank that the last step has at least; fewer join the step before.
        """
        self.total, self.seed, self.shuffle, self.batch = total, seed, shuffle, batch
        self.epoch, self.start = 1, 0
        self.ranks = distributed.world_size()
        self.rank = distributed.rank() if self.ranks > 1 else 0
        step = batch * self.ranks
        self.size = total if limit is None else min(total, -(-limit // step) * step)
        self.minimum = minimum * self.ranks if minimum > 1 else 1

    def _parts(self) -> list[tuple[range, int]]:
        """Return for each step the positions that this rank takes, and how many all ranks take."""
        step, parts = self.batch * self.ranks, []
        begins = list(range(self.start, self.size, step))
        if len(begins) > 1 and self.size - begins[-1] < self.minimum:
            begins.pop()  # the last step takes what is left
        for begin, next_begin in pairwise([*begins, self.size]):
            count = next_begin - begin
            first = begin + count * self.rank // self.ranks
            end = begin + count * (self.rank + 1) // self.ranks
            parts.append((range(first, end), count))
        return parts

    def counts(self) -> list[int]:
        """Return for each step how many images all ranks take."""
        return [count for _, count in self._parts()]

    def weights(self) -> list[float]:
        """Return for each step this rank's share of the images, in [0, 1]."""
        return [len(part) / count for part, count in self._parts()]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        indices = list(range(self.total))
        if self.shuffle:
            random.Random(derived_seed(self.seed, self.epoch)).shuffle(indices)
        # A list, because the epoch may change while this pass is in use
        batches = [part or [part.start] for part, _ in self._parts()]
        return iter([[(self.epoch, indices[i]) for i in batch] for batch in batches])

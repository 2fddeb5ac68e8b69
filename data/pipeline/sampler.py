"""In which order an epoch takes the images, and which of them a rank takes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from torch.utils.data import Sampler

from util import distributed
from util.seeds import derived_seed


class EpochSampler(Sampler):
    """Keys (epoch, index) in the order of one epoch; the epoch travels with each key, also into worker processes.

    Each rank takes its part of every ``batch`` * ranks images, so that all of them make the same number of steps.
    """

    def __init__(self, size: int, seed: int, shuffle: bool, batch: int) -> None:
        self.size, self.seed, self.shuffle, self.batch = size, seed, shuffle, batch
        self.epoch, self.start = 1, 0
        self.ranks = distributed.world_size()
        self.rank = distributed.rank() if self.ranks > 1 else 0

    def __len__(self) -> int:
        return sum(self.sizes())

    def sizes(self) -> list[int]:
        """How many images each batch of this rank has; the last may have none."""
        return [len(part) for part in self._parts()]

    def _parts(self) -> Iterator[range]:
        for begin in range(self.start, self.size, self.batch * self.ranks):
            count = min(self.batch * self.ranks, self.size - begin)
            yield range(
                begin + count * self.rank // self.ranks,
                begin + count * (self.rank + 1) // self.ranks,
            )

    def __iter__(self) -> Iterator[tuple[int, int]]:
        indices = list(range(self.size))
        if self.shuffle:
            random.Random(derived_seed(self.seed, self.epoch)).shuffle(indices)
        return iter([(self.epoch, indices[place]) for part in self._parts() for place in part])

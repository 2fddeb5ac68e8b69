"""The order in which an epoch takes the images, and the images that each rank takes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from torch.utils.data import Sampler

from util import distributed
from util.seeds import derived_seed


class EpochSampler(Sampler):
    """Iterating gives this rank's batches of one epoch, as lists of keys (epoch, index).

    Every ``batch`` * ranks images are divided among the ranks, so that all ranks make the same number
    of steps. A rank without an image in the last step gets a placeholder, whose share is 0.

    Attributes:
        epoch: the epoch that the next pass gives, from 1.
        start: number of images that the next pass leaves out at the beginning of the epoch.
    """

    def __init__(self, size: int, seed: int, shuffle: bool, batch: int) -> None:
        """Args: batch: images per rank in a full step."""
        self.size, self.seed, self.shuffle, self.batch = size, seed, shuffle, batch
        self.epoch, self.start = 1, 0
        self.ranks = distributed.world_size()
        self.rank = distributed.rank() if self.ranks > 1 else 0

    def _steps(self) -> list[range]:
        """Return the positions in the epoch that all ranks together take in each step."""
        step = self.batch * self.ranks
        return [
            range(begin, min(begin + step, self.size))
            for begin in range(self.start, self.size, step)
        ]

    def _part(self, positions: range) -> range:
        """Return the positions of this rank."""
        count = len(positions)
        begin, end = (count * rank // self.ranks for rank in (self.rank, self.rank + 1))
        return positions[begin:end]

    def __len__(self) -> int:
        return len(self._steps())

    def weights(self) -> list[float]:
        """Return for each step the share of its images that this rank takes."""
        return [len(self._part(step)) / len(step) for step in self._steps()]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        indices = list(range(self.size))
        if self.shuffle:
            random.Random(derived_seed(self.seed, self.epoch)).shuffle(indices)
        # A list, because the epoch may change while this pass is in use
        parts = [self._part(step) or step[:1] for step in self._steps()]
        return iter([[(self.epoch, indices[i]) for i in part] for part in parts])

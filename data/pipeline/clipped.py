"""Counts the values of images that are outside of their range, and says so once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from util import distributed
from util.console import say
from util.values import DomainValues
from util.words import amount


class Clipped:
    """The values outside of ``--value_range`` in the batches of one pass over a dataset.

    Items have their number as "A_clipped" and "B_clipped".
    """

    def __init__(self) -> None:
        self.reported = False
        self._clear()

    def _clear(self) -> None:
        self.values: Counter[str] = Counter()
        self.images: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def take(self, batch: Any, counts_images: bool = True) -> None:
        """Remove the numbers from a batch, and count them unless its images do not count."""
        for domain in "AB" if isinstance(batch, dict) else "":
            counts = batch.pop(f"{domain}_clipped", None)
            if counts is not None and counts_images:
                self.values[domain] += int(counts.sum())
                self.images[domain] += int((counts > 0).sum())
                self.seen[domain] += len(counts)

    def add_ranks(self) -> None:
        """Replace the counts by their sums over the ranks, all of which call this."""
        for counter in (self.values, self.images, self.seen):
            sums = distributed.all_reduce(*(counter[domain] for domain in "AB"))
            counter["A"], counter["B"] = map(int, sums)

    def report(self, rules: DomainValues) -> None:
        """Print a line for each domain with values outside, after the first pass that has any."""
        for domain, number in self.values.items():
            rule = rules[domain] or next(filter(None, rules.values()), None)
            if number and not self.reported and rule:
                say(
                    f"Domain {domain}: {amount(number, 'value')} in {self.images[domain]} of "
                    f"{amount(self.seen[domain], 'image')} were outside of {rule.limits} "
                    "and became the nearest end of it"
                )
        self.reported = self.reported or any(self.values.values())
        self._clear()

"""Extremes and percentiles of the values of a folder, and a range to propose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.words import amount

PER_FILE = 10_000  # values of a file that count for the percentiles
PERCENTILES = (1, 50, 99)


class Statistics(NamedTuple):
    """The finite values of some files."""

    low: float
    high: float
    percentiles: tuple[float, ...]  # at PERCENTILES
    files: int
    without_number: int  # files with values that are NaN or infinite

    def __str__(self) -> str:
        """Say what was measured, e.g. "-1024 to 3071 (1 %: -1000, 50 %: 40, 99 %: 1200)"."""
        shares = ", ".join(
            f"{share} %: {value:.4g}"
            for share, value in zip(PERCENTILES, self.percentiles, strict=True)
        )
        text = f"{shown(self.low)} to {shown(self.high)} ({shares})"
        if self.without_number:
            text += f", and NaN or infinity in {amount(self.without_number, 'file')}"
        return text

    def proposal(self) -> str:
        """Return a range that holds all values, as ``--value_range`` takes it."""
        low, high = self.low, self.high
        if low >= 0 and high <= 1:
            low, high = 0, 1
        elif low >= -1 and high <= 1:
            low, high = -1, 1
        elif low == high:
            high = low + 1
        return f"{shown(low)} {shown(high)}"


def shown(number: float) -> str:
    """Return a number as ``--value_range`` takes it: whole ones without a point."""
    whole = math.isfinite(number) and number == int(number) and abs(number) < 1e15
    return str(int(number)) if whole else f"{number:.6g}"


def measure(
    paths: Iterable[str], read: Callable[[str], np.ndarray], nodata: float | None = None
) -> Statistics | None:
    """Return the statistics of all files that can be read; None if there are no finite values.

    Args:
        read: called with a path, returns an array.
        nodata: a value that does not count.
    """
    lows, highs, samples = [], [], []
    files = without_number = 0
    for path in paths:
        try:
            values = read(path).ravel()
        except UserError:  # reported, with its cause, when a program reads it
            continue
        files += 1
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            without_number += not (finite | (nodata is not None and np.isnan(values))).all()
            values = values[finite]
        if nodata is not None:
            values = values[values != nodata]
        if values.size:
            lows.append(float(values.min()))
            highs.append(float(values.max()))
            samples.append(values[:: -(-values.size // PER_FILE)].astype(np.float64))
    if not samples:
        return None
    at = np.percentile(np.concatenate(samples), PERCENTILES)
    return Statistics(min(lows), max(highs), tuple(map(float, at)), files, without_number)

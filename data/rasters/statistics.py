"""Extremes and percentiles of the values of a folder, and a range to propose."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.values import shown
from util.words import amount

PER_FILE = 10_000  # values of a file that count for the percentiles
PERCENTILES = (1, 50, 99)


class Statistics(NamedTuple):
    """The finite values of some files."""

    low: float
    high: float
    percentiles: tuple[float, ...]  # at PERCENTILES
    files: int
    without_number: int  # files with values that are NaN, unless NaN means no data

    def __str__(self) -> str:
        """Say what was measured, e.g. "-1024 to 3071 (1 %: -1000, 50 %: 40, 99 %: 1200)"."""
        shares = ", ".join(
            f"{share} %: {value:.4g}"
            for share, value in zip(PERCENTILES, self.percentiles, strict=True)
        )
        text = f"{shown(self.low)} to {shown(self.high)} ({shares})"
        if self.without_number:
            text += f", and NaN in {amount(self.without_number, 'file')}"
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


class Sample(NamedTuple):
    """The values of one file, as far as statistics need them."""

    low: float  # NaN if no value is finite
    high: float
    values: np.ndarray  # float64, evenly spread over the file
    without_number: bool  # some values are NaN, and NaN does not mean no data


def sample_of(array: np.ndarray, nodata: float | None = None, size: int = PER_FILE) -> Sample:
    """Return the sample of an array.

    Args:
        nodata: a value that does not count.
        size: at most so many values are kept.
    """
    values, without_number = array.ravel(), False
    if values.dtype.kind == "f":
        may_be_nan = nodata is not None and math.isnan(nodata)
        without_number = not may_be_nan and bool(np.isnan(values).any())
        values = values[np.isfinite(values)]
    if nodata is not None:
        values = values[values != nodata]
    if not values.size:
        return Sample(math.nan, math.nan, np.empty(0), without_number)
    spread = values[:: -(-values.size // size)].astype(np.float64)
    return Sample(float(values.min()), float(values.max()), spread, without_number)


def pooled(samples: Iterable[Sample]) -> Statistics | None:
    """Return the statistics of the samples of files; None if there are no finite values."""
    samples = list(samples)
    finite = [sample for sample in samples if sample.values.size]
    if not finite:
        return None
    at = np.percentile(np.concatenate([sample.values for sample in finite]), PERCENTILES)
    return Statistics(
        min(sample.low for sample in finite),
        max(sample.high for sample in finite),
        tuple(map(float, at)),
        len(samples),
        sum(sample.without_number for sample in samples),
    )


def samples_of(
    paths: Iterable[str], read: Callable[[str], np.ndarray], nodata: float | None = None
) -> Iterator[Sample]:
    """Read files one after the other, and yield a sample of each that can be read.

    Args:
        read: called with a path, returns an array.
        nodata: a value that does not count.
    """
    for path in paths:
        with contextlib.suppress(UserError):  # reported, with its cause, when a program reads it
            yield sample_of(read(path), nodata)

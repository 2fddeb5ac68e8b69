"""Curves of one run, or of the mean of several runs that differ in their seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scripts.figures.logs import VALIDATION, Run, points
from util.console import warn
from util.errors import UserError
from util.words import amount

EXACT = ("lr", "time", "data", "logging")  # never smoothed, as little as validations
STEPS = ("lr",)  # constant between two points: drawn as steps


class Curve(NamedTuple):
    """A curve to draw.

    Attributes:
        x, y: places and values, each (N,); y is NaN where the curve has a gap.
        std: standard deviation of the runs at each place, (N,); None for one run.
        raw: the values before smoothing, (N,); None for several runs, or without smoothing.
    """

    x: np.ndarray
    y: np.ndarray
    std: np.ndarray | None = None
    raw: np.ndarray | None = None


def is_smoothed(key: str) -> bool:
    """True for losses and health measurements; False for lr, validations and times."""
    return key not in EXACT and not key.startswith(VALIDATION)


def smooth(values: list[float], weight: float) -> list[float]:
    """Return the exponential moving average with Adam's bias correction; NaN stays NaN."""
    mean, total, smoothed = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            mean, total = weight * mean + (1 - weight) * value, weight * total + 1 - weight
        smoothed.append(mean / total if math.isfinite(value) else math.nan)
    return smoothed


def curve(label: str, runs: dict[str, Run], key: str, axis: str, weight: float) -> Curve | None:
    """Return the curve of ``key``: of one run, or the mean of several.

    Each run is smoothed before the mean and the standard deviation are taken.

    Args:
        runs: name -> log.
        axis: "epoch" or "total".
        weight: weight of the past in the moving average; used only if the key is smoothed.

    Returns:
        None if no run has the key.

    Raises:
        UserError: the runs have no place in common.
    """
    found = {name: points(run, key, axis) for name, run in runs.items()}
    found = {name: place for name, place in found.items() if place[0]}
    weight = weight if is_smoothed(key) else 0
    smoothed = [(np.array(x), np.array(smooth(y, weight))) for x, y in found.values()]
    if not found:
        return None
    if len(runs) == 1:
        (_, raw), *_ = found.values()
        return Curve(*smoothed[0], raw=np.array(raw) if weight else None)
    if len(found) < len(runs):
        missing = next(name for name in runs if name not in found)
        others = f"the mean of {label} is that of {amount(len(found), 'run')}"
        warn(f"run {missing} has no {key}; {others}")
    mean = average(smoothed, key in STEPS)
    if not len(mean.x):
        raise UserError(f"--runs {label}: its runs have no part of {key} in common")
    return mean


def average(curves: list[tuple[np.ndarray, np.ndarray]], steps: bool = False) -> Curve:
    """Return mean and standard deviation from where all curves have begun to where one ends.

    A curve is interpolated at the places of the others. The standard deviation is that of a sample,
    with N - 1 in its denominator; it is None for one curve.

    Args:
        curves: (x, y) of each run.
        steps: take the next value of a curve between two of its places, instead of interpolating.
    """
    ordered = [(x[order], y[order]) for x, y in curves for order in [np.argsort(x, kind="stable")]]
    first, last = max(x[0] for x, _ in ordered), min(x[-1] for x, _ in ordered)
    places = np.unique(np.concatenate([x for x, _ in ordered]))
    places = places[(places >= first) & (places <= last)]
    rows = [y[np.searchsorted(x, places)] if steps else np.interp(places, x, y) for x, y in ordered]
    with np.errstate(all="ignore"):  # numbers near the largest float
        std = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else None
        return Curve(places, np.mean(rows, axis=0), std)

"""The logs of runs as points to plot: ``metrics.jsonl``, else ``loss_log.txt``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from util.errors import UserError
from util.runs import run_folder
from util.sinks.base import read_metrics

# The official code writes "[Rank 0] " before a line and commas between the losses since 2025.
LINE = re.compile(
    r"(?:\[Rank 0\] )?"
    r"\(epoch: (\d{1,9}), iters: (\d{1,12}), time: ([\d.]+), data: ([\d.]+)\) (.*)"
)
LOSS = re.compile(r"([^\s,]\S*): ([^\s,]+)")
VALIDATION = "val_"  # measurements of a validation begin with it
TIMES = ("time", "data")  # in a line of a validation, those of its images, not of a training step
NOT_PLOTTED = {"epoch", "iters", "share", "total", "losses", "note"}  # keys of metrics.jsonl
Run = list[dict[str, Any]]  # one dict for each line of the log


def read(name: str, checkpoints: Path) -> Run:
    """Return the log of a run: its lines with the keys epoch, total, losses and values.

    The values of a line hold its losses, too; nothing stands for what a line does not have. The
    lines of a validation have no losses, and no times, because those are not of training steps.

    Raises:
        UserError: there is no such run, or it has no losses yet.
    """
    folder = run_folder(name, checkpoints, "--runs")
    entries = [entry for entry in read_metrics(folder) if "losses" in entry]
    entries = entries or read_loss_log(folder / "loss_log.txt")
    if not entries:
        raise UserError(f"--runs {name}: {folder} has no losses in metrics.jsonl or loss_log.txt")
    run = []
    for entry in entries:
        values = entry["losses"] | {k: v for k, v in entry.items() if k not in NOT_PLOTTED}
        losses = {k: v for k, v in entry["losses"].items() if not k.startswith(VALIDATION)}
        if any(key.startswith(VALIDATION) for key in values):
            values = {key: value for key, value in values.items() if key not in TIMES}
        x = {"epoch": entry["epoch"] - 1 + entry["share"], "total": entry["total"]}
        run.append(x | {"losses": losses, "values": values})
    return run


def read_loss_log(path: Path) -> Run:
    """Return the lines since the last start, with the keys of ``metrics.jsonl``.

    The file does not hold the number of images per epoch: the largest ``iters`` is taken.
    """
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    lines = text.split("= Training Loss (")[-1].splitlines()
    matches = [match for line in lines if (match := LINE.match(line))]
    size = max((int(match[2]) for match in matches), default=0) or 1
    entries = []
    for match in matches:
        epoch, iters, time, data, losses = match.groups()
        try:
            values = {name: float(value) for name, value in LOSS.findall(losses)}
            times = {"time": float(time), "data": float(data)}
        except ValueError as error:
            raise UserError(f"cannot read {path}: {error} in the line {match[0].strip()}") from None
        position = {"epoch": int(epoch), "share": int(iters) / size}
        total = (int(epoch) - 1) * size + int(iters)
        entries.append(position | {"total": total, "losses": values} | times)
    return entries


def points(run: Run, key: str, axis: str) -> tuple[list[float], list[float]]:
    """Return the places and the values of ``key``; lines without it are left out.

    Args:
        axis: "epoch" or "total".

    Returns:
        x, and y of the same length; y is NaN where the run logged a value that is not finite.
    """
    found = [(line[axis], line["values"][key]) for line in run if key in line["values"]]
    numbers = [math.nan if y is None or not math.isfinite(y) else float(y) for _, y in found]
    return [float(x) for x, _ in found], numbers

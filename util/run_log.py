"""Reads the logs of a run for the index of all runs: position, end, last images, and curves."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil, floor, isfinite
from pathlib import Path
from typing import Any

from util.files import mismatch
from util.sinks.base import END, START

POINTS = 100  # at most, of a curve
LINES = 1000  # at most, of a log, that are read for a curve
READ = 4 << 20  # bytes of a log that are read as a whole; of a larger one, evenly spaced parts
TAIL = 1 << 17  # bytes at the end of data.js, which hold the last images
FIGURE = re.compile(r"images/[\w.%~-]+")  # the URL of an image, relative to the page of its run
# A kind, see util/files.py
POINT = {"epoch": int, "share": float, "total": int, "losses": dict}

Curve = tuple[list[float], dict[str, list["float | None"]]]  # x, and a value per x for each name


@dataclass
class RunLog:
    """The content of ``metrics.jsonl`` and ``web/data.js``; kept until one of them changes.

    Attributes:
        epoch: finished epochs, e.g. 2.5.
        end: the last note if it says how the run ended: one of ``ENDS``, a comma and the reason.
        images: [label, file in the run's folder "web", width, height] of the last validation image.
    """

    epoch: float = 0.0
    end: str = ""
    images: list[list] = field(default_factory=list)


LOG = {"epoch": float, "end": str, "images": [[(str, int)]]}  # the kind of its values


def read_log(folder: Path) -> tuple[RunLog, dict[str, Curve]]:
    """Read ``metrics.jsonl`` and the last images of the page.

    Returns the log, and the curves of "losses" and of "validation".
    """
    log, total = RunLog(), 0
    losses: list[tuple[float, dict]] = []
    validations: list[tuple[float, dict]] = []
    for line in _newest_lines(folder / "metrics.jsonl"):
        with contextlib.suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(note := entry.get("note"), str):
                log.end = note.removeprefix(END) if note.startswith(END) else ""
            elif isinstance(entry, dict) and not mismatch(entry, POINT):
                if entry["total"] < total:  # the start of the newest run lies between two parts
                    losses, validations = [], []
                total = entry["total"]
                log.end = ""
                log.epoch = x = entry["epoch"] - 1 + entry["share"]
                measured = {k: v for k, v in entry.items() if k.startswith("val_")}
                rates = {k: entry[k] for k in ("lr", "time") if k in entry and not measured}
                point = (x, entry["losses"] | rates | measured)
                (validations if measured else losses).append(point)
    with contextlib.suppress(OSError):
        log.images = _last_images(folder / "web" / "data.js")
    curves = {"losses": _means(losses), "validation": _spread(validations)}
    return log, {name: curve for name, curve in curves.items() if curve[0]}


def _newest_lines(path: Path) -> list[bytes]:
    """Return lines of the newest run in a log: all validations and notes, and ``LINES`` others."""
    if not path.is_file():  # reading a pipe would wait for ever
        return []
    try:
        content = b"".join(_parts(path))
    except OSError:
        return []
    start = content.rfind(f'"{START}"'.encode())
    lines = content[max(0, start) :].split(b"\n")[start >= 0 : -1]
    step = len(lines) / LINES
    if step <= 1:
        return lines
    kept = {floor(i * step) for i in range(LINES)} | {len(lines) - 1}
    always = (b'"val_', b'"note"')
    return [line for i, line in enumerate(lines) if i in kept or any(w in line for w in always)]


def _parts(path: Path) -> Iterator[bytes]:
    """Yield a file, or complete lines of evenly spaced parts of a large one, with its end."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= READ:
            yield file.read()
            return
        length = READ // 64
        for i in range(64):
            file.seek((size - length) * i // 63)
            part = file.read(length)
            first = part.find(b"\n") + 1 if i else 0
            yield part[first : part.rfind(b"\n") + 1]


def _number(value: Any) -> float | None:
    """Return a finite number, rounded to four digits; None for anything else."""
    return float(f"{value:.4g}") if type(value) in (int, float) and isfinite(value) else None


def _means(points: list[tuple[float, dict]]) -> Curve:
    """Return the mean of each value in up to ``POINTS`` equal parts of the training."""
    parts: dict[int, list[tuple[float, dict]]] = {}
    last = points[-1][0] if points else 0.0
    for point in points:
        part = len(parts) if len(points) <= POINTS else ceil(point[0] / last * POINTS)
        parts.setdefault(part, []).append(point)
    names = list(dict.fromkeys(name for _, values in points for name in values))
    x = [float(f"{sum(x for x, _ in part) / len(part):.5g}") for part in parts.values()]
    values: dict[str, list[float | None]] = {
        name: [_mean(values.get(name) for _, values in part) for part in parts.values()]
        for name in names
    }
    return x, values


def _mean(values: Iterable[Any]) -> float | None:
    numbers = [v for v in values if type(v) in (int, float) and isfinite(v)]
    return _number(sum(numbers) / len(numbers)) if numbers else None


def _spread(points: list[tuple[float, dict]]) -> Curve:
    """Return up to ``POINTS`` of the points as they are, with the first and the last one."""
    count = min(len(points), POINTS)
    kept = [points[round(i * (len(points) - 1) / max(1, count - 1))] for i in range(count)]
    names = list(dict.fromkeys(name for _, values in kept for name in values))
    values = {name: [_number(values.get(name)) for _, values in kept] for name in names}
    return [x for x, _ in kept], values


def _last_images(path: Path) -> list[list]:
    """Return the first two images of the last epoch in ``data.js``, e.g. input and output."""
    if not path.is_file():
        return []
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    for kind in ('run("panel", ', 'run("images", '):
        for line in reversed(lines):
            if line.startswith(kind) and line.endswith(")"):
                with contextlib.suppress(ValueError, RecursionError):
                    return _figures(json.loads(f"[{line[4:-1]}]"))[:2]
    return []


def _figures(value: Any) -> list[list]:
    """Return the first list of [label, URL, width, height] within lists."""
    if not isinstance(value, list):
        return []
    figures = [item for item in value if not mismatch(item, _figure)]
    return figures or next(filter(None, map(_figures, value)), [])


def _figure(value: Any, name: str) -> str:
    """A kind (see util/files.py): [label, URL in the folder of images, width, height]."""
    if problem := mismatch(value, [(str, int)], name):
        return problem
    kinds = [type(part) for part in value]
    right = kinds == [str, str, int, int] and FIGURE.fullmatch(value[1])
    return "" if right else f"{name} is no image"

"""Reads a run's folder for the index of all runs: state, best metric, options."""

from __future__ import annotations

import contextlib
import math
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from util.checkpoint import OPTIONS
from util.errors import UserError
from util.files import read_json, read_text
from util.run_log import RunLog
from util.sinks.base import ENDS

DAY = 24 * 3600.0
OFFICIAL_OPTION = re.compile(r"^ *(\w+): (.*?) *(?:\t\[default: .*\])?$", re.MULTILINE)

Entries = Mapping[str, "os.DirEntry[str]"]


@dataclass
class Summary:
    """A run in the index.

    Attributes:
        name: relative to the folder of all runs, with "/" between the parts.
        state: one of ``ENDS``, "running", or "weights" for a folder without any log.
        reason: why a run failed or was interrupted, if known.
        epochs: number of epochs of the whole run; 0 if unknown.
        updated: Unix time of the last line of its log.
        best: content of ``best.json``: metric, value and epoch; {} without one.
        options: name -> value as text.
        page: True if the run has a page.
    """

    name: str
    state: str
    reason: str
    log: RunLog
    epochs: int
    updated: float
    best: dict[str, Any]
    options: dict[str, str]
    page: bool


def changes(folder: Path) -> list[int]:
    """Return numbers that differ once the logs or the page of a run have changed."""
    numbers = []
    for name in ("metrics.jsonl", "web/data.js"):
        try:
            status = os.stat(folder / name)
            numbers += [status.st_size, status.st_mtime_ns]
        except OSError:
            numbers += [0, 0]
    return numbers


def summarize(
    folder: Path, name: str, entries: Entries, log: RunLog, live: bool | None = None
) -> Summary:
    """Return the summary of a run; files that are damaged or missing count as empty.

    Args:
        entries: of the run's folder.
        live: for the run of this process, True while it trains and False at its end. The lock of
            that run is not opened, because closing a file releases this process's lock on it.
    """
    options = read_options(folder)
    numbers = [options.get(key) for key in ("n_epochs", "n_epochs_decay")]
    epochs = sum(int(n) for n in numbers if n and re.fullmatch(r"\d{1,7}", n))
    logs = [entries[file] for file in ("metrics.jsonl", "loss_log.txt") if file in entries]
    updated = max(map(_modified, logs or entries.values()), default=0.0)
    lock = entries.get(".lock") if live is None else None
    state, reason = ("running", "") if live else _state(entries, log, epochs, updated, lock)
    best = _best(folder) if "best.json" in entries else {}
    page = "web" in entries and (folder / "web" / "index.html").is_file()
    return Summary(name, state, reason, log, epochs, updated, best, options, page)


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return os.stat(entry.path).st_mtime
    except OSError:
        return 0.0


def _state(
    entries: Entries,
    log: RunLog,
    epochs: int,
    updated: float,
    lock: os.DirEntry[str] | None,
) -> tuple[str, str]:
    """Return the state of a run and the reason for it, if known."""
    end, _, reason = log.end.partition(", ")
    # a run that has just ended still holds its lock; a resumed one has a newer lock
    if lock and not (end and _modified(lock) <= updated) and _holds(Path(lock.path), updated):
        return "running", ""
    if end in ENDS:
        return end, reason
    if log.epoch >= epochs > 0:  # trained by a version that did not note its end
        return "finished", ""
    if not entries.keys() & {"metrics.jsonl", "loss_log.txt"}:
        return "weights", ""
    return "interrupted", "its process ended without a save" if lock else ""


def _holds(lock: Path, updated: float) -> bool:
    """True if the training that has written this lock still runs.

    The process is looked for if it is on this computer. Otherwise the run counts as running for a
    day after its last line.
    """
    with contextlib.suppress(UserError):
        owner = read_json(lock, {"pid": int, "host": str})
        if owner["host"] == socket.gethostname() and os.name == "posix" and owner["pid"] > 0:
            try:
                os.kill(owner["pid"], 0)  # sends nothing
            except (ProcessLookupError, OverflowError):
                return False
            except PermissionError:
                return True  # it belongs to another user
            return True
    return time.time() - updated < DAY


def _best(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(UserError):
        best = read_json(folder / "best.json", {"epoch": int, "metric": str, "value": float})
        return best if math.isfinite(best["value"]) else {}
    return {}


def read_options(folder: Path) -> dict[str, str]:
    """Return the options of a training as text; of the official code from ``train_opt.txt``."""
    with contextlib.suppress(UserError):
        if options := read_json(folder / OPTIONS, missing={}):
            return {name: as_text(value) for name, value in options.items()}
        return dict(OFFICIAL_OPTION.findall(read_text(folder / "train_opt.txt")))
    return {}


def as_text(value: Any) -> str:
    """Return the value of an option as text of at most 1000 characters."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = str(value)
    return text if len(text) <= 1000 else f"{text[:997]}..."

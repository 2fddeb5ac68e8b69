"""The interface of displays, a thread for slow ones, and the log files."""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from collections.abc import Mapping
from functools import partialmethod
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from util.errors import naming
from util.files import mismatch, no_link, parse_json, read_text

START = "the run starts"  # note in metrics.jsonl; the lines of a new run follow it
END = "the run ends: "  # a note in metrics.jsonl, followed by one of ENDS and the reason
ENDS = ("finished", "interrupted", "failed")
NUMBER = (float, None)  # kinds, see util/files.py; None stands for NaN and infinity
POINT = {"epoch": int, "share": float, "total": int, "losses": {str: NUMBER}}
# Names of our own numbers in TensorBoard and W&B; those of a validation begin with val_.
KEYS = {"lr": "schedule/lr", "time": "time/image", "data": "time/data", "logging": "time/logging"}
VALIDATION = "val_"
PATIENCE = 2.0  # seconds that the end of a run waits for a slow sink


class Sink(Protocol):
    """A display of numbers, images and notes.

    Its methods may raise anything: the :class:`Visualizer` reports the error and drops the sink.
    """

    @property
    def memory(self) -> dict:
        """Plain values that survive a resume; callers may write to this dict."""

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        """Show numbers.

        Args:
            share: finished share of the epoch, in (0, 1].
            total: images seen in the run.
            values: the losses in the official order, then lr (if known), time (seconds per image)
                and data (seconds waited for images), then other measurements.
        """

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        """Show images.

        Args:
            images: label -> uint8 (H, W, C).
            save: True once every ``--update_html_freq`` images.
        """

    def text(self, epoch: int, message: str) -> None:
        """Show a warning, or in epoch 0 a fact about the run."""

    def close(self) -> None:
        """Finish: the run has ended."""


def losses_of(values: dict[str, float]) -> dict[str, float]:
    """Returns the losses among the ``values`` of :meth:`Sink.scalars`: those before lr or time."""
    return dict(takewhile(lambda item: item[0] not in ("lr", "time"), values.items()))


def in_groups(values: dict[str, float]) -> dict[str, float]:
    """Return the ``values`` of :meth:`Sink.scalars` for TensorBoard and W&B: ours in groups.

    Losses keep their official names. The others are in schedule/, time/, val/ and health/. Times
    of a validation are not those of training steps, so they have names of their own.
    """
    losses = losses_of(values)
    others = {key: value for key, value in values.items() if key not in losses}
    if any(key.startswith(VALIDATION) for key in others):
        others.pop("data", None)  # 0: a validation does not wait for images
        if "time" in others:
            others["time/val_image"] = others.pop("time")
    return losses | {_in_group(key): value for key, value in others.items()}


def _in_group(key: str) -> str:
    if key.startswith(VALIDATION):
        return f"val/{key.removeprefix(VALIDATION)}"
    return key if "/" in key else KEYS.get(key, f"health/{key}")


def floats(values: Mapping[str, Any]) -> dict[str, float]:
    """Return losses, which may also be tensors or NumPy scalars, as numbers."""
    items = ((name, getattr(value, "item", None), value) for name, value in values.items())
    return {name: float(item() if item else value) for name, item, value in items}


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace NaN and infinity, which JSON does not have, by None."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


class ThreadedSink:
    """Runs a sink in a thread, so that it can neither slow nor stop a training.

    The thread takes calls from a short queue; calls that find the queue full are dropped.

    Attributes:
        lost: the number of calls that were dropped, or not finished when :meth:`close` returned.
    """

    def __init__(self, sink: Sink, length: int = 16, patience: float = PATIENCE) -> None:
        """Start the thread.

        Args:
            patience: seconds that :meth:`close` waits.
        """
        self.sink, self.patience, self.lost = sink, patience, 0
        self.queue: queue.Queue[tuple[str, tuple]] = queue.Queue(length)
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work, daemon=True, name=type(sink).__name__)
        self.thread.start()

    @property
    def memory(self) -> dict:
        return self.sink.memory

    def _work(self) -> None:
        method = ""
        while method != "close":
            method, arguments = self.queue.get()
            try:
                getattr(self.sink, method)(*arguments)
            except Exception as error:  # raised in the training's thread by the next call
                self.error = error
                return

    def _put(self, method: str, *arguments: Any, wait: float = 0) -> bool:
        """Queue a call, and return True unless the queue is full.

        Raises the error with which an earlier call ended the thread.
        """
        if self.error:
            raise self.error
        try:
            self.queue.put((method, arguments), block=wait > 0, timeout=wait)
        except queue.Full:  # the sink is slower than the training
            self.lost += method != "close"
            return False
        return True

    scalars = partialmethod(_put, "scalars")
    images = partialmethod(_put, "images")
    text = partialmethod(_put, "text")

    def close(self) -> None:
        """Wait for the queued calls to finish, but not longer than ``patience``."""
        end = time.monotonic() + self.patience
        queued = self._put("close", wait=self.patience)
        self.thread.join(max(0.0, end - time.monotonic()))
        if self.error:
            raise self.error
        if self.thread.is_alive():  # the call at work and those that wait, except close
            self.lost += 1 + self.queue.qsize() - queued


class Log:
    """A text file that grows by lines and is cut back when a run resumes from an earlier state."""

    def __init__(self, path: Path) -> None:
        """Create the file if it does not exist, and end a last line that was cut off.

        Raises OSError: it cannot be written.
        """
        self.path = path
        with naming(path), open(path, "ab+", opener=no_link) as file:
            file.seek(-1 if file.tell() else 0, os.SEEK_END)
            if file.read() not in (b"", b"\n"):
                file.write(b"\n")

    def append(self, line: str) -> None:
        with naming(self.path), open(self.path, "ab", opener=no_link) as file:
            file.write(f"{line}\n".encode())  # bytes: the same file on Windows

    @property
    def size(self) -> int:
        """The file's size in bytes; 0 if there is no file."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def cut(self, size: int) -> None:
        """Shorten the file to ``size`` bytes if it is longer."""
        if self.size > size:
            os.truncate(self.path, size)


def read_metrics(folder: Path) -> list[dict]:
    """Returns the lines of ``metrics.jsonl`` in a run's folder as dicts; [] if there is no file.

    A new run in the same folder appends its lines to those of the old one; only those of the
    newest run are returned. An incomplete last line (still being written) is skipped.

    Raises UserError: a line of the newest run is damaged, or the file cannot be read.
    """
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    lines = read_text(path).split("\n")[:-1]  # what follows the last line end is incomplete
    starts = [i for i, line in enumerate(lines) if f'"{START}"' in line]
    first = starts[-1] + 1 if starts else 0
    return [
        parse_json(line, _mismatch_of_line, f"line {number} of {path}")
        for number, line in enumerate(lines[first:], first + 1)
    ]


def _mismatch_of_line(line: Any, name: str) -> str:
    """Describe what is wrong with a line of ``metrics.jsonl``, a note or numbers."""
    if isinstance(line, dict) and "note" in line:
        return mismatch(line, {"epoch": int, "note": str}, name)
    return mismatch(line, POINT, name) or mismatch(line, {str: (*NUMBER, {str: NUMBER})}, name)

"""Where a training shows and logs what it does: one small interface, the two log files, and a thread for what may be slow."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np

START = "the run starts"  # the note in metrics.jsonl behind which the lines of a new run stand
PATIENCE = 2.0  # seconds that the end of a run waits for a slow sink


class Sink(Protocol):
    """A place where numbers and images go. It may raise: the :class:`Visualizer` says so once and drops it."""

    @property
    def memory(self) -> dict:
        """Plain values that survive a resume, a dict that may be written to."""

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        """Numbers at ``share`` of ``epoch``, in (0, 1], after ``total`` images of the run.

        ``values``: the losses in the official order, then lr, time and data (seconds per image, seconds waited), then others.
        """

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        """Images, uint8 (H, W, C); ``save`` is True every ``--update_html_freq`` images."""

    def text(self, epoch: int, message: str) -> None:
        """A warning or a note."""

    def close(self) -> None:
        """The run ends."""


def losses_of(values: dict[str, float]) -> dict[str, float]:
    """The losses, which stand before ``lr``."""
    names = list(values)
    return {name: values[name] for name in names[: names.index("lr") if "lr" in values else None]}


class Background:
    """A sink in a thread behind a short queue. What does not fit is left out, so it can neither slow nor stop a training."""

    def __init__(self, sink: Sink, length: int = 16) -> None:
        self.sink = sink
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
            except Exception as error:  # whatever it is, the training goes on
                self.error = error
                return

    def _put(self, *job: Any, wait: float = 0) -> None:
        """Raises what the sink has raised in its thread."""
        if self.error:
            raise self.error
        with contextlib.suppress(queue.Full):  # slower than the training: this one is left out
            self.queue.put((job[0], job[1:]), block=wait > 0, timeout=wait)

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        self._put("scalars", epoch, share, total, values)

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        self._put("images", epoch, images, save)

    def text(self, epoch: int, message: str) -> None:
        self._put("text", epoch, message)

    def close(self) -> None:
        """Finish what is queued, within two seconds."""
        end = time.monotonic() + PATIENCE
        self._put("close", wait=PATIENCE)
        self.thread.join(max(0.0, end - time.monotonic()))
        if self.error:
            raise self.error


class Log:
    """A file that only grows, but for what is dropped at a resume, because it will be written again."""

    def __init__(self, path: Path) -> None:
        """Raises OSError: it cannot be written."""
        self.path = path
        path.open("a").close()

    def append(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def cut(self, size: int) -> None:
        if self.size > size:
            os.truncate(self.path, size)


def read_metrics(folder: Path) -> list[dict]:
    """The lines of ``metrics.jsonl`` in the folder of a run, those of its last start; [] where there are none.

    A run that begins anew in the same folder adds its lines to those of the old one, as in ``loss_log.txt``. A last line that
    is being written is left out.
    """
    path = folder / "metrics.jsonl"
    entries: list[dict] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("note") == START:
            entries.clear()
        else:
            entries.append(entry)
    return entries

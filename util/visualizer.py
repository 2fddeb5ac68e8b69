"""The official ``Visualizer``: sends losses, images and notes to the console, logs and displays."""

from __future__ import annotations

import json
import math
import os
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from util import checkpoint
from util.console import say, warn
from util.distributed import is_main
from util.images import show_images
from util.lock import refuse_links
from util.sinks.base import START, Log
from util.sinks.factory import make_sinks
from util.step_timer import StepTimer


class Visualizer:
    """Logs and shows a training, with the official names and signatures.

    Only rank 0 logs and shows anything. A log or display that fails is reported once and left out
    from then on; the training continues.

    Attributes:
        sinks: name -> the displays in use (see ``util/sinks``); empty on other ranks.
        before_write: called before anything is written; an exception ends the training.
        timer: measures the seconds per image that a training prints.
    """

    def __init__(self, opt: Namespace) -> None:
        """Open the logs and displays that ``opt`` selects.

        Raises:
            UserError: a package is missing, or the folder has links in place of its files.
            OSError: the logs or the page cannot be written.
        """
        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name
        if is_main():
            refuse_links(self.folder)  # again, for programs that do not take the lock
            self.folder.mkdir(parents=True, exist_ok=True)
        self.sinks = make_sinks(opt, self.folder) if is_main() else {}
        self.log = Log(self.folder / "loss_log.txt" if is_main() else Path(os.devnull))
        self.metrics = Log(self.folder / "metrics.jsonl" if is_main() else Path(os.devnull))
        self.failed: set[str] = set()
        self.before_write: Callable[[], None] = lambda: None
        self.timer = StepTimer(opt.device)
        # of the last line: images in the epoch, seconds per image and waiting for data
        self.iters, self.times = 0, {"time": 0.0, "data": 0.0}
        self.logging_seconds = 0.0  # time spent in this class since the last line
        self.begun = False  # True once anything is written or restored

    def begin(self) -> None:
        """Write the first lines of a new run to the logs, once; a start that fails writes none."""
        begun, self.begun = self.begun, True
        if not begun and not checkpoint.resumes_from_state(self.opt):
            self.log.append(f"================ Training Loss ({time.ctime()}) ================")
            self.metrics.append(json.dumps({"epoch": self.opt.epoch_count, "note": START}))

    def _attempt(self, name: str, job: Callable, *arguments: Any) -> None:
        """Run ``job(*arguments)`` for the log or sink ``name`` unless that has failed before."""
        if name in self.failed:
            return
        self.before_write()
        self.begin()
        start = time.monotonic()
        try:
            job(*arguments)
        except Exception as error:  # no failure of a display may stop a training
            if not self.folder.is_dir():  # the run's folder is gone: later saves would be lost too
                raise
            self.failed.add(name)
            reason = (str(error) or type(error).__name__).splitlines()[0]
            warn(f"{name} failed and is not used again in this run: {reason[:200]}")
        self.logging_seconds += time.monotonic() - start

    def reset(self) -> None:
        """Official name, called at the start of an epoch; there is nothing to reset."""

    def print_current_losses(
        self, epoch: int, iters: int, losses: dict[str, float], t_comp: float, t_data: float
    ) -> None:
        """Print and log the official line.

        Args:
            iters: images seen in this epoch.
            t_comp: seconds per image.
            t_data: seconds spent waiting for data.
        """
        self.iters, self.times = iters, {"time": t_comp, "data": t_data}
        line = f"(epoch: {epoch}, iters: {iters}, time: {t_comp:.3f}, data: {t_data:.3f}) "
        line += "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        say(line)
        self._attempt("loss_log.txt", self.log.append, line)

    def plot_current_losses(
        self,
        epoch: int,
        counter_ratio: float,
        losses: dict[str, float],
        total: int | None = None,
        more: dict[str, float] | None = None,
    ) -> None:
        """Plot the losses of the line that :meth:`print_current_losses` has just printed.

        Args:
            counter_ratio: finished share of the epoch.
            total: images seen in the run; None: estimated from the share.
            more: lr, time (seconds per image), data (seconds waited), then other measurements;
                None: the times that were printed.
        """
        if total is None:
            total = self.iters + round((epoch - 1) * self.iters / (counter_ratio or 1))
        more = {**(more or self.times), "logging": self.logging_seconds}
        self.logging_seconds = 0.0
        place = {"epoch": epoch, "iters": self.iters, "share": counter_ratio, "total": total}
        entry = json.dumps({**place, "losses": finite(losses), **finite(more)})
        self._attempt("metrics.jsonl", self.metrics.append, entry)
        for name, sink in self.sinks.items():
            self._attempt(name, sink.scalars, epoch, counter_ratio, total, {**losses, **more})

    def display_current_results(self, visuals: dict, epoch: int, save_result: bool) -> None:
        """Show the first image of each batch.

        Args:
            visuals: label -> images (N, C, H, W) in [-1, 1]; see :func:`util.images.show_images`.
            save_result: True if the images must also be saved to disk.
        """
        start = time.monotonic()
        images = show_images(visuals) if self.sinks else {}
        self.logging_seconds += time.monotonic() - start
        for name, sink in self.sinks.items():
            self._attempt(name, sink.images, epoch, images, save_result)

    def text(self, epoch: int, message: str) -> None:
        """Print, log and show a warning or a note about the run."""
        warn(message)
        entry = json.dumps({"epoch": epoch, "note": message})
        self._attempt("metrics.jsonl", self.metrics.append, entry)
        for name, sink in self.sinks.items():
            self._attempt(name, sink.text, epoch, message)

    def memory(self) -> dict:
        """Returns what a resumed run needs to continue its logs and displays, as plain values."""
        self.begin()
        sinks = {name: sink.memory for name, sink in self.sinks.items()}
        return {"log": self.log.size, "metrics": self.metrics.size, **sinks}

    def restore(self, memory: dict) -> None:
        """Continue from what :meth:`memory` returned.

        Log lines written after that save are cut off: the resumed run writes them again.
        """
        self.begun = True
        self.log.cut(memory["log"])
        self.metrics.cut(memory["metrics"])
        for name, sink in self.sinks.items():
            sink.memory.update(memory.get(name, {}))

    def close(self) -> None:
        """Close all displays that were used; each may take up to two seconds to finish."""
        for name, sink in self.sinks.items() if self.begun else ():
            self._attempt(name, sink.close)


def finite(values: dict[str, float]) -> dict[str, float | None]:
    """Replace NaN and infinity, which JSON does not have, by None."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}

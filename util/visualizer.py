"""The official ``Visualizer``, which logs and shows a training."""

from __future__ import annotations

import atexit
import functools
import json
import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from util import checkpoint
from util.console import say, warn
from util.distributed import is_main, world_size
from util.errors import first_line
from util.html import save_images as save_images  # the official place of this function
from util.image.preview import Preview
from util.images import show_images
from util.lock import refuse_links
from util.option_defaults import add_missing, ours
from util.paths import PathText
from util.sinks.base import START, Log, finite, floats
from util.sinks.factory import WANDB, make_sinks
from util.sinks.visdom_sink import connect
from util.step_timer import StepTimer


class Visualizer:
    """Logs and shows a training, with the official names and signatures of both generations.

    Only rank 0 logs and shows anything. A log or display that fails is reported once and left out
    from then on; the training continues.

    Attributes:
        name, win_size, display_id, port, ncols, use_wandb, wandb_project_name: from the options.
        use_html: True if the training has a page: ``web_dir``, with its images in ``img_dir``.
        log_name: the file of the loss log; it may be set to another one.
        saved: True if images of this epoch were shown.
        current_epoch: the epoch of the last line; 0 before the first.
        dataset_size: images per epoch and rank, as far as known.
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
        opt = ours(add_missing(opt))
        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name
        self.name, self.win_size = opt.name, opt.display_winsize
        self.display_id, self.port, self.ncols = opt.display_id, opt.display_port, opt.display_ncols
        self.use_wandb, self.wandb_project_name = opt.use_wandb, opt.wandb_project_name
        self.use_html = opt.isTrain and not opt.no_html
        web = self.folder / "web"
        self.web_dir, self.img_dir = PathText(web), PathText(web / "images")
        self.saved, self.current_epoch = False, 0
        self.set_dataset_size(getattr(opt, "images_per_epoch", 0))  # known by create_dataset
        if is_main():
            refuse_links(self.folder)  # again, for programs that do not take the lock
            self.folder.mkdir(parents=True, exist_ok=True)
        self.sinks = make_sinks(opt, self.folder) if is_main() else {}
        self.log = Log(self.folder / "loss_log.txt" if is_main() else Path(os.devnull))
        self.metrics = Log(self.folder / "metrics.jsonl" if is_main() else Path(os.devnull))
        self.failed: set[str] = set()
        self.before_write: Callable[[], None] = lambda: None
        self.timer = StepTimer(opt.device)
        self.iters, self.times = 0, {"time": 0.0, "data": 0.0}  # of the last line
        self.printed: dict[str, float] = {}  # losses of the last line that are not plotted yet
        self.logging_seconds = 0.0  # time spent in this class since the last line
        self.begun = False  # True once anything is written or restored

    def begin(self) -> None:
        """Write the first lines of a new run to the logs, once; a start that fails writes none."""
        if self.begun:
            return
        self.begun = True
        atexit.register(self._at_exit)  # for scripts that do not call close()
        if not checkpoint.resumes_from_state(self.opt):
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
            reason = first_line(error)[:200]
            warn(f"{name} failed and is not used again in this run: {reason}")
        self.logging_seconds += time.monotonic() - start

    def reset(self) -> None:
        """Begin an epoch: its first images will be shown."""
        self._plot_printed()
        self.saved = False

    def set_dataset_size(self, dataset_size: int) -> None:
        """Set the number of images per epoch, by which losses are placed within an epoch."""
        self.dataset_size = -(-dataset_size // world_size())

    @property
    def log_name(self) -> PathText:
        return PathText(self.log.path)

    @log_name.setter
    def log_name(self, path: str | os.PathLike[str]) -> None:
        self.log = Log(Path(path) if is_main() else Path(os.devnull))

    @property
    def wandb_run(self) -> Any:
        """The W&B run, started if needed; None without ``--use_wandb`` and on other ranks."""
        thread: Any = self.sinks.get(WANDB)
        return thread and thread.sink.start()

    @cached_property
    def vis(self) -> Any:
        """A client of the visdom server. Raises OSError: no server answers."""
        return connect(self.opt)

    def print_current_losses(
        self, epoch: int, iters: int, losses: dict[str, float], t_comp: float, t_data: float
    ) -> None:
        """Print and log the official line.

        Args:
            iters: images seen in this epoch.
            t_comp, t_data: seconds per image, and seconds spent waiting for data.
        """
        self._plot_printed()
        if not self.dataset_size and epoch > self.current_epoch > 0:
            self.dataset_size = self.iters  # of the last line in the epoch before
        self.current_epoch, self.iters = epoch, iters
        self.times, self.printed = {"time": t_comp, "data": t_data}, floats(losses)
        line = f"(epoch: {epoch}, iters: {iters}, time: {t_comp:.3f}, data: {t_data:.3f}) "
        line += "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        say(line)
        self._attempt("loss_log.txt", self.log.append, line)

    def plot_current_losses(
        self,
        epoch: int | None = None,
        counter_ratio: float | Mapping[str, float] | None = None,
        losses: Mapping[str, float] | None = None,
        total: int | None = None,
        more: dict[str, float] | None = None,
        total_iters: int | None = None,
    ) -> None:
        """Plot the losses of the line that :meth:`print_current_losses` has just printed.

        The arguments are those of 2022, ``(epoch, counter_ratio, losses)``, or of 2025,
        ``(total_iters, losses)``. Without a call, as in scripts that plot for visdom only, the
        losses are plotted before the next line.

        Args:
            counter_ratio: finished share of the epoch.
            total, total_iters: images seen in the run; None: estimated.
            more: lr, time (seconds per image), data (seconds waited), then other measurements;
                None: the times that were printed.
        """
        if counter_ratio is None or isinstance(counter_ratio, Mapping):  # the form of 2025
            total = epoch if total_iters is None else total_iters
            losses = counter_ratio if losses is None else losses
            epoch, counter_ratio = self.current_epoch or 1, self._share()
        if epoch is None or losses is None:
            raise TypeError("plot_current_losses needs (epoch, counter_ratio, losses)")
        share, self.printed = min(1.0, counter_ratio), {}
        if total is None:
            total = self.iters + round((epoch - 1) * self.iters / (share or 1))
        more = {**(more or self.times), "logging": self.logging_seconds}
        self.logging_seconds, losses = 0.0, floats(losses)
        place = {"epoch": epoch, "iters": self.iters, "share": share, "total": total}
        entry = json.dumps({**place, "losses": finite(losses), **finite(more)})
        self._attempt("metrics.jsonl", self.metrics.append, entry)
        for name, sink in self.sinks.items():
            self._attempt(name, sink.scalars, epoch, share, total, {**losses, **more})

    def _plot_printed(self) -> None:
        """Plot the losses of the last line if the caller has not done so."""
        if self.printed:
            self.plot_current_losses(self.current_epoch, self._share(), self.printed)

    def _share(self) -> float:
        """Return the finished share of the epoch, in (0, 1].

        Until an epoch is over, its length can be unknown: then 1000 more images are assumed.
        """
        size = self.dataset_size or self.iters + 1000
        return min(1.0, max(1, self.iters) / size)

    @functools.cached_property
    def preview(self) -> Preview:
        """How images are shown; the rules of their values are written before the first of them."""
        return Preview.of(self.opt, self.folder)

    def display_current_results(
        self,
        visuals: Mapping[str, Any],
        epoch: int,
        total_iters: int | bool | None = None,
        save_result: bool | None = None,
        masks: Mapping[str, Any] | None = None,
    ) -> None:
        """Show the first image of each batch.

        The arguments are those of 2022, ``(visuals, epoch, save_result)``, or of 2025,
        ``(visuals, epoch, total_iters, save_result)``.

        Args:
            visuals: label -> images (N, C, H, W) in [-1, 1]; see :func:`util.images.show_images`.
            total_iters: not used: displays place images by the epoch, or the last losses.
            save_result: True if the images must also be saved to disk.
            masks: where the images hold data, see :func:`util.images.show_images`.
        """
        save_result = total_iters == 1 if save_result is None else save_result
        start = time.monotonic()
        images = show_images(visuals, how=self.preview, masks=masks) if self.sinks else {}
        self.logging_seconds += time.monotonic() - start
        for name, sink in self.sinks.items():
            self._attempt(name, sink.images, epoch, images, save_result)
        self.saved = True

    def text(self, epoch: int, message: str) -> None:
        """Print, log and show a warning, or in epoch 0 a fact of the run, for the loss log, too."""
        (warn if epoch else say)(message)
        if not epoch:
            self._attempt("loss_log.txt", self.log.append, message)
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
        """Close all displays that were used, and say which of them lack reports."""
        atexit.unregister(self._at_exit)
        self._plot_printed()
        for name, sink in self.sinks.items() if self.begun else ():
            self._attempt(name, sink.close)
            if lost := getattr(sink, "lost", 0):
                warn(f"{name} was slower than the training: {lost} of its reports are missing")

    def _at_exit(self) -> None:
        """Close the displays at the end of a program, unless its folder has gone."""
        if self.folder.is_dir():
            self.close()

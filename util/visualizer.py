"""What a training shows and logs: numbers, images and notes go to the console, the logs and the sinks that are asked for."""

from __future__ import annotations

import json
import math
import os
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.training.health import Health
from util import checkpoint
from util.console import say, warn
from util.distributed import is_main
from util.images import tensor2im
from util.sinks.base import START, Background, Log, Sink
from util.sinks.training_page import TrainingPage


class Visualizer:
    """Official names and signatures, so that scripts that drive a training keep working.

    Whatever fails while the training runs is said once and then left out. Only rank 0 shows and logs.
    """

    def __init__(self, opt: Namespace) -> None:
        """Raises UserError: a package is missing. OSError: the logs or the page cannot be written."""
        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name
        self.sinks = (
            make_sinks(opt, self.folder) if is_main() else {}
        )  # first, for it may be refused
        self.log, self.metrics = (
            Log(self.folder / name if is_main() else Path(os.devnull))
            for name in ("loss_log.txt", "metrics.jsonl")
        )
        self.health = Health(opt)
        self.failed: set[str] = set()
        self.iters, self.times = 0, {"time": 0.0, "data": 0.0}  # of the last line
        self.spent = 0.0  # seconds in here since then
        if not checkpoint.resumable(opt):
            self.log.append(f"================ Training Loss ({time.ctime()}) ================")
            self.metrics.append(json.dumps({"epoch": opt.epoch_count, "note": START}))

    def _try(self, name: str, job: Callable, *arguments: Any) -> None:
        """Do something for the sink ``name``, unless that has failed before."""
        start = time.monotonic()
        if name not in self.failed:
            try:
                job(*arguments)
            except Exception as error:  # whatever it is, the training goes on
                if (
                    not self.folder.is_dir()
                ):  # moved away: nothing that is trained from now on would find its place
                    raise
                self.failed.add(name)
                reason = (str(error) or type(error).__name__).splitlines()[0]
                warn(f"{name} gets nothing more in this run: {reason[:200]}")
        self.spent += time.monotonic() - start

    def reset(self) -> None:
        """Official name; nothing is kept between epochs."""

    def print_current_losses(
        self, epoch: int, iters: int, losses: dict[str, float], t_comp: float, t_data: float
    ) -> None:
        """The official log line: images seen this epoch, seconds per image, seconds waited for data."""
        self.iters, self.times = iters, {"time": t_comp, "data": t_data}
        line = f"(epoch: {epoch}, iters: {iters}, time: {t_comp:.3f}, data: {t_data:.3f}) "
        line += "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        say(line)
        self._try("loss_log.txt", self.log.append, line)

    def plot_current_losses(
        self, epoch: int, counter_ratio: float, losses: dict[str, float]
    ) -> None:
        """Officially called after :meth:`print_current_losses`; ``counter_ratio``: the share of the epoch that is done."""
        total = round((epoch - 1) * self.iters / counter_ratio) + self.iters if counter_ratio else 0
        self._plot(epoch, counter_ratio, total, losses, self.times)

    def scalars(
        self,
        epoch: int,
        iters: int,
        size: int,
        total: int,
        losses: dict[str, float],
        more: dict[str, float],
    ) -> None:
        """Print, log and plot the losses after ``iters`` images of an epoch of ``size`` and ``total`` of the run.

        ``more``: lr, time (seconds per image) and data (seconds waited), then whatever else is measured.
        """
        self.print_current_losses(epoch, iters, losses, more["time"], more["data"])
        self._plot(epoch, min(1.0, iters / size), total, losses, more)

    def measures(
        self,
        epoch: int,
        iters: int,
        total: int,
        values: dict[str, float],
        lr: float,
        seconds: float,
    ) -> None:
        """Print, log and plot numbers that are no losses, at the end of an epoch; ``seconds``: taken for each image."""
        self.print_current_losses(epoch, iters, values, seconds, 0.0)
        self._plot(epoch, 1.0, total, {}, {"lr": lr, "time": seconds, "data": 0.0, **values})

    def _plot(
        self, epoch: int, share: float, total: int, losses: dict[str, float], more: dict[str, float]
    ) -> None:
        more = {**more, "logging": self.spent}
        self.spent = 0.0
        entry = {
            "epoch": epoch,
            "iters": self.iters,
            "share": share,
            "total": total,
            "losses": finite(losses),
            **finite(more),
        }
        self._try("metrics.jsonl", self.metrics.append, json.dumps(entry))
        for name, sink in self.sinks.items():
            self._try(name, sink.scalars, epoch, share, total, {**losses, **more})

    def display_current_results(self, visuals: dict, epoch: int, save_result: bool) -> None:
        start = time.monotonic()
        images = {label: tensor2im(image) for label, image in visuals.items()} if self.sinks else {}
        self.spent += time.monotonic() - start
        for name, sink in self.sinks.items():
            self._try(name, sink.images, epoch, images, save_result)

    def text(self, epoch: int, message: str) -> None:
        """A warning or a note about the run."""
        warn(message)
        self._try(
            "metrics.jsonl", self.metrics.append, json.dumps({"epoch": epoch, "note": message})
        )
        for name, sink in self.sinks.items():
            self._try(name, sink.text, epoch, message)

    def report(self, at, model, dataset, start: float, waited: float) -> None:
        """Show and log what is due after a step, at least once an epoch.

        ``at``: the ``Position`` after it; ``start``: when it began; ``waited``: seconds for its data.
        """
        passed, ends = dataset.last_batch_images, at.seen >= len(dataset)
        if at.crosses(self.opt.print_freq, passed) or (ends and not at.printed):
            at.printed = True
            losses = model.get_current_losses()  # waits for a GPU, so the time is taken after it
            more = {
                "lr": next((g["lr"] for o in model.optimizers for g in o.param_groups), 0.0),
                "time": (time.time() - start) / dataset.global_batch_size,
                "data": waited,
            }
            values, warnings = self.health.check(model, losses, at.total)
            self.scalars(at.epoch, at.seen, len(dataset), at.total, losses, more | values)
            for warning in warnings:
                self.text(at.epoch, warning)
        if at.crosses(self.opt.display_freq, passed) or (ends and not at.shown):
            at.shown = True
            model.compute_visuals()
            save = at.crosses(self.opt.update_html_freq, passed)
            self.display_current_results(model.get_current_visuals(), at.epoch, save)

    def memory(self) -> dict:
        """What a resumed run needs to go on with the same logs, page and curves; tensors and plain values only."""
        return {
            "log": self.log.size,
            "metrics": self.metrics.size,
            "health": self.health.memory,
            **{name: sink.memory for name, sink in self.sinks.items()},
        }

    def restore(self, memory: dict) -> None:
        """The inverse; log lines from after the save are dropped, for they will be written again."""
        self.log.cut(memory["log"])
        self.metrics.cut(memory["metrics"])
        self.health.memory.update(memory.get("health", {}))
        for name, sink in self.sinks.items():
            sink.memory.update(memory.get(name, {}))

    def close(self) -> None:
        for name, sink in self.sinks.items():
            self._try(name, sink.close)


def finite(values: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN and no infinity."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def make_sinks(opt: Namespace, folder: Path) -> dict[str, Sink]:
    """Those that the options ask for, by the name under which messages and a saved state know them."""
    folder.mkdir(parents=True, exist_ok=True)
    sinks: dict[str, Sink] = {}
    if not opt.no_html:
        (folder / "web" / "images").mkdir(parents=True, exist_ok=True)
        sinks["the page"] = TrainingPage(opt, folder / "web")
    if opt.display_id > 0:
        from util.sinks.visdom_sink import VisdomSink, answers

        if answers(opt):
            sinks["visdom"] = Background(VisdomSink(opt, folder))
    if opt.use_tensorboard:
        from util.sinks.tensorboard_sink import TensorBoardSink

        sinks["TensorBoard"] = Background(TensorBoardSink(folder / "tensorboard"))
    if opt.use_wandb:
        from util.sinks.wandb_sink import WandbSink

        sinks["Weights & Biases"] = Background(WandbSink(opt))
    return sinks

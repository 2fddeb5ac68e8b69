"""Reports on a training: what is logged and shown after a step, and when."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from data.pipeline.loader import Loader
from models.base_model import BaseModel
from models.training.health import Health
from models.training.position import Position
from util import distributed
from util.console import duration, say
from util.schedules import last_epoch, learning_rates
from util.values import masks_of
from util.visualizer import Visualizer


class Report:
    """Logs losses, health measurements and images when the options ask for them.

    Args:
        opt: its ``print_freq``, ``display_freq`` and ``update_html_freq`` count images.
        visualizer: the log files and displays to write to.
    """

    def __init__(self, opt: Namespace, visualizer: Visualizer) -> None:
        self.opt, self.visualizer, self.health = opt, visualizer, Health(opt)
        self.timer, self.waited = visualizer.timer, 0.0  # waited: seconds, for this step's batch
        self.masks: dict[str, Any] = {}  # of the step's images, see show_images
        self.epoch_started = time.monotonic()

    def timed_batches(self, dataset: Loader) -> Iterator[dict]:
        """Yield the batches of an epoch, and measure how long the training waits for each one."""
        self.epoch_started = waiting_since = time.monotonic()
        for batch in dataset:
            self.waited = time.monotonic() - waiting_since
            self.timer.start()
            self.timer.images += dataset.last_batch_images
            self.masks = masks_of(batch)
            yield batch
            self.timer.stop()
            waiting_since = time.monotonic()
        self.timer.start()
        self.timer.finish_steps()

    def log_and_show(self, position: Position, model: BaseModel, dataset: Loader) -> None:
        """Log and show on rank 0 what is due after a step, and everything once per epoch.

        Args:
            position: the run's position after the step; its ``printed`` and ``shown`` are updated.
        """
        if not distributed.is_main():
            return
        epoch_ends, due = position.seen >= len(dataset), position.crossed_multiple_of
        with distributed.single_rank():
            if due(self.opt.print_freq) or (epoch_ends and not position.printed):
                position.printed = True
                losses = model.get_current_losses()  # waits for the GPU, so the time comes after it
                seconds = self.timer.per_image()
                with self.timer.paused():
                    self._log(position, model, len(dataset), losses, seconds)
            if due(self.opt.display_freq) or (epoch_ends and not position.shown):
                position.shown = True
                with self.timer.paused():
                    self._show(position, model)

    def _show(self, position: Position, model: BaseModel) -> None:
        """Show the images of the last step."""
        model.compute_visuals()
        save = position.crossed_multiple_of(self.opt.update_html_freq)
        images = model.get_current_visuals()
        self.visualizer.display_current_results(
            images, position.epoch, save_result=save, masks=self.masks
        )

    def _log(
        self,
        position: Position,
        model: BaseModel,
        images: int,
        losses: dict[str, float],
        seconds: float,
    ) -> None:
        """Print and plot losses, with health measurements and warnings.

        Args:
            images: per epoch.
            losses: of the last step.
            seconds: per image since the last line.
        """
        rate = next(iter(learning_rates(model.optimizers)), 0.0)
        measurements, warnings = self.health.check(model, losses, position.total)
        more = {"lr": rate, "time": seconds, "data": self.waited, **measurements}
        share = min(1.0, position.seen / images)
        show = self.visualizer
        show.print_current_losses(position.epoch, position.seen, losses, seconds, self.waited)
        show.plot_current_losses(position.epoch, share, losses, position.total, more)
        for warning in warnings:
            show.text(position.epoch, warning)

    def print_epoch(self, position: Position, model: BaseModel) -> None:
        """Print the epoch that ends, how long it took in this process, and the learning rates."""
        seconds = time.monotonic() - self.epoch_started
        rates = ", ".join(f"{rate:.3g}" for rate in learning_rates(model.optimizers))
        epochs = f"{position.epoch} / {last_epoch(self.opt)}"
        say(f"End of epoch {epochs}, {duration(seconds)}; learning rate {rates}")

    def memory(self) -> dict:
        """Returns what a resumed run needs to continue its logs, displays and health averages."""
        return {**self.visualizer.memory(), "health": self.health.memory}

    def restore(self, memory: dict) -> None:
        """Continue from what :meth:`memory` returned."""
        self.visualizer.restore(memory)
        self.health.memory.update(memory.get("health", {}))

"""Reports on a training: what is logged and shown after a step, and when."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator

from data.pipeline.loader import Loader
from models.base_model import BaseModel
from models.training.health import Health
from models.training.position import Position
from util import distributed
from util.schedules import learning_rates
from util.visualizer import Visualizer


class Report:
    """Logs losses, health measurements and images when the options ask for them.

    Args:
        opt: its ``print_freq``, ``display_freq`` and ``update_html_freq`` count images.
        visualizer: the log files and displays to write to.
    """

    def __init__(self, opt: Namespace, visualizer: Visualizer) -> None:
        self.opt, self.visualizer, self.health = opt, visualizer, Health(opt)
        self.step_started = self.waited = 0.0  # of this step, in seconds of the monotonic clock

    def timed(self, dataset: Loader) -> Iterator[dict]:
        """Yield the batches of an epoch, and measure how long the training waits for each one."""
        waiting_since = time.monotonic()
        for batch in dataset:
            self.step_started = time.monotonic()
            self.waited = self.step_started - waiting_since
            yield batch
            waiting_since = time.monotonic()

    def after_step(self, at: Position, model: BaseModel, dataset: Loader) -> None:
        """Log and show on rank 0 what is due after a step, and everything once per epoch.

        Args:
            at: the run's position after the step; its ``printed`` and ``shown`` are updated.
        """
        if not distributed.is_main():
            return
        epoch_ends = at.seen >= len(dataset)
        with distributed.single_rank():
            if at.crossed(self.opt.print_freq) or (epoch_ends and not at.printed):
                at.printed = True
                self._log(at, model, dataset)
            if at.crossed(self.opt.display_freq) or (epoch_ends and not at.shown):
                at.shown = True
                model.compute_visuals()
                save = at.crossed(self.opt.update_html_freq)
                self.visualizer.display_current_results(model.get_current_visuals(), at.epoch, save)

    def _log(self, at: Position, model: BaseModel, dataset: Loader) -> None:
        """Print and plot the losses of the last step, with health measurements and warnings."""
        losses = model.get_current_losses()  # waits for the GPU, so the time is taken after it
        seconds = (time.monotonic() - self.step_started) / dataset.global_batch_size
        rate = next(iter(learning_rates(model.optimizers)), 0.0)
        measurements, warnings = self.health.check(model, losses, at.total)
        more = {"lr": rate, "time": seconds, "data": self.waited, **measurements}
        share = min(1.0, at.seen / len(dataset))
        show = self.visualizer
        show.print_current_losses(at.epoch, at.seen, losses, seconds, self.waited)
        show.plot_current_losses(at.epoch, share, losses, at.total, more)
        for warning in warnings:
            show.text(at.epoch, warning)

    def memory(self) -> dict:
        """Returns what a resumed run needs to continue its logs, displays and health averages."""
        return {**self.visualizer.memory(), "health": self.health.memory}

    def restore(self, memory: dict) -> None:
        """Continue from what :meth:`memory` returned."""
        self.visualizer.restore(memory)
        self.health.memory.update(memory.get("health", {}))

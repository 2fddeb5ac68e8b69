"""What a training shows and logs: it hands losses and images to the console, the page, visdom and Weights & Biases."""
from __future__ import annotations

import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Protocol

import numpy as np

from util import checkpoint
from util.console import say
from util.html import Page
from util.images import save_image, tensor2im


class Sink(Protocol):
    """A place where losses and images go. Must neither raise nor take long. ``memory`` survives a resume."""

    memory: dict

    def losses(self, epoch: int, share: float, losses: dict[str, float]) -> None:
        """Losses at ``share`` of ``epoch``, in [0, 1]."""

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        """Images, uint8 (H, W, 3); ``save`` is True every ``--update_html_freq`` images."""

    def close(self) -> None:
        """The run ends."""


class Visualizer:
    """Official names and signatures, so that scripts that drive a training keep working."""

    def __init__(self, opt: Namespace) -> None:
        self.folder = Path(opt.checkpoints_dir) / opt.name
        self.log = self.folder / "loss_log.txt"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sinks: list[Sink] = []
        if not opt.no_html:
            self.sinks.append(TrainingPage(opt, self.folder / "web"))
        if opt.display_id > 0:
            from util.visdom_sink import connect
            self.sinks += connect(opt)
        if opt.use_wandb:
            from util.wandb_sink import WandbSink
            self.sinks.append(WandbSink(opt))
        if not checkpoint.resumable(opt):
            self._append(f"================ Training Loss ({time.ctime()}) ================")

    def _append(self, line: str) -> None:
        with self.log.open("a") as file:
            file.write(line + "\n")

    def reset(self) -> None:
        """Official name; nothing is kept between epochs."""

    def print_current_losses(self, epoch: int, iters: int, losses: dict[str, float], t_comp: float, t_data: float) -> None:
        """The official log line: images seen this epoch, seconds per image, seconds waited for data."""
        line = f"(epoch: {epoch}, iters: {iters}, time: {t_comp:.3f}, data: {t_data:.3f}) "
        line += "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        say(line)
        self._append(line)

    def plot_current_losses(self, epoch: int, counter_ratio: float, losses: dict[str, float]) -> None:
        for sink in self.sinks:
            sink.losses(epoch, counter_ratio, losses)

    def display_current_results(self, visuals: dict, epoch: int, save_result: bool) -> None:
        images = {label: tensor2im(image) for label, image in visuals.items()}
        for sink in self.sinks:
            sink.images(epoch, images, save_result)

    def memory(self) -> dict:
        """What a resumed run needs to go on with the same log, page and curves; tensors and plain values only."""
        return {"log": self.log.stat().st_size if self.log.is_file() else 0,
                **{type(sink).__name__: sink.memory for sink in self.sinks}}

    def restore(self, memory: dict) -> None:
        """The inverse; log lines from after the save are dropped, for they will be written again."""
        if self.log.is_file() and self.log.stat().st_size > memory["log"]:
            os.truncate(self.log, memory["log"])
        for sink in self.sinks:
            sink.memory.update(memory.get(type(sink).__name__, {}))

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


class TrainingPage:
    """``web/index.html``: one row of images per epoch, newest first."""

    def __init__(self, opt: Namespace, folder: Path) -> None:
        self.opt, self.folder = opt, folder
        self.memory: dict = {"rows": {}, "last": ""}  # rows: epoch -> label -> file

    def losses(self, epoch: int, share: float, losses: dict[str, float]) -> None:
        self.memory["last"] = f"Epoch {epoch}: " + ", ".join(f"{name} {value:.3f}" for name, value in losses.items())

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        rows = self.memory["rows"]
        if not save and epoch in rows:
            return
        rows[epoch] = {label: f"epoch{epoch:03d}_{label}.png" for label in images}
        for label, image in images.items():
            save_image(image, self.folder / "images" / rows[epoch][label])
        self._write(refresh=30)

    def _write(self, refresh: int) -> None:
        notes = [f"{self.opt.model} on {self.opt.dataroot}, {self.opt.n_epochs} + {self.opt.n_epochs_decay} epochs"]
        page = Page(self.folder, f"Training {self.opt.name}", [*notes, self.memory["last"]], self.opt.display_winsize, refresh)
        for epoch, images in sorted(self.memory["rows"].items(), reverse=True):
            page.add_row(f"Epoch {epoch}", images)
        page.save()

    def close(self) -> None:
        self._write(refresh=0)

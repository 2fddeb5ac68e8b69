"""Weights & Biases (``--use_wandb``); ``WANDB_MODE=offline`` logs without a network connection."""

from __future__ import annotations

import threading
import uuid
from argparse import Namespace
from typing import Any

import numpy as np

from util.errors import needs
from util.option_defaults import NOTES
from util.sinks.base import in_groups


class WandbSink:
    """Logs losses and images under their official names over epochs, and all else in groups.

    A resumed training continues the same W&B run.
    """

    def __init__(self, opt: Namespace) -> None:
        """Raises UserError: the package is missing."""
        with needs("--use_wandb", "wandb"):
            import wandb
        self.wandb: Any = wandb
        self.opt, self.run, self.lock = opt, wandb.run, threading.Lock()
        self.memory: dict = {"id": uuid.uuid4().hex[:12]}

    def start(self) -> Any:
        """Start the W&B run, unless it has started, and return it.

        It starts late, because a resume may replace the id after ``__init__``.
        """
        with self.lock:
            if self.run is None:
                config = {key: value for key, value in vars(self.opt).items() if key not in NOTES}
                names = {"project": self.opt.wandb_project_name, "name": self.opt.name}
                run_id = self.memory["id"]
                self.run = self.wandb.init(**names, config=config, id=run_id, resume="allow")
        return self.run

    def _log(self, epoch: float, entry: dict[str, Any]) -> None:
        self.start().log({**entry, "epoch": epoch})

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        self._log(epoch - 1 + share, {**in_groups(values), "images": total})

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        caption = f"epoch {epoch}"
        entry = {}
        for label, im in images.items():
            if im.shape[2] == 2:  # W&B does not accept gray and alpha
                im = np.dstack([im[..., [0, 0]], im])
            entry[label] = self.wandb.Image(im, caption=caption)
        self._log(epoch, entry)

    def text(self, epoch: int, message: str) -> None:
        self._log(epoch, {"note": message})

    def close(self) -> None:
        if self.run is not None:
            self.run.finish()

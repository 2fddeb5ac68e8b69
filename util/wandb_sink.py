"""Weights & Biases (``--use_wandb``); also works offline with ``WANDB_MODE=offline``."""
from __future__ import annotations

from argparse import Namespace

import numpy as np

from util.console import UserError


class WandbSink:
    def __init__(self, opt: Namespace) -> None:
        try:
            import wandb
        except ImportError:
            raise UserError("--use_wandb needs the package wandb: pip install wandb") from None
        self.wandb = wandb
        self.memory: dict = {}
        self.run = wandb.run or wandb.init(project=opt.wandb_project_name, name=opt.name, config=vars(opt))

    def losses(self, epoch: int, share: float, losses: dict[str, float]) -> None:
        self.run.log({**losses, "epoch": epoch - 1 + share})

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        self.run.log({label: self.wandb.Image(image, caption=f"epoch {epoch}") for label, image in images.items()})

    def close(self) -> None:
        self.run.finish()

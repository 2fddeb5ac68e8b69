"""One training step of any model, with what the options add to it; a model knows nothing of it."""
from __future__ import annotations

from argparse import Namespace

import torch

from models import feed
from models.base_model import BaseModel
from util.guard import Guard, fuse


class Step:
    """``step(batch)`` trains ``model`` on one batch of the dataset."""

    def __init__(self, opt: Namespace, model: BaseModel) -> None:
        self.opt, self.model = opt, model
        self.guard = Guard(opt.on_nonfinite == "skip")
        self.at_once = model.device.type == "cpu"  # where there is nothing to wait for
        for optimizer in model.optimizers:
            fuse(optimizer)
            optimizer.register_step_pre_hook(self._before)

    def __call__(self, batch: dict) -> None:
        """Raises NonFinite, on a GPU only in :meth:`check`; the weights are then as before this step."""
        feed(self.model, batch)
        self.model.optimize_parameters()
        if self.at_once:
            self.check()

    def _before(self, optimizer: torch.optim.Optimizer, *unused: object) -> None:
        """What happens to the gradients between the model's backward pass and the optimizer."""
        self.guard.watch(optimizer, self.model.get_image_paths())

    def check(self) -> None:
        """Wait for the device, and make sure that all steps so far were sound. Raises NonFinite."""
        self.guard.check()

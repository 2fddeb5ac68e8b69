"""TensorBoard (``--use_tensorboard``): ``tensorboard --logdir checkpoints/NAME/tensorboard``."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from util.console import UserError
from util.sinks import losses_of


class TensorBoardSink:
    """Everything over the images seen; losses under ``loss/``."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError: the package is missing."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError("--use_tensorboard needs the package tensorboard: pip install tensorboard") from None
        # The folder is made at the first report, from which on TensorBoard drops what a run that was cut off had logged.
        self.make, self.folder = SummaryWriter, folder
        self.writer: SummaryWriter | None = None
        self.memory: dict = {}
        self.total = 0

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        self.total = total
        self.writer = self.writer or self.make(str(self.folder), purge_step=total)
        losses = losses_of(values)
        for name, value in values.items():
            self.writer.add_scalar(f"loss/{name}" if name in losses else name, value, total)
        self.writer.flush()

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        for label, image in images.items():
            self.writer.add_image(label, image, self.total, dataformats="HWC")

    def text(self, epoch: int, message: str) -> None:
        self.writer.add_text("notes", message, self.total)

    def close(self) -> None:
        if self.writer:
            self.writer.close()

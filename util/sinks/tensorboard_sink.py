"""TensorBoard (``--use_tensorboard``): ``tensorboard --logdir checkpoints/NAME/tensorboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from util.errors import needs
from util.sinks.base import in_groups


class TensorBoardSink:
    """Plots everything in groups over the number of images seen; losses are in ``loss/``."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError: the package is missing."""
        with needs("--use_tensorboard", "tensorboard"):
            from torch.utils.tensorboard import SummaryWriter
        self.make, self.folder = SummaryWriter, folder
        self.writer: Any = None
        self.memory: dict = {}
        self.total = 0

    def _writer(self) -> Any:
        """Returns the writer, created on the first call.

        Only then is it known where a resumed run continues: ``purge_step`` makes TensorBoard drop
        what the interrupted run had logged beyond that step.
        """
        if self.writer is None:
            self.writer = self.make(str(self.folder), purge_step=self.total or None)
        return self.writer

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        self.total = total
        for name, value in in_groups(values).items():
            self._writer().add_scalar(name if "/" in name else f"loss/{name}", value, total)
        self._writer().flush()

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        for label, image in images.items():
            self._writer().add_image(label, image, self.total, dataformats="HWC")

    def text(self, epoch: int, message: str) -> None:
        self._writer().add_text("notes", message, self.total)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

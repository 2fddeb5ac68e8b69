"""The position of a training in its epochs and images."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Position:
    """How far a training is, and what validation has found. The fields are keys in ``state.pth``.

    Attributes:
        epoch: the current epoch, from 1, until :meth:`begin_next_epoch`.
        seen: images seen in this epoch, on all ranks.
        total: images seen in the whole training.
        shown: True if images were shown in this epoch.
        printed: True if losses were printed in this epoch.
        elapsed: seconds that the training took up to the last save, without interruptions.
        validated: (epoch, value of the metric) of the last and of the best validation; empty before
            the first.
        best: the content of ``best.json``.
        without_best: validations since the best one.
    """

    epoch: int
    seen: int = 0
    total: int = 0
    shown: bool = False
    printed: bool = False
    elapsed: float = 0.0
    validated: list = field(default_factory=list)
    best: dict = field(default_factory=dict)
    without_best: int = 0
    last_images = 0  # of the last step; without an annotation, so not a field to save

    def crossed_multiple_of(self, frequency: int) -> bool:
        """True if the last step made ``total`` reach a multiple of ``frequency``."""
        return self.total // frequency > (self.total - self.last_images) // frequency

    def advance(self, images: int) -> None:
        """Count the images of a step."""
        self.last_images = images
        self.seen += images
        self.total += images

    def begin_next_epoch(self) -> None:
        """Move to the first image of the next epoch."""
        self.epoch, self.seen, self.shown, self.printed = self.epoch + 1, 0, False, False

"""The printed ``time``: seconds per image of training steps, without anything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StepTimer:
    """Measures the seconds per image between two printed lines.

    Counted are the seconds since the last line, minus waiting for data, saving, validation and
    pages. The clock never goes back, unlike that of the system.

    Attributes:
        seconds, images: of the steps since the last line.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.seconds, self.images = 0.0, 0
        self.started: float | None = None  # None while nothing is counted

    def start(self) -> None:
        """Count from now on."""
        self.started = time.monotonic()

    def stop(self) -> None:
        """Count up to now."""
        if self.started is not None:
            self.seconds += time.monotonic() - self.started
            self.started = None

    def finish_steps(self) -> None:
        """Count up to the end of the steps that the GPU has not finished yet."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time inside, after the GPU has finished its steps. May be nested."""
        if self.started is None:
            yield
            return
        self.finish_steps()
        try:
            yield
        finally:
            self.start()

    def per_image(self) -> float:
        """Return the seconds per image since the last call, and begin anew."""
        if self.started is not None:
            self.stop()
            self.start()
        seconds = self.seconds / max(1, self.images)
        self.seconds, self.images = 0.0, 0
        return seconds

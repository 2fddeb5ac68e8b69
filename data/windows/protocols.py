"""The interfaces of an image that is read, or written, one window at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class WindowSource(Protocol):
    """An image from which windows are read. Several threads may read at the same time.

    Attributes:
        height, width: of the image, upright.
        channels: the number of bands that a network takes.
    """

    height: int
    width: int
    channels: int

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a window that lies inside of the image, as float32 (height, width, C) in [-1, 1].

        Pixels without data hold -1.

        Raises UserError: the file is damaged there, or holds values that are not numbers.
        """

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Return where a window holds data, as bool (height, width); None: everywhere.

        Raises UserError: as for :meth:`read`.
        """


class WindowSink(Protocol):
    """An image into which windows are written, in any order. One thread writes.

    Attributes:
        resumed: True if the windows are still there that an earlier process has written before it
            was stopped. Their places need not be written again.
    """

    resumed: bool

    def write(self, top: int, left: int, image: np.ndarray, valid: np.ndarray | None) -> None:
        """Write a window.

        Args:
            image: float32 (h, w, C) in [-1, 1].
            valid: bool (h, w), False where there is no data; None: all pixels hold data.

        Raises:
            UserError: it cannot be written, for example because the disk is full. The windows
                before it stay.
        """

    def flush(self) -> None:
        """Force the windows written so far onto the disk; call it before recording that they are.

        Raises UserError: they cannot be written.
        """

    def close(self) -> None:
        """Finish the image: it is whole, and a file gets its final name only now.

        Without this call a file stays unfinished, and a later process can resume it.

        Raises UserError: it cannot be finished.
        """

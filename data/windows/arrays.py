"""Sources and sinks of windows in memory."""

from __future__ import annotations

import numpy as np

from util.values import INVALID


class ArraySource:
    """A :class:`WindowSource` of an array, which may be a memory map."""

    def __init__(self, array: np.ndarray, valid: np.ndarray | None = None) -> None:
        """Args:
        array: (H, W, C) in [-1, 1].
        valid: bool (H, W), False where there is no data; None: all pixels hold data.
        """
        self.array, self.mask = array, valid
        self.height, self.width, self.channels = array.shape

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a window as float32 (height, width, C); -1 where there is no data."""
        window = self.array[top : top + height, left : left + width].astype(np.float32)
        valid = self.valid(top, left, height, width)
        if valid is not None:
            window[~valid] = INVALID
        return window

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Return where a window holds data, as bool (height, width); None: everywhere."""
        if self.mask is None:
            return None
        return self.mask[top : top + height, left : left + width]


class ArraySink:
    """A :class:`WindowSink` that fills arrays.

    Attributes:
        array: float32 (H, W, C).
        valid: bool (H, W), False where there is no data.
    """

    resumed = False

    def __init__(self, shape: tuple[int, int, int]) -> None:
        """Args: shape: (H, W, C) of the image."""
        self.array, self.valid = np.zeros(shape, np.float32), np.ones(shape[:2], bool)

    def write(self, top: int, left: int, image: np.ndarray, valid: np.ndarray | None) -> None:
        """Write a window, float32 (h, w, C) in [-1, 1]; see :class:`WindowSink`."""
        rows, columns = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        self.array[rows, columns] = image
        self.valid[rows, columns] = True if valid is None else valid

    def flush(self) -> None:
        """Do nothing: the array holds all windows."""

    def close(self) -> None:
        """Do nothing: the array is the image."""

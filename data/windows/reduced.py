"""Small pictures of large images, from means over windows."""

from __future__ import annotations

import numpy as np

from data.windows.protocols import WindowSource
from util.values import INVALID

SIDE = 256  # of the windows, in pixels


def reduction(image: WindowSource, longest: int) -> int:
    """Return how many times smaller an image has to be, so that no side is above ``longest``."""
    return -(-max(image.height, image.width) // longest)


def reduced(image: WindowSource, times: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image in which each pixel is the mean of ``times`` x ``times`` pixels.

    Pixels without data do not count. A mean is valid if at least half of its pixels are.

    Returns:
        The image as float32 (h, w, C) in [-1, 1], and where it holds data, as bool (h, w); None:
        everywhere.

    Raises UserError: the image is damaged.
    """
    size = -(-image.height // times), -(-image.width // times)
    pixels = np.empty((*size, image.channels), np.float32)
    valid, masked = np.ones(size, bool), False
    side = times * max(1, SIDE // times)
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            place = top, left, min(side, image.height - top), min(side, image.width - left)
            window, mask = image.read(*place), image.valid(*place)
            masked |= mask is not None
            weights = np.ones(place[2:]) if mask is None else mask.astype(float)
            counts = _sums(weights, times)
            enough = counts >= _sums(np.ones(place[2:]), times) / 2
            means = _sums(window * weights[..., None], times) / counts.clip(1)[..., None]
            first, last = top // times, left // times
            part = slice(first, first + len(means)), slice(last, last + means.shape[1])
            pixels[part] = np.where(enough[..., None], means, INVALID)
            valid[part] = enough
    return pixels, valid if masked else None


def _sums(array: np.ndarray, times: int) -> np.ndarray:
    """Return the sums over squares of ``times`` x ``times``, which may be smaller at the end."""
    for axis in (0, 1):
        array = np.add.reduceat(array, range(0, array.shape[axis], times), axis)
    return array

"""The grid patterns that generators leave in images, measured against real images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from util.errors import UserError

SMALLEST = 16  # pixels of a side


def grid_power(image: NDArray[Any]) -> float:
    """Mean power of an image at periods of 2 and 4 pixels, in squared levels per pixel.

    Two transposed convolutions, as generators have them, leave patterns of these periods. The 5x5
    median of the image is subtracted first, which leaves only fine detail. The frequencies are all
    multiples of a quarter per pixel, horizontal and vertical, without the mean.

    Args:
        image: uint8 (H, W, 3). Incomplete cells of 4x4 pixels at the right and below are left out.

    Raises:
        UserError: a side is shorter than ``SMALLEST``.
    """
    height, width = (side - side % 4 for side in image.shape[:2])
    if min(height, width) < SMALLEST:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise UserError(f"checkerboards need images of at least {SMALLEST} pixels, not {size}")
    smooth = np.asarray(Image.fromarray(image).filter(ImageFilter.MedianFilter(5)))
    detail = image.astype(np.float64) - smooth
    cells = detail[:height, :width].reshape(height // 4, 4, width // 4, 4, -1).sum(axis=(0, 2))
    power = np.abs(np.fft.fft2(cells, axes=(0, 1))) ** 2 / (height * width)
    return float(power.reshape(16, -1)[1:].mean())


def checkerboards(fake: Iterable[NDArray[Any]], real: Iterable[NDArray[Any]]) -> float:
    """The mean :func:`grid_power` of fake images divided by that of real ones.

    1 for images with as much of such patterns as real ones; ``inf`` if only the fakes have any.
    """
    of_fake, of_real = (float(np.mean([grid_power(x) for x in images])) for images in (fake, real))
    if of_real == 0:
        return math.inf if of_fake else 1.0
    return of_fake / of_real

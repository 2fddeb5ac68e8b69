"""Metrics of an image against its target, computed with numpy.

Images are uint8 arrays (H, W, 3) with levels from 0 to 255; image and target have the same shape.
Given a ``data_range`` (highest minus lowest possible value), they are arrays (H, W, C) of any real
type and any unit. ``valid``, bool (H, W), is then False where pixels hold no data and do not count;
without a valid pixel, a metric is NaN. Averaging over a test set is left to the caller
(``scripts/evaluate.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from util.errors import UserError
from util.words import amount

Array = NDArray[Any]

DATA_RANGE = 255.0
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # of SSIM, as in the paper
HIGHER_IS_BETTER = ("psnr", "ssim")  # among the metrics of a validation
PSNR_CAP = 100.0  # dB; stands for identical images, so that means over images stay finite


def psnr(
    image: Array, target: Array, data_range: float | None = None, valid: Array | None = None
) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; ``inf`` for equal images."""
    a, b = _as_floats(image, target, data_range)
    error = _mean((a - b) ** 2, valid)
    return 10 * math.log10((data_range or DATA_RANGE) ** 2 / error) if error else math.inf


def l1(
    image: Array, target: Array, data_range: float | None = None, valid: Array | None = None
) -> float:
    """Mean absolute difference in levels, 0 to 255, or in the unit of the values."""
    a, b = _as_floats(image, target, data_range)
    return _mean(np.abs(a - b), valid)


def ssim(
    image: Array, target: Array, data_range: float | None = None, valid: Array | None = None
) -> float:
    """Structural similarity, at most 1: the mean over channels and all complete windows.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13(4), 2004, equation 13: Gaussian 11x11
    window with sigma 1.5, weighted (biased) moments. The paper uses luminance; here each channel
    is compared separately, as in scikit-image. Windows with a pixel that is not valid are left out.

    Raises:
        UserError: a side is shorter than the window.
    """
    a, b = _as_floats(image, target, data_range)
    height, width = a.shape[:2]
    if min(height, width) < WINDOW:
        size = f"{WINDOW}x{WINDOW} pixels, this one is {width}x{height}"
        raise UserError(f"SSIM needs images of at least {size}")
    highest = data_range or DATA_RANGE
    mean_a, mean_b, square_a, square_b, product = _blur(np.stack([a, b, a * a, b * b, a * b]))
    var_a, var_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    c1, c2 = (K1 * highest) ** 2, (K2 * highest) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    complete = None
    if valid is not None:
        complete = np.asarray(sliding_window_view(valid, (WINDOW, WINDOW)).all(axis=(2, 3)))
    return _mean(luminance * structure, complete)


def _mean(values: Array, valid: Array | None) -> float:
    """Return the mean of (H, W, C) where ``valid``; NaN if no pixel is valid."""
    counted = values if valid is None else values[valid]
    return float(np.mean(counted)) if counted.size else math.nan


def palette_labels(image: Array, palette: ArrayLike) -> Array:
    """Return for each pixel the index of the nearest colour (L2 in RGB; the first one of a tie).

    Args:
        image: (H, W, 3).
        palette: colours (P, 3) in levels.

    Returns:
        Indices (H, W).

    Raises:
        ValueError: the palette has another shape.
    """
    colours = np.asarray(palette, np.float32)
    if colours.ndim != 2 or colours.shape[1] != 3 or not len(colours):
        raise ValueError(f"a palette is an array (P, 3), not {colours.shape}")
    # |pixel|^2 is the same for all colours and left out. All terms are integers below 2^24, so
    # float32 is exact.
    distances = (colours**2).sum(1) - 2 * (image.astype(np.float32) @ colours.T)
    return distances.argmin(-1)


def palette_accuracy(image: Array, target: Array, palette: ArrayLike) -> float:
    """Share of pixels, 0 to 1, whose nearest palette colour is that of the target."""
    _check(image, target, None)
    return float(np.mean(palette_labels(image, palette) == palette_labels(target, palette)))


# key -> (heading, function of image, target and palette)
METRICS: dict[str, tuple[str, Callable[[Array, Array, Any], float]]] = {
    "psnr": ("PSNR (dB)", lambda image, target, _: min(PSNR_CAP, psnr(image, target))),
    "ssim": ("SSIM", lambda image, target, _: ssim(image, target)),
    "l1": ("L1", lambda image, target, _: l1(image, target)),
    "palette": ("palette (%)", lambda *arguments: 100 * palette_accuracy(*arguments)),
}


def _blur(maps: Array) -> Array:
    """Gaussian filter over complete windows: (M, H, W, C) to (M, H - 10, W - 10, C)."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    for axis in (1, 2):
        maps = sliding_window_view(maps, WINDOW, axis=axis) @ kernel
    return maps


def _as_floats(image: Array, target: Array, data_range: float | None) -> tuple[Array, Array]:
    _check(image, target, data_range)
    return image.astype(np.float64), target.astype(np.float64)


def _check(image: Array, target: Array, data_range: float | None) -> None:
    for array in (image, target) if data_range is None else ():
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            shape = f"{array.dtype} {array.shape}"
            raise ValueError(f"metrics need uint8 images (H, W, 3), not {shape}")
    if image.shape != target.shape:
        shapes = " and ".join(_shape(array) for array in (image, target))
        raise UserError(f"image and target must have the same size and bands, not {shapes}")


def _shape(array: Array) -> str:
    """Return width, height and the number of bands of (H, W, C) for messages."""
    return f"{array.shape[1]}x{array.shape[0]} with {amount(array.shape[2], 'band')}"

"""An image of floats in [-1, 1], with the methods of a PIL image that ``--preprocess`` calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from util.values import INVALID


class Raster:
    """An image of any number of bands that is cropped, mirrored and resized in floats.

    Attributes:
        pixels: float32 (H, W, C) in [-1, 1].
        valid: bool (H, W), False where there is no data; None: all pixels are valid.
        size: (width, height), as of a PIL image.
        mode: "float"; the transforms of 8-bit images have other names.
    """

    mode = "float"

    def __init__(self, pixels: np.ndarray, valid: np.ndarray | None = None) -> None:
        self.pixels, self.valid = pixels, valid
        self.size = pixels.shape[1], pixels.shape[0]

    def mask(self) -> torch.Tensor:
        """Return bool (1, H, W), True where there is data."""
        if self.valid is None:
            return torch.ones(1, *self.size[::-1], dtype=torch.bool)
        return torch.from_numpy(self.valid[None].copy())

    def convert(self, mode: str) -> Raster:
        """Return the raster itself: its bands have been chosen when it was read."""
        return self

    def crop(self, box: tuple[int, int, int, int]) -> Raster:
        """Return the part of ``box`` (left, top, right, bottom), which lies inside."""
        left, top, right, bottom = box
        return self._map(lambda array: array[top:bottom, left:right])

    def transpose(self, method: Any) -> Raster:
        """Mirror left to right, the only ``method`` that ``--preprocess`` uses."""
        assert method == Image.Transpose.FLIP_LEFT_RIGHT
        return self._map(lambda array: array[:, ::-1])

    def _map(self, function: Any) -> Raster:
        return Raster(function(self.pixels), None if self.valid is None else function(self.valid))

    def resize(self, size: tuple[int, int], method: Any) -> Raster:
        """Resize each band as 32-bit floats with Pillow's filter ``method``.

        Pillow's filters widen when they reduce, so that they average (antialiasing). Bicubic
        overshoots are clipped to [-1, 1].

        Pixels without data have the weight 0 and the others share the weight of a result: no value
        is a mixture with missing data. A result is valid if at least half of its weight was.
        """
        if self.valid is None:
            return Raster(_resized(self.pixels, size, method).clip(-1, 1))
        share = _resized(self.valid[..., None].astype(np.float32), size, method)
        valid = share[..., 0] >= 0.5
        sums = _resized(self.pixels * self.valid[..., None], size, method)
        pixels = np.where(valid[..., None], sums / np.where(share < 0.5, 1, share), INVALID)
        return Raster(pixels.clip(-1, 1).astype(np.float32), valid)


def _resized(array: np.ndarray, size: tuple[int, int], method: Any) -> np.ndarray:
    """Resize each band of a float32 array (H, W, C) to ``size`` (width, height)."""
    bands = [Image.fromarray(band) for band in np.ascontiguousarray(array.transpose(2, 0, 1))]
    return np.stack([np.asarray(band.resize(size, method)) for band in bands], axis=-1)

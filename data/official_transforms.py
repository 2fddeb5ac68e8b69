"""The private helpers of the official ``data/base_dataset.py`` that scripts of users import.

They do exactly what the official ones do, also where our ``get_transform`` does better: it keeps
the size of an image with ``--preprocess none``, and its shape with ``scale_width``.
"""

from __future__ import annotations

import functools
from typing import Any

from PIL import Image

from data.image_to_tensor import BICUBIC, pillow_filter
from util.console import say


def make_power_2(img: Image.Image, base: int, method: Any = BICUBIC) -> Image.Image:
    """Resize an image so that both sides are multiples of ``base``, the nearest ones."""
    width, height = (round(side / base) * base for side in img.size)
    if (width, height) == img.size:
        return img
    _say_resized(base)
    return img.resize((width, height), pillow_filter(method))


@functools.cache
def _say_resized(base: int) -> None:
    say(f"Images are resized so that their sides are multiples of {base}")


def scale_width(
    img: Image.Image, target_size: int, crop_size: int, method: Any = BICUBIC
) -> Image.Image:
    """Resize an image to the width ``target_size``; its height is at least ``crop_size``."""
    width, height = img.size
    if width == target_size and height >= crop_size:
        return img
    scaled = int(max(target_size * height / width, crop_size))
    return img.resize((target_size, scaled), pillow_filter(method))


def crop(img: Image.Image, pos: tuple[int, int], size: int) -> Image.Image:
    """Crop a square of ``size`` at ``pos`` (left, top); images smaller than it stay as they are.

    Beyond the edges of an image that is smaller in one direction only, the crop is black.
    """
    left, top = pos
    inside = max(img.size) <= size
    return img if inside else img.crop((left, top, left + size, top + size))


def flip(img: Image.Image, flip: bool) -> Image.Image:
    """Mirror an image left to right if ``flip`` is true."""
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else img

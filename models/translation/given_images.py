"""Images as callers of a generator give them, and how messages describe them."""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import numpy as np
import torch
from PIL import Image

from data.image_file import check_values, open_image
from util.errors import UserError

EXPECTED = (
    "an image should be a PIL image, the path of a file, an array of uint8 (H, W) or (H, W, C), an "
    "array of floats with value_range, a tensor, or a list of these"
)
NEEDS_RANGE = "needs value_range=(BLACK, WHITE), such as (0, 1) or (-1, 1)"


def picture_of(image: Any) -> Any:
    """Return the PIL image of a path or an array of uint8; what is neither stays as it is.

    Raises UserError: it cannot be read, or is another array.
    """
    if isinstance(image, str | os.PathLike):
        return opened(os.fspath(image))
    return as_picture(image) if isinstance(image, np.ndarray) else image


def opened(path: str) -> Image.Image:
    """Return a decoded image file. Raises UserError: it cannot be read, or its values are unfit."""
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder; give a list of the images in it")
    with open_image(path) as image:
        check_values([path], path)
        image.load()
        return image


def as_picture(array: np.ndarray) -> Image.Image:
    """Return an array of uint8 as a PIL image. Raises UserError: it is none that Pillow takes."""
    if array.dtype == np.uint8 and array.size:
        with contextlib.suppress(TypeError, IndexError, ValueError):
            return Image.fromarray(array)
    raise UserError(f"{EXPECTED}, not {described(array)}")


def check_picture(array: np.ndarray) -> None:
    """Raise UserError: an array (H, W) or (H, W, C) holds no 8-bit picture."""
    if array.dtype.kind == "f":
        raise UserError(f"{described(array)} {NEEDS_RANGE}")
    if array.dtype != np.uint8 or array.shape[2:] > (4,):
        raise UserError(f"{EXPECTED}, not {described(array)}")


def checked_range(value_range: Any) -> tuple[float, float]:
    """Return a range as (lowest, highest). Raises UserError: these are not two numbers in order."""
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"value_range should be (BLACK, WHITE), such as (0, 1), not {value_range}")
    return low, high


def checked_floats(array: np.ndarray, channels: int) -> int:
    """Check the shape of an array of floats, and return how often its bands are to be repeated.

    A plane (H, W) is repeated for a network that takes RGB.

    Raises UserError: it is not (H, W) or (H, W, C) with these channels, or is empty.
    """
    repeats = 3 if array.ndim == 2 and channels == 3 else 1
    found = array.shape[2] if array.ndim == 3 else repeats
    if array.ndim not in (2, 3) or found != channels or not array.size:
        raise UserError(f"an array should be (H, W, {channels}), not {described(array)}")
    return repeats


def floats_to_unit(array: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    """Map floats in ``value_range`` to float64 in [-1, 1].

    Raises UserError: values are far outside of the range.
    """
    black, white = value_range
    unit = (array.astype(np.float64) - black) * (2 / (white - black)) - 1
    if not -2 <= unit.min() <= unit.max() <= 2:  # a resize may overshoot a little; NaN fails
        raise UserError(
            f"the values of an array should be in value_range={value_range}, "
            f"not from {array.min():g} to {array.max():g}"
        )
    return unit


def floats_from_unit(unit: np.ndarray, value_range: tuple[float, float], dtype: Any) -> np.ndarray:
    """Map [-1, 1] to floats of a type in ``value_range``."""
    black, white = value_range
    return ((unit.astype(np.float64) + 1) * ((white - black) / 2) + black).astype(dtype)


def described(image: Any) -> str:
    """Return what a caller has given as an image, in words."""
    if isinstance(image, np.ndarray):
        return f"an array of {image.dtype} {image.shape}"
    if isinstance(image, Image.Image):
        return f"a PIL image of mode {image.mode} and {image.width}x{image.height} pixels"
    if isinstance(image, torch.Tensor):
        if image.is_nested:
            return "a nested one"
        return f"{tuple(image.shape)} of {image.dtype}" + " without values" * image.is_meta
    if isinstance(image, str | os.PathLike):
        return f"the path {os.fspath(image)!r}"
    return f"an object of type {type(image).__name__}"

"""From network outputs to images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from util.console import say
from util.errors import first_line


def tensor2im(image: torch.Tensor | np.ndarray, index: int = 0) -> np.ndarray:
    """Convert one image of a batch to uint8 (H, W, 3), rounded to the nearest level.

    Args:
        image: batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255]. One channel becomes
            gray; two (gray, alpha) and four channels (RGB, alpha) stay as they are.
        index: position in the batch.
    """
    if not isinstance(image, torch.Tensor):
        return np.asarray(image).clip(0, 255).round().astype(np.uint8)
    x = image[index].detach().float().add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8).cpu()
    return (x.expand(3, -1, -1) if len(x) == 1 else x).permute(1, 2, 0).numpy()


def show_images(
    visuals: Mapping[str, Any], index: int = 0, report: Callable[[str], None] | None = None
) -> dict[str, np.ndarray]:
    """Convert images to what pages, displays and image files can show.

    Args:
        visuals: label -> batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255].
        index: position in the batches.
        report: gets a line about each label that is not shown as it is; None prints it once.

    Returns:
        label -> uint8 (H, W, C) with 2 to 4 channels, see :func:`tensor2im`. Of more channels the
        first three are shown, and of more dimensions the first entry. What is no image is left
        out.
    """
    shown, report = {}, report or _say_once
    for label, image in visuals.items():
        try:
            shown[label] = _show(label, image, index, report)
        except Exception as error:  # the images of a custom model can be anything
            report(f"{label} cannot be shown as an image: {first_line(error)}")
    return shown


def _show(label: str, image: object, index: int, report: Callable[[str], None]) -> np.ndarray:
    """Return an image as uint8 (H, W, C), C from 2 to 4. Raises anything: it is no image."""
    if isinstance(image, torch.Tensor):
        x = image[index].detach()
        shape = " x ".join(map(str, x.shape)) or "a single number"
        x = x[None] if x.dim() == 2 else x
        while x.dim() > 3:
            x = x[:, 0]
            report(f"{label} is {shape} for each image: the first {x[0].dim()}-D part is shown")
        if x.dim() != 3 or 0 in x.shape or x.is_complex():
            raise ValueError(f"it is {shape} of {x.dtype}, and should be C x H x W")
        if x.isnan().any():
            report(f"{label} has values that are not numbers (NaN): they are shown as black")
        array = tensor2im(x.nan_to_num(nan=-1)[None])
    elif not isinstance(image, (np.ndarray, Image.Image)):
        raise TypeError(f"it is of type {type(image).__name__}, and should be a tensor")
    else:
        array = tensor2im(np.asarray(image))
        array = array[..., None].repeat(3, -1) if array.ndim == 2 else array
        array = array.repeat(3, -1) if array.shape[-1] == 1 else array
        if array.ndim != 3 or 0 in array.shape:
            raise ValueError(f"its shape is {array.shape}, and should be (H, W, C)")
    if array.shape[2] > 4:
        report(f"{label} has {array.shape[2]} channels: the first three are shown")
        array = np.ascontiguousarray(array[..., :3])
    return array


@functools.cache
def _say_once(message: str) -> None:
    say(message)

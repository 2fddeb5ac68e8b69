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
from util.image.preview import Preview, choose, mapping, percentiles, preview
from util.values import domain_of, mask_of
from util.words import amount

AS_IT_IS = Preview()


def tensor2im(image: torch.Tensor | np.ndarray, index: int = 0) -> np.ndarray:
    """Convert one image of a batch to uint8 (H, W, 3), rounded to the nearest level.

    Args:
        image: batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255]. One channel becomes
            gray; two (gray, alpha) and four channels (RGB, alpha) stay as they are.
        index: position in the batch.
    """
    if not isinstance(image, torch.Tensor):
        return np.asarray(image).clip(0, 255).round().astype(np.uint8)
    x = image[index].detach().float().add(1).mul_(127.5).clamp_(0, 255).round_()
    x = x.to(torch.uint8).cpu()
    return (x.expand(3, -1, -1) if len(x) == 1 else x).permute(1, 2, 0).numpy()


def show_images(
    visuals: Mapping[str, Any],
    index: int = 0,
    report: Callable[[str], None] | None = None,
    how: Preview = AS_IT_IS,
    masks: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, np.ndarray]:
    """Convert images to what pages, displays and image files can show.

    Args:
        visuals: label -> batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255].
        index: position in the batches.
        report: gets a line about each label that is not shown as it is; None prints it once.
        how: the bands and the range to show, see :class:`util.image.preview.Preview`.
        masks: folder, "A" or "B" -> bool (N, 1, H, W), False where its images hold no data.

    Returns:
        label -> uint8 (H, W, C) with 2 to 4 channels, see :func:`tensor2im`; with more channels,
        or if ``how`` says so, (H, W, 3), see :func:`util.image.preview.preview`. Of more
        dimensions the first entry is shown. What is no image is left out.
    """
    shown, report, masks = {}, report or _say_once, masks or {}
    for label, image in visuals.items():
        try:
            pixels = _pixels(label, image, index, report)
            if how.is_plain(label, pixels.shape[0]):
                shown[label] = _plain(label, pixels, report)
                continue
            unit, valid = _unit_image(pixels), _valid(masks, label, index, how)
            limits = None
            if how.spread == "percentiles":
                real = how.real_label(label, visuals)
                reference = _unit_image(_pixels(real, visuals[real], index, lambda _: None))
                limits = percentiles(reference, _valid(masks, real, index, how))
            _say_what(label, unit, how, report)
            shown[label] = preview(unit, how.bands, limits, valid)
        except Exception as error:  # the images of a custom model can be anything
            report(f"{label} cannot be shown as an image: {first_line(error)}")
    return shown


def _pixels(label: str, image: object, index: int, report: Callable[[str], None]) -> torch.Tensor:
    """Return an image as (C, H, W): floats in [-1, 1], or uint8 if it was an array.

    Raises anything: it is no image.
    """
    if isinstance(image, torch.Tensor):
        x = image[index].detach()
        shape = " x ".join(map(str, x.shape)) or "a single number"
        x = x[None] if x.dim() == 2 else x
        while x.dim() > 3:
            x = x[:, 0]
            report(f"{label} is {shape} for each image: the first {x[0].dim()}-D part is shown")
        if x.dim() != 3 or 0 in x.shape or x.is_complex():
            raise ValueError(f"it is {shape} of {x.dtype}, and should be C x H x W")
        return x.float()
    if not isinstance(image, (np.ndarray, Image.Image)):
        raise TypeError(f"it is of type {type(image).__name__}, and should be a tensor")
    array = tensor2im(np.asarray(image))
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"its shape is {array.shape}, and should be (H, W, C)")
    return torch.from_numpy(array).permute(2, 0, 1)


def _plain(label: str, pixels: torch.Tensor, report: Callable[[str], None]) -> np.ndarray:
    """Return an image of one to four channels as :func:`tensor2im` does; NaN is black."""
    if pixels.dtype == torch.uint8:
        return pixels.expand(max(len(pixels), 3), -1, -1).permute(1, 2, 0).numpy()
    if pixels.isnan().any():
        report(f"{label} has values that are not numbers (NaN): they are shown as black")
    return tensor2im(pixels.nan_to_num(nan=-1)[None])


def _unit_image(pixels: torch.Tensor) -> np.ndarray:
    """Return what :func:`_pixels` returned as float (H, W, C) in [-1, 1]."""
    array = pixels.permute(1, 2, 0).cpu().numpy()
    return array / 127.5 - 1 if array.dtype == np.uint8 else array


def _say_what(label: str, unit: np.ndarray, how: Preview, report: Callable[[str], None]) -> None:
    """Report which bands of an image are shown, unless the page states it, and if it has NaN."""
    channels = unit.shape[-1]
    if how.bands and max(how.bands) > channels:
        report(f"{label} has {amount(channels, 'channel')}, so --show_bands is not used for it")
    stated = how.domains[domain_of(label, how.direction)] is not None
    if len(choose(channels, how.bands)) < channels and not stated:
        report(f"{label} has {channels} channels: {mapping(channels, how.bands)} (--show_bands)")
    if np.isnan(unit).any():
        report(f"{label} has values that are not numbers (NaN): they are shown in violet")


def _valid(
    masks: Mapping[str, torch.Tensor], label: str, index: int, how: Preview
) -> np.ndarray | None:
    """Return where the image ``label`` has data, as bool (H, W); None: everywhere."""
    mask = mask_of(masks, label, how.direction)
    return None if mask is None else mask[index, 0].cpu().numpy()


@functools.cache
def _say_once(message: str) -> None:
    say(message)

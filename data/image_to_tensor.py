"""From a decoded image to a tensor: the resize, crop and flip of ``--preprocess``, then [-1, 1]."""

from __future__ import annotations

import functools
import random
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from data.rasters.raster import Raster
from util.errors import UserError

BICUBIC = Image.Resampling.BICUBIC
BYTE_MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")


class Compose:
    """Calls ``transforms`` one after the other. Datasets may change this list."""

    def __init__(self, transforms: list[Callable]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __iter__(self) -> Iterator[Callable]:
        """The transforms, so that ``torchvision.transforms.Compose`` takes them as a list."""
        return iter(self.transforms)


@dataclass(frozen=True)
class Resize:
    """The first step, without chance: conversion to grayscale and the resize of ``--preprocess``.

    Its ``repr`` is part of the key under which ``--cache_images`` keeps the result.
    """

    preprocess: str
    load_size: int
    grayscale: bool = False
    method: Any = BICUBIC

    def __call__(self, image: Any) -> Any:
        """Return a resized PIL image, or :class:`Raster`, in gray if so set."""
        image = image.convert("L") if self.grayscale else image
        size = resized_size(self, image.size)
        if size == image.size:
            return image
        return image.resize(size, pillow_filter(self.method))


def pillow_filter(method: Any) -> Any:
    """Return Pillow's filter; torchvision's InterpolationMode has the same names."""
    return getattr(Image.Resampling, getattr(method, "name", ""), method)


def get_transform(
    opt: Namespace,
    params: dict | None = None,
    grayscale: bool = False,
    method: Any = BICUBIC,
    convert: bool = True,
) -> Compose:
    """Return the transform of ``--preprocess``: PIL image -> float tensor (C, h, w) in [-1, 1].

    Args:
        params: crop position and flip from :func:`get_params`. None draws new ones for each
            image; without ``opt.isTrain`` the crop is at the centre.
        grayscale: make one channel instead of three.
        method: filter of the resize, by Pillow's or torchvision's name.
        convert: False leaves out the last step and returns a PIL image.
    """
    steps: list[Callable] = [Resize(opt.preprocess, opt.load_size, grayscale, method)]
    if "crop" in opt.preprocess:
        steps.append(functools.partial(crop, opt=opt, params=params))
    if not opt.no_flip:
        steps.append(functools.partial(flip, params=params))
    return Compose([*steps, to_tensor] if convert else steps)


def get_params(opt: Namespace, size: tuple[int, int]) -> dict:
    """Draw a crop position and a flip for :func:`get_transform`, to share among images.

    Args:
        size: (width, height) of the image before its resize.
    """
    position = crop_position(opt, resized_size(opt, size))
    return {"crop_pos": position, "flip": random.random() > 0.5}


def resized_size(opt: Namespace | Resize, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) that the resize of ``--preprocess`` makes of ``size``."""
    if "resize" in opt.preprocess:
        return opt.load_size, opt.load_size
    if "scale_width" in opt.preprocess:
        return opt.load_size, max(1, int(opt.load_size * size[1] / size[0]))
    return size


def crop_fits(opt: Namespace, size: tuple[int, int]) -> bool:
    """True if ``--crop_size`` fits into an image of ``size`` (width, height) after its resize."""
    return "crop" not in opt.preprocess or min(resized_size(opt, size)) >= opt.crop_size


def crop_position(opt: Namespace, size: tuple[int, int]) -> tuple[int, int]:
    """Return left and top of the crop of a resized image: random in training, otherwise centred."""
    free = [max(0, side - opt.crop_size) for side in size]
    left, top = (random.randint(0, f) if _in_training(opt) else f // 2 for f in free)
    return left, top


def crop(image: Any, opt: Namespace, params: dict | None) -> Any:
    """Crop a resized PIL image or :class:`Raster`.

    Outside of training, sides shorter than ``--crop_size`` stay whole.
    """
    width, height = image.size
    if _in_training(opt) and min(image.size) < opt.crop_size:
        raise UserError(too_small(opt, [f"{width}x{height}"]))
    if max(image.size) <= opt.crop_size:
        return image
    left, top = crop_position(opt, image.size) if params is None else params["crop_pos"]
    right, bottom = min(width, left + opt.crop_size), min(height, top + opt.crop_size)
    return image.crop((left, top, right, bottom))


def flip(image: Any, params: dict | None) -> Any:
    """Mirror half of the images left to right."""
    flipped = random.random() > 0.5 if params is None else params["flip"]
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else image


def _in_training(opt: Namespace) -> bool:
    """True unless ``opt`` is of a test; an ``opt`` made by hand may lack ``isTrain``."""
    return getattr(opt, "isTrain", True)


def too_small(opt: Namespace, images: list[str]) -> str:
    """Return the message for images that are smaller than ``--crop_size``."""
    names = ", ".join(images[:3]) + (" ..." if len(images) > 3 else "")
    return (
        f"--crop_size {opt.crop_size} does not fit into {names} (--preprocess {opt.preprocess}): "
        "give a smaller --crop_size, or --preprocess resize_and_crop, which enlarges"
    )


def to_pixels(image: Image.Image) -> torch.Tensor:
    """Copy an image with 8 bits per channel into a uint8 tensor (C, H, W)."""
    array = np.asarray(image)
    array = array if array.ndim == 3 else array[..., None]
    return torch.from_numpy(array.transpose(2, 0, 1).copy())


def steps_of(transform: Any) -> list[Callable]:
    """Return the steps of a Compose, ours or torchvision's; any other transform is one step."""
    torchvision = sys.modules.get("torchvision.transforms")  # not imported: that takes seconds
    if type(transform) in (Compose, getattr(torchvision, "Compose", Compose)):
        return list(transform.transforms)
    return [transform]


def apply_as_bytes(steps: list[Callable], image: Any) -> Any:
    """Apply the steps of a transform; if the last is ``to_tensor``, return uint8 instead."""
    if not steps or steps[-1] is not to_tensor:
        return Compose(steps)(image)
    image = Compose(steps[:-1])(image)
    return to_pixels(image) if image.mode in BYTE_MODES else to_tensor(image)


def to_tensor(image: Any) -> torch.Tensor:
    """Return a float tensor (C, H, W) in [-1, 1], as torchvision's ToTensor and Normalize do.

    Args:
        image: a PIL image, or a :class:`Raster`, whose values are in [-1, 1] already.
    """
    if isinstance(image, Raster):
        return torch.from_numpy(image.pixels.transpose(2, 0, 1).copy())
    if image.mode in BYTE_MODES:
        return to_float(to_pixels(image))
    from torchvision.transforms import functional  # slow to import, and rarely needed

    return functional.normalize(functional.to_tensor(image), [0.5], [0.5])


def to_float(pixels: torch.Tensor, device: str = "cpu") -> torch.Tensor:
    """Copy a uint8 tensor to ``device`` as floats in [-1, 1], without waiting for a GPU.

    x / 127.5 - 1 has the same bits as torchvision's (x / 255 - 0.5) / 0.5, because factors of 2
    are exact. The divisor is a tensor: GPUs replace division by a number with a multiplication by
    its rounded inverse.
    """
    values = pixels.to(device, non_blocking=str(device).startswith("cuda")).float()
    return values.div_(torch.full((), 127.5, device=device)).sub_(1)


def images_to_float(item: dict, device: str = "cpu") -> dict:
    """Apply :func:`to_float` to every uint8 tensor of an item or a batch."""
    return {
        key: to_float(value, device)
        if isinstance(value, torch.Tensor) and value.dtype == torch.uint8
        else value
        for key, value in item.items()
    }

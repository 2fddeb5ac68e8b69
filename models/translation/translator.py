"""A trained generator as a function, for scripts and notebooks."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from data.base_dataset import get_transform
from data.dataset_of_images import OPAQUE
from data.image_file import (
    LOW,
    as_mode,
    bits_per_channel,
    check_values,
    has_alpha,
    highest_value,
    open_image,
    too_low,
    value_problem,
)
from models.test_model import TestModel
from util.console import quiet, say
from util.errors import UserError, culprit, first_line
from util.images import show_images
from util.modules import batch_dependence
from util.option_defaults import theirs
from util.seeds import LocalGenerators
from util.upsampling import require_upsampling

EXPECTED = (
    "an image should be a PIL image, the path of a file, an array of uint8 (H, W) or (H, W, C), an "
    "array of floats with value_range, a tensor, or a list of these"
)


class Translator:
    """Translates images, and returns the type that it is given.

    The pixels are those that ``test.py`` saves. Several threads may call it at the same time. A
    call changes neither the network nor the random number generators of the process.

    Attributes:
        opt: the options of the test.
        origin: the folder or archive of the run, for ``repr``.
        silent: print nothing; what the user should know is a Python warning, once.
        messages: what loading would have printed, if ``silent``.
    """

    def __init__(self, opt, silent: bool = False) -> None:
        """Load the generator. Raises UserError: ``--model`` is given and not "test"."""
        if opt.model != "test":
            raise UserError(
                f"--model {opt.model}: one generator translates, so leave this option out "
                "(--direction BtoA chooses the other generator)"
            )
        self.opt, self.silent = opt, silent
        self.messages: list[str] = []
        self.model = TestModel(opt)
        require_upsampling(opt, self.model)
        self.model.setup(theirs(opt))
        self.origin = str(self.model.source.parent)
        if opt.eval:
            self.model.eval()
        for layer in self.model.netG.modules():
            if isinstance(layer, (nn.BatchNorm2d, nn.SyncBatchNorm)):
                layer.track_running_stats = False  # without --eval, a call would change statistics
        self.dependence = batch_dependence([self.model.netG])
        self.said_opaque = False
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def __repr__(self) -> str:
        opt, net = self.opt, self.model.netG
        sizes = {"resize": "load_size", "scale_width": "load_size", "crop": "crop_size"}
        used = dict.fromkeys(size for word, size in sizes.items() if word in opt.preprocess)
        settings = "".join(f", {size}={getattr(opt, size)}" for size in used)
        millions = sum(weights.numel() for weights in net.parameters()) / 1e6
        return (
            f"<Translator {opt.direction} of {self.origin} ({self.model.source.name}): "
            f"{opt.netG}, {millions:.3g} M parameters, {opt.input_nc} -> {opt.output_nc} channels, "
            f'preprocess="{opt.preprocess}"{settings}, on {opt.device}>'
        )

    def __call__(self, image: Any, value_range: tuple[float, float] | None = None) -> Any:
        """Translate an image, a batch of tensors, or a list of images.

        Args:
            image: one of
                - a PIL image of any mode, or the path of an image file: gives a PIL image;
                - an array of uint8, (H, W) or (H, W, C): gives uint8 (H, W, C);
                - an array of floats of the same shapes, with ``value_range``. It is not
                  preprocessed, and gives floats in that range;
                - a tensor (C, H, W) or (N, C, H, W) in [-1, 1], which is not preprocessed, either.
                  The images of a batch influence each other if batch statistics are in use; a
                  warning says so;
                - a list or a tuple of these: gives a list.
            value_range: the values of black and white in arrays of floats, such as (0, 1).

        Raises:
            UserError: it is none of these, cannot be read, or has a wrong number of channels.
        """
        if value_range is not None:
            value_range = checked_range(value_range)
        if isinstance(image, list | tuple):
            results = []
            for index, item in enumerate(image):
                with culprit(f"image {index} of the list"):
                    results.append(self(item, value_range))
            return results
        with quiet() if self.silent else contextlib.nullcontext():
            if isinstance(image, np.ndarray) and image.dtype.kind == "f":
                return self._translate_floats(image, value_range)
            if value_range is not None:
                raise UserError(f"value_range is for arrays of floats, not for {described(image)}")
            if isinstance(image, torch.Tensor):
                return self._translate_tensor(image)
            if isinstance(image, str | os.PathLike):
                return self._translate_picture(opened(os.fspath(image)))
            if isinstance(image, np.ndarray):
                return np.asarray(self._translate_picture(as_picture(image)))
            return self._translate_picture(image)

    def _translate_picture(self, picture: Any) -> Image.Image:
        """Translate a PIL image. Raises UserError: it is none, or cannot be read or used."""
        if not isinstance(picture, Image.Image) or picture.mode == "F" or not all(picture.size):
            raise UserError(f"{EXPECTED}, not {described(picture)}")
        deep = not value_problem(picture) and bits_per_channel(picture) == 16
        try:
            picture.load()  # Image.open reads only the header
        except Exception as error:  # Pillow's decoders raise almost anything on damaged files
            raise UserError(f"cannot read the image: {first_line(error)}") from None
        if deep and highest_value(picture) <= LOW:
            raise UserError(f"the image cannot be used: {too_low(1)}")
        if self.opt.input_nc in (2, 4) and not has_alpha(picture) and not self.said_opaque:
            self._report(f"an image without alpha, {OPAQUE}")
            self.said_opaque = True
        picture = as_mode(picture, self.opt.input_nc, exif=not self.opt.no_exif)
        result = self._run(self.transform(picture)[None])
        return Image.fromarray(show_images({"the translation": result})["the translation"])

    def _translate_floats(
        self, array: np.ndarray, value_range: tuple[float, float] | None
    ) -> np.ndarray:
        """Translate (H, W) or (H, W, C); the result has the same type of number.

        Raises UserError: there is no range, values are far outside of it, or the channels differ.
        """
        channels = self.opt.input_nc
        if value_range is None:
            raise UserError(
                f"{described(array)} needs value_range=(BLACK, WHITE), such as (0, 1) or (-1, 1)"
            )
        whole = array[..., None] if array.ndim == 2 else array
        if array.ndim == 2 and channels == 3:
            whole = np.repeat(whole, 3, axis=2)
        if whole.ndim != 3 or whole.shape[2] != channels or not whole.size:
            raise UserError(f"an array should be (H, W, {channels}), not {described(array)}")
        black, white = value_range
        unit = (whole.astype(np.float64) - black) * (2 / (white - black)) - 1
        low, high = (float(edge) for edge in (whole.min(), whole.max()))
        if not -2 <= unit.min() <= unit.max() <= 2:  # a resize may overshoot a little; NaN fails
            raise UserError(
                f"the values of an array should be in value_range={value_range}, "
                f"not from {low:g} to {high:g}"
            )
        tensor = torch.from_numpy(unit.astype(np.float32).transpose(2, 0, 1).copy())
        result = self._run(tensor[None])[0].permute(1, 2, 0).double().numpy()
        result = ((result + 1) * ((white - black) / 2) + black).astype(array.dtype)
        return result[..., 0] if array.ndim == 2 and result.shape[2] == 1 else result

    def _translate_tensor(self, image: torch.Tensor) -> torch.Tensor:
        """Translate (C, H, W) or (N, C, H, W) in [-1, 1]; the result has the same type of number.

        Raises UserError: the tensor has another shape, or values far outside of this range.
        """
        channels = self.opt.input_nc
        usual = image.layout == torch.strided and not (image.is_nested or image.is_meta)
        fits = usual and image.dim() in (3, 4) and image.shape[-3] == channels
        if not (fits and image.is_floating_point() and all(image.shape[-2:])):
            raise UserError(
                f"a tensor should be (N, {channels}, H, W) or ({channels}, H, W) in [-1, 1], "
                f"not {described(image)}"
            )
        low, high = torch.aminmax(image.detach().float()) if image.numel() else (0, 0)
        if not -2 <= low <= high <= 2:  # a resize may overshoot a little; NaN fails, too
            raise UserError(
                "the values of a tensor should be in [-1, 1] (for bytes: x / 127.5 - 1), "
                f"not from {low:g} to {high:g}"
            )
        if image.dim() == 3:
            return self._run(image[None])[0]
        if len(image) > 1 and self.dependence:
            self._report(f"images of a batch influence each other, because of {self.dependence}")
            self.dependence = ""  # said once
        return self._run(image)

    def _run(self, batch: torch.Tensor) -> torch.Tensor:
        model = copy.copy(self.model)  # its images belong to this call alone
        with LocalGenerators(self.opt.seed):
            model.set_input({"A": batch.float(), "A_paths": []})
            model.test()
        return model.fake.to(batch)

    def _report(self, message: str) -> None:
        if self.silent:
            warnings.warn(message, stacklevel=2)
        else:
            say(message)


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


def checked_range(value_range: Any) -> tuple[float, float]:
    """Return a range as (lowest, highest). Raises UserError: these are not two numbers in order."""
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"value_range should be (BLACK, WHITE), such as (0, 1), not {value_range}")
    return low, high


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

"""A trained generator as a function, for scripts and notebooks."""

from __future__ import annotations

import copy
from typing import TypeVar

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
    has_alpha,
    highest_value,
    too_low,
    value_problem,
)
from models.test_model import TestModel
from util.console import say
from util.errors import UserError, first_line
from util.images import show_images, tensor2im
from util.modules import batch_dependence
from util.option_defaults import theirs
from util.seeds import LocalGenerators
from util.upsampling import require_upsampling

Picture = TypeVar("Picture", Image.Image, np.ndarray, torch.Tensor)


class Translator:
    """Translates a PIL image, an array or a tensor, and returns the same type.

    The pixels are those that ``test.py`` saves. Several threads may call it at the same time. A
    call changes neither the network nor the random number generators of the process.
    """

    def __init__(self, opt) -> None:
        """Load the generator. Raises UserError: ``--model`` is given and not "test"."""
        if opt.model != "test":
            raise UserError(
                f"--model {opt.model}: one generator translates, so leave this option out "
                "(--direction BtoA chooses the other generator)"
            )
        self.opt = opt
        self.model = TestModel(opt)
        require_upsampling(opt, self.model)
        self.model.setup(theirs(opt))
        if opt.eval:
            self.model.eval()
        for layer in self.model.netG.modules():
            if isinstance(layer, (nn.BatchNorm2d, nn.SyncBatchNorm)):
                layer.track_running_stats = False  # without --eval, a call would change statistics
        self.dependence = batch_dependence([self.model.netG])
        self.said_opaque = False
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def __call__(self, image: Picture) -> Picture:
        """Translate one image, or a batch of tensors.

        Args:
            image: a PIL image of any mode; an array of uint8, (H, W) or (H, W, C); or a tensor
                (C, H, W) or (N, C, H, W) in [-1, 1], which is not preprocessed. The images of a
                batch influence each other if batch statistics are in use; one line says so.

        Raises:
            UserError: it is none of these, cannot be read, or has a wrong number of channels.
        """
        if isinstance(image, torch.Tensor):
            return self._translate_tensor(image)
        try:
            picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        except (AttributeError, TypeError, IndexError, ValueError):
            raise UserError(
                "an image should be a PIL image, an array of uint8 (H, W) or (H, W, C) that is not "
                "empty, or a tensor"
            ) from None
        kind = str(image.dtype) if isinstance(image, np.ndarray) else picture.mode
        wrong = kind != "uint8" if isinstance(image, np.ndarray) else kind == "F"
        if wrong or not all(picture.size):
            raise UserError(
                "an image should be uint8 and not empty, "
                f"not {kind} of {picture.width}x{picture.height}"
            )
        deep = not value_problem(picture) and bits_per_channel(picture) == 16
        try:
            picture.load()  # Image.open reads only the header
        except Exception as error:  # Pillow's decoders raise almost anything on damaged files
            raise UserError(f"cannot read the image: {first_line(error)}") from None
        if deep and highest_value(picture) <= LOW:
            raise UserError(f"the image cannot be used: {too_low(1)}")
        if self.opt.input_nc in (2, 4) and not has_alpha(picture) and not self.said_opaque:
            say(f"an image without alpha, {OPAQUE}")
            self.said_opaque = True
        picture = as_mode(picture, self.opt.input_nc, exif=not self.opt.no_exif)
        result = self._run(self.transform(picture)[None])
        if isinstance(image, np.ndarray):
            return tensor2im(result)
        return Image.fromarray(show_images({"the translation": result})["the translation"])

    def _translate_tensor(self, image: torch.Tensor) -> torch.Tensor:
        """Translate (C, H, W) or (N, C, H, W) in [-1, 1]; the result has the same type of number.

        Raises UserError: the tensor has another shape, or values far outside of this range.
        """
        channels = self.opt.input_nc
        usual = image.layout == torch.strided and not (image.is_nested or image.is_meta)
        fits = usual and image.dim() in (3, 4) and image.shape[-3] == channels
        if not (fits and image.is_floating_point() and all(image.shape[-2:])):
            given = "a nested one" if image.is_nested else f"{tuple(image.shape)} of {image.dtype}"
            raise UserError(
                f"a tensor should be (N, {channels}, H, W) or ({channels}, H, W) in [-1, 1], "
                f"not {given}" + " without values" * image.is_meta
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
            say(f"images of a batch influence each other, because of {self.dependence}")
            self.dependence = ""  # said once
        return self._run(image)

    def _run(self, batch: torch.Tensor) -> torch.Tensor:
        model = copy.copy(self.model)  # its images belong to this call alone
        with LocalGenerators(self.opt.seed):
            model.set_input({"A": batch.float(), "A_paths": []})
            model.test()
        return model.fake.to(batch)

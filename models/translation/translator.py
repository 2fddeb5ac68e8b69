"""A trained generator as a function, for scripts and notebooks."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from data.base_dataset import get_transform
from data.image_folder import as_mode
from models.test_model import TestModel
from util.errors import UserError
from util.images import tensor2im
from util.seeds import preserve_rng, seed_everything

Picture = TypeVar("Picture", Image.Image, np.ndarray, torch.Tensor)


class Translator:
    """Call it with a PIL image, an array or a tensor; it returns the same kind, pixel by pixel what ``test.py`` saves."""

    def __init__(self, opt) -> None:
        if opt.model != "test":
            raise UserError(
                f"--model {opt.model}: one generator translates, so leave it out (--direction BtoA takes the other)"
            )
        self.opt = opt
        self.model = TestModel(opt)
        self.model.setup(opt)
        if opt.eval:
            self.model.eval()
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def __call__(self, image: Picture) -> Picture:
        """Translate one image, or a batch of tensors.

        Args:
            image: a PIL image of any mode; uint8 (H, W) or (H, W, C); or a tensor (C, H, W) or (N, C, H, W) in [-1, 1],
                which is not preprocessed.

        Raises UserError: it is none of these, or a tensor with too few or many channels.
        """
        if isinstance(image, torch.Tensor):
            if (
                image.dim() not in (3, 4)
                or image.shape[-3] != self.opt.input_nc
                or not image.is_floating_point()
            ):
                raise UserError(
                    f"a tensor should be (N, {self.opt.input_nc}, H, W) or ({self.opt.input_nc}, H, W) in [-1, 1], "
                    f"not {tuple(image.shape)} of {image.dtype}"
                )
            result = self._run(image if image.dim() == 4 else image[None])
            return result if image.dim() == 4 else result[0]
        try:
            picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        except (AttributeError, TypeError):
            raise UserError(
                "an image should be a PIL image, an array of uint8 (H, W) or (H, W, C), or a tensor"
            ) from None
        if picture.mode == "F" or not all(picture.size):
            raise UserError(
                f"an image should be uint8 and not empty, not {picture.mode} of {picture.width}x{picture.height}"
            )
        picture = as_mode(picture, self.opt.input_nc, exif=not self.opt.no_exif)
        array = tensor2im(self._run(self.transform(picture)[None]))
        return array if isinstance(image, np.ndarray) else Image.fromarray(array)

    def _run(self, batch: torch.Tensor) -> torch.Tensor:
        with preserve_rng():
            seed_everything(self.opt.seed)
            self.model.set_input({"A": batch, "A_paths": []})
            self.model.test()
        return self.model.fake.to(batch.device)

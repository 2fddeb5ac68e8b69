"""A folder of colour images, split into lightness and colour."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import torch
from PIL import Image

from data.base_dataset import get_transform
from data.dataset_of_images import BaseDataset, check_sizes
from data.image_file import check_values
from data.image_to_tensor import to_pixels
from data.listing import REDUCED, find_images, remarks
from util.errors import UserError
from util.image.lab import rgb_to_lab


class ColorizationDataset(BaseDataset):
    """``dataroot/train`` (or val, test)."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        parser.set_defaults(input_nc=1, output_nc=2, direction="AtoB")
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        if (opt.input_nc, opt.output_nc, opt.direction) != (1, 2, "AtoB"):
            raise UserError(
                "--dataset_mode colorization needs --input_nc 1 --output_nc 2 --direction AtoB "
                "(its defaults)"
            )
        self.AB_paths = find_images(opt, opt.phase)
        if check_values(self.AB_paths, opt.phase):
            remarks.append(f"{opt.phase}: {REDUCED}")
        check_sizes(opt, self.AB_paths)
        self.transform = get_transform(opt)
        self.dir = os.path.join(opt.dataroot, opt.phase)  # an official attribute, for subclasses

    def __getitem__(self, index: int) -> dict:
        """Return {"A": L (1, H, W), "B": ab (2, H, W), "A_paths": str, "B_paths": str}.

        L is in [-1, 1]; see :func:`util.image.lab.rgb_to_lab`. Both paths are that of the image.
        """
        path = self.AB_paths[index]
        image = self.image(path, 3, self.transform)
        if isinstance(image, Image.Image):  # of get_transform(opt, convert=False)
            image = to_pixels(image)
        rgb = image / 255 if image.dtype == torch.uint8 else (image + 1) / 2
        L, ab = rgb_to_lab(rgb)
        return {"A": L, "B": ab, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.AB_paths)

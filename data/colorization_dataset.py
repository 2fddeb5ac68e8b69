"""A folder of colour images, split into lightness and colour."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from data.base_dataset import BaseDataset, check_sizes
from data.image_folder import find_images
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
                "--dataset_mode colorization needs --input_nc 1 --output_nc 2 --direction AtoB (its defaults)"
            )
        self.AB_paths = find_images(opt, opt.phase)
        check_sizes(opt, self.AB_paths)

    def __getitem__(self, index: int) -> dict:
        """{"A": L (1, H, W) in [-1, 1], "B": ab (2, H, W), "A_paths": str, "B_paths": str}; both paths name the same file."""
        path = self.AB_paths[index]
        A, B = rgb_to_lab(self.crop_and_flip(self.load_resized(path, 3)).float().div(255))
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.AB_paths)

"""A template for custom datasets: each image, paired with its grayscale version.

Copy this file to ``data/NAME_dataset.py``, rename the class to ``NameDataset``, and run
``python train.py --dataset_mode NAME``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from torchvision.transforms.functional import rgb_to_grayscale

from data.base_dataset import BaseDataset, get_transform
from data.listing import list_images
from util.limits import real


class TemplateDataset(BaseDataset):
    """A: the images in ``dataroot``. B: in grayscale, contrast times ``--new_dataset_option``."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options and change defaults.

        ``python train.py --dataset_mode template --help`` shows the result.
        """
        parser.add_argument(
            "--new_dataset_option", type=real(0, 100), default=1.0, help="contrast of B"
        )
        parser.set_defaults(max_dataset_size=10, new_dataset_option=2.0)
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)  # sets self.opt and self.root
        self.image_paths = list_images(self.root, opt.max_dataset_size)
        self.transform = get_transform(opt)  # of --preprocess and --no_flip

    def __getitem__(self, index: int) -> dict:
        """Return tensors (C, H, W) in [-1, 1], and the paths that outputs are named after.

        The generators of Python, NumPy and PyTorch are seeded for each item: random transforms are
        reproducible.
        """
        path = self.image_paths[index]
        A = self.transform(self.read(path))
        B = (rgb_to_grayscale(A, 3) * self.opt.new_dataset_option).clamp(-1, 1)
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.image_paths)

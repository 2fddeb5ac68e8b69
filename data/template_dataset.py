"""A small dataset to copy: each image, and the same image without its colours. ``--dataset_mode template`` loads it.

For a dataset of your own, copy this file to ``data/NAME_dataset.py``, call the class ``NameDataset``, and run
``python train.py --dataset_mode name``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from torchvision.transforms.functional import rgb_to_grayscale

from data.base_dataset import BaseDataset, get_transform
from data.image_folder import make_dataset


class TemplateDataset(BaseDataset):
    """All images in ``dataroot``: A is the image, B its grayscale version, with ``--new_dataset_option`` times the contrast."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options, and change defaults; ``train.py --dataset_mode template --help`` shows them."""
        parser.add_argument("--new_dataset_option", type=float, default=1.0, help="contrast of B")
        parser.set_defaults(max_dataset_size=10, new_dataset_option=2.0)
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)  # self.opt, self.root
        self.image_paths = make_dataset(self.root, opt.max_dataset_size)  # sorted
        self.transform = get_transform(opt)  # what --preprocess and --no_flip say

    def __getitem__(self, index: int) -> dict:
        """One item: tensors (C, H, W) in [-1, 1], and the path that outputs are named after.

        Draw from ``random``, ``numpy.random`` or ``torch`` as you like: they are seeded for each item.
        """
        path = self.image_paths[index]
        A = self.transform(self.read(path))
        B = (rgb_to_grayscale(A, 3) * self.opt.new_dataset_option).clamp(-1, 1)
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.image_paths)

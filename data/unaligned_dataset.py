"""Two folders of unpaired images."""

from __future__ import annotations

import os
import random
from argparse import Namespace

from data.base_dataset import BaseDataset, check_sizes, get_transform
from data.image_folder import find_images


class UnalignedDataset(BaseDataset):
    """``dataroot/trainA`` and ``dataroot/trainB`` (in tests testA and testB). An epoch is as long as the larger one.

    Each image of A (in random order) meets a random image of B; with ``--serial_batches`` both run in order.
    """

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.A_paths, self.B_paths = (find_images(opt, opt.phase + domain) for domain in "AB")
        check_sizes(opt, self.A_paths + self.B_paths)
        self.nc_A, self.nc_B = (
            (opt.input_nc, opt.output_nc)
            if opt.direction == "AtoB"
            else (opt.output_nc, opt.input_nc)
        )
        self.transform_A = get_transform(opt, grayscale=self.nc_A == 1)
        self.transform_B = get_transform(opt, grayscale=self.nc_B == 1)
        self.dir_A, self.dir_B = (
            os.path.join(opt.dataroot, opt.phase + domain) for domain in "AB"
        )  # for subclasses
        self.A_size, self.B_size = len(self.A_paths), len(self.B_paths)

    def pixels(self, index: int) -> dict:
        """{"A": uint8 (C, H, W), "B": (C, H, W), "A_paths": str, "B_paths": str}"""
        a = index % len(self.A_paths)
        b = (
            index % len(self.B_paths)
            if self.opt.serial_batches
            else random.randrange(len(self.B_paths))
        )
        A_path, B_path = self.A_paths[a], self.B_paths[b]
        return {
            "A": self.image(A_path, self.nc_A, self.transform_A),
            "B": self.image(B_path, self.nc_B, self.transform_B),
            "A_paths": A_path,
            "B_paths": B_path,
        }

    def __len__(self) -> int:
        return max(len(self.A_paths), len(self.B_paths))

    def __str__(self) -> str:
        return f"{len(self.A_paths)} images A, {len(self.B_paths)} images B"

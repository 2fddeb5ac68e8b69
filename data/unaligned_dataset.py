"""Two folders of unpaired images."""

from __future__ import annotations

import os
import random
from argparse import Namespace

from data.base_dataset import get_transform
from data.dataset_of_images import BaseDataset, channels_of_domains, check_sizes, count_opaque
from data.listing import find_images
from util.words import amount


class UnalignedDataset(BaseDataset):
    """``dataroot/trainA`` and ``dataroot/trainB`` (in tests testA and testB).

    An epoch has as many items as the larger folder has images. Image B of an item is drawn at
    random; with ``--serial_batches`` both domains are read in order.
    """

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.A_paths, self.B_paths = (find_images(opt, opt.phase + domain) for domain in "AB")
        check_sizes(opt, self.A_paths + self.B_paths)
        self.nc_A, self.nc_B = channels_of_domains(opt)
        count_opaque(self.A_paths, self.nc_A, opt.phase + "A")
        count_opaque(self.B_paths, self.nc_B, opt.phase + "B")
        self.transform_A = get_transform(opt, grayscale=self.nc_A == 1)
        self.transform_B = get_transform(opt, grayscale=self.nc_B == 1)
        # Attributes of the official class, for subclasses
        self.dir_A, self.dir_B = (os.path.join(opt.dataroot, opt.phase + domain) for domain in "AB")
        self.A_size, self.B_size = len(self.A_paths), len(self.B_paths)

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "B": uint8 (C, H, W), "A_paths": str, "B_paths": str}."""
        number = self.B_size
        A_path = self.A_paths[index % self.A_size]
        B_index = index % number if self.opt.serial_batches else random.randrange(number)
        B_path = self.B_paths[B_index]
        A = self.image(A_path, self.nc_A, self.transform_A)
        B = self.image(B_path, self.nc_B, self.transform_B)
        return {"A": A, "B": B, "A_paths": A_path, "B_paths": B_path}

    def __len__(self) -> int:
        return max(self.A_size, self.B_size)

    def __str__(self) -> str:
        return f"{amount(len(self.A_paths), 'image')} A, {amount(len(self.B_paths), 'image')} B"

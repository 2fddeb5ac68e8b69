"""Two folders of unpaired images."""

from __future__ import annotations

import os
import random
from argparse import Namespace

from data.base_dataset import get_transform
from data.dataset_of_images import BaseDataset, check_sizes, count_opaque
from data.rasters.items import channels_of_domains
from util.words import amount


class UnalignedDataset(BaseDataset):
    """``dataroot/trainA`` and ``dataroot/trainB`` (in tests testA and testB).

    Without trainA, trainA1, trainA2, ... are several inputs, whose bands are joined.

    An epoch has as many items as the larger folder has images. Image B of an item is drawn at
    random; with ``--serial_batches`` both domains are read in order.
    """

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.A_paths, self.B_paths = (self.find_files(opt, opt.phase + domain) for domain in "AB")
        check_sizes(opt, self.A_paths + self.B_paths)
        self.nc_A, self.nc_B = channels_of_domains(opt)
        files, channels = {"A": self.A_paths, "B": self.B_paths}, {"A": self.nc_A, "B": self.nc_B}
        self.set_values(files, channels, opt.phase + "{}")
        for domain, paths in files.items():
            if (rule := self.values[domain]) is None or rule.converts_pictures:
                count_opaque(paths, channels[domain], opt.phase + domain)
        self.transform_A = get_transform(opt, grayscale=self.nc_A == 1)
        self.transform_B = get_transform(opt, grayscale=self.nc_B == 1)
        # Attributes of the official class, for subclasses
        self.dir_A, self.dir_B = (os.path.join(opt.dataroot, opt.phase + domain) for domain in "AB")
        self.A_size, self.B_size = len(self.A_paths), len(self.B_paths)

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "B": uint8 (C, H, W), "A_paths": str, "B_paths": str}.

        Images that are not on the 8-bit path are floats; see :meth:`entry`.
        """
        number = self.B_size
        A_path = self.A_paths[index % self.A_size]
        B_index = index % number if self.opt.serial_batches else random.randrange(number)
        B_path = self.B_paths[B_index]
        A = self.entry("A", A_path, self.nc_A, self.transform_A)
        return A | self.entry("B", B_path, self.nc_B, self.transform_B)

    def __len__(self) -> int:
        return max(self.A_size, self.B_size)

    def __str__(self) -> str:
        return f"{amount(len(self.A_paths), 'image')} A, {amount(len(self.B_paths), 'image')} B"

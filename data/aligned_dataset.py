"""Pairs: each file holds image A in its left and image B in its right half."""
from __future__ import annotations

import os
from argparse import Namespace

from data.base_dataset import BaseDataset, check_sizes, get_params, get_transform
from data.image_folder import as_mode, make_dataset


class AlignedDataset(BaseDataset):
    """``dataroot/train`` (or val, test). Both halves get the same crop and flip."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.AB_paths = make_dataset(os.path.join(opt.dataroot, opt.phase), opt.max_dataset_size)
        check_sizes(opt, self.AB_paths, across=2)
        self.nc_A, self.nc_B = (opt.input_nc, opt.output_nc) if opt.direction == "AtoB" else (opt.output_nc, opt.input_nc)

    def __getitem__(self, index: int) -> dict:
        """{"A": (C, H, W) in [-1, 1], "B": (C, H, W), "A_paths": str, "B_paths": str}; both paths name the pair's file."""
        path = self.AB_paths[index]
        widest = self.read(path, 4 if {self.nc_A, self.nc_B} & {2, 4} else 3)
        half = widest.width // 2
        A = as_mode(widest.crop((0, 0, half, widest.height)), self.nc_A)
        B = as_mode(widest.crop((half, 0, widest.width, widest.height)), self.nc_B)
        params = get_params(self.opt, A.size)
        return {"A": get_transform(self.opt, params, grayscale=self.nc_A == 1)(A),
                "B": get_transform(self.opt, params, grayscale=self.nc_B == 1)(B), "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.AB_paths)

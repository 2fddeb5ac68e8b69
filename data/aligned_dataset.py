"""Pairs: each file holds image A in its left and image B in its right half."""

from __future__ import annotations

from argparse import Namespace

from data.base_dataset import BaseDataset, check_sizes, get_params
from data.image_folder import find_images


class AlignedDataset(BaseDataset):
    """``dataroot/train`` (or val, test). Both halves get the same crop and flip."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.AB_paths = find_images(opt, opt.phase)
        check_sizes(opt, self.AB_paths, n_side_by_side=2)
        self.nc_A, self.nc_B = (
            (opt.input_nc, opt.output_nc)
            if opt.direction == "AtoB"
            else (opt.output_nc, opt.input_nc)
        )

    def pixels(self, index: int) -> dict:
        """{"A": uint8 (C, H, W), "B": (C, H, W), "A_paths": str, "B_paths": str}; both paths name the pair's file."""
        path = self.AB_paths[index]
        both = self.load_resized(path, self.nc_A, self.nc_B)
        A, B = self.crop_and_flip(both, get_params(self.opt, (both.shape[1], both.shape[0]))).split(
            [self.nc_A, self.nc_B]
        )
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.AB_paths)

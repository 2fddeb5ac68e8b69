"""Pairs: each file holds image A in its left half and image B in its right half."""

from __future__ import annotations

import os
from argparse import Namespace

from data.base_dataset import get_params, get_transform
from data.dataset_of_images import BaseDataset, channels_of_domains, check_sizes, count_opaque
from data.image_to_tensor import Resize, apply_as_bytes
from data.listing import find_images


class AlignedDataset(BaseDataset):
    """``dataroot/train`` (or val, test). Both halves get the same crop and flip."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.AB_paths = find_images(opt, opt.phase)
        check_sizes(opt, self.AB_paths, n_side_by_side=2)
        channels = self.input_nc, self.output_nc = channels_of_domains(opt)
        count_opaque(self.AB_paths, 4 if {2, 4} & set(channels) else 3, opt.phase)
        self.dir_AB = os.path.join(opt.dataroot, opt.phase)  # an official attribute, for subclasses

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "B": uint8 (C, H, W), "A_paths": str, "B_paths": str}.

        Both paths are that of the pair.
        """
        path, opt, channels = self.AB_paths[index], self.opt, (self.input_nc, self.output_nc)
        resizes = [Resize(opt.preprocess, opt.load_size, nc == 1) for nc in channels]
        halves = self.load_resized(path, channels, resizes)
        steps = get_transform(opt, get_params(opt, halves[0].size)).transforms
        A, B = (apply_as_bytes(steps, half) for half in halves)
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def __len__(self) -> int:
        return len(self.AB_paths)

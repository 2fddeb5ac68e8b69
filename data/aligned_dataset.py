"""Pairs: each file holds image A in its left half and image B in its right half."""

from __future__ import annotations

import os
from argparse import Namespace

from data.base_dataset import get_params, get_transform
from data.dataset_of_images import BaseDataset, check_sizes, count_opaque
from data.image_to_tensor import Resize, apply_as_bytes, steps_of
from data.listing import find_images
from data.rasters.items import channels_of_domains, raster_entry
from data.rasters.rules import complete_pair


class AlignedDataset(BaseDataset):
    """``dataroot/train`` (or val, test). Both halves get the same crop and flip."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.AB_paths = find_images(opt, opt.phase)
        check_sizes(opt, self.AB_paths, n_side_by_side=2)
        channels = self.input_nc, self.output_nc = channels_of_domains(opt)
        files = dict.fromkeys("AB", self.AB_paths)
        self.set_values(files, dict(zip("AB", channels, strict=True)), opt.phase)
        self.pair = complete_pair(self.values, channels)
        self.values = dict(self.pair) or self.values
        if not self.pair:
            count_opaque(self.AB_paths, 4 if {2, 4} & set(channels) else 3, opt.phase)
        self.dir_AB = os.path.join(opt.dataroot, opt.phase)  # an official attribute, for subclasses

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "B": uint8 (C, H, W), "A_paths": str, "B_paths": str}.

        Both paths are that of the pair. Images that are not on the 8-bit path are floats, see
        :meth:`entry`; for them, the middle of a file with an odd width belongs to B.
        """
        if self.pair:
            return self._halves_of_values(self.AB_paths[index])
        path, opt, channels = self.AB_paths[index], self.opt, (self.input_nc, self.output_nc)
        resizes = [Resize(opt.preprocess, opt.load_size, nc == 1) for nc in channels]
        halves = self.load_resized(path, channels, resizes)
        steps = get_transform(opt, get_params(opt, halves[0].size)).transforms
        A, B = (apply_as_bytes(steps, half) for half in halves)
        return {"A": A, "B": B, "A_paths": path, "B_paths": path}

    def _halves_of_values(self, path: str) -> dict:
        """Return the item of a file whose halves follow the rules of the domains."""
        item: dict = {"A_paths": path, "B_paths": path}
        halves, opt = {}, self.opt
        for domain, rule in self.pair.items():
            array = self.used_array(path, rule)
            middle = array.shape[1] // 2
            part = array[:, :middle] if domain == "A" else array[:, middle:]
            halves[domain] = self.raster(part, rule, path)
        size = halves["A"][0].size
        steps = steps_of(get_transform(opt, get_params(opt, size)))
        for domain, (half, clipped) in halves.items():
            item |= raster_entry(domain, half, clipped, self.pair[domain], steps)
        return item

    def __len__(self) -> int:
        return len(self.AB_paths)

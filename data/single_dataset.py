"""One folder of images, for models that translate in one direction (``--model test``)."""

from __future__ import annotations

from argparse import Namespace

from data.base_dataset import get_transform
from data.dataset_of_images import BaseDataset, check_sizes, count_opaque
from data.listing import image_paths
from data.rasters.inputs import input_folders


class SingleDataset(BaseDataset):
    """All images in ``dataroot`` and its sub-folders.

    If it has folders testA1, testA2, ..., these are several inputs, whose bands are joined.
    """

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.domain = opt.direction[0]  # the folder that such images were in during training
        inputs = input_folders(opt.dataroot, opt.phase + self.domain)
        if inputs:
            self.A_paths = self.find_files(opt, opt.phase + self.domain)
        else:
            self.A_paths = image_paths(opt.dataroot, opt.max_dataset_size, arrays=True)
        check_sizes(opt, self.A_paths)
        self.set_values({self.domain: self.A_paths}, {self.domain: opt.input_nc}, opt.dataroot)
        if (rule := self.values[self.domain]) is None or rule.converts_pictures:
            count_opaque(self.A_paths, opt.input_nc, opt.dataroot)
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "A_paths": str}.

        Images that are not on the 8-bit path are floats; see :meth:`entry`.
        """
        path, nc = self.A_paths[index], self.opt.input_nc
        entry = self.entry(self.domain, path, nc, self.transform)
        return {f"A{key[1:]}": value for key, value in entry.items()}

    def __len__(self) -> int:
        return len(self.A_paths)

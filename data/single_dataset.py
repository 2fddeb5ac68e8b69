"""One folder of images, for models that translate in one direction (``--model test``)."""

from __future__ import annotations

from argparse import Namespace

from data.base_dataset import get_transform
from data.dataset_of_images import BaseDataset, check_sizes, count_opaque
from data.listing import list_images


class SingleDataset(BaseDataset):
    """All images in ``dataroot`` and its sub-folders."""

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.A_paths = list_images(opt.dataroot, opt.max_dataset_size)
        check_sizes(opt, self.A_paths)
        count_opaque(self.A_paths, opt.input_nc, opt.dataroot)
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "A_paths": str}."""
        path = self.A_paths[index]
        return {"A": self.image(path, self.opt.input_nc, self.transform), "A_paths": path}

    def __len__(self) -> int:
        return len(self.A_paths)

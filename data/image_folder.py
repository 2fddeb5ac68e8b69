"""The official names for the images of a folder; data/listing.py does the work."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from PIL import Image
from torch.utils import data

from data.image_file import read_image
from data.listing import IMG_EXTENSIONS, image_paths, is_image_file, make_dataset

# "from data.image_folder import *" also gives the modules that the official file imports.
__all__ = [
    "IMG_EXTENSIONS", "Image", "ImageFolder", "data", "default_loader", "is_image_file",
    "make_dataset", "os",
]  # fmt: skip


def default_loader(path: str) -> Image.Image:
    """Read an image file as RGB.

    Unlike in our datasets, EXIF data does not turn the image, as in the official code: labels that
    other functions read stay aligned with it.

    Raises:
        UserError: the image cannot be read; see :func:`data.image_file.read_image`.
    """
    return read_image(path, exif=False)


class ImageFolder(data.Dataset):
    """All images of a folder and its sub-folders.

    Attributes:
        imgs: paths of the images, sorted.
    """

    def __init__(
        self,
        root: str,
        transform: Callable | None = None,
        return_paths: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        """Args:
            transform: applied to what ``loader`` returns.
            return_paths: items are (image, path) instead of the image.
            loader: called with the path of an image.

        Raises:
            MissingFolder: the folder is missing; it is an AssertionError.
            NoImages: the folder holds no images; it is a RuntimeError.
        """
        self.root, self.transform = root, transform
        self.return_paths, self.loader = return_paths, loader
        self.imgs = image_paths(root)

    def __getitem__(self, index: int) -> Any:
        path = self.imgs[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        return (image, path) if self.return_paths else image

    def __len__(self) -> int:
        return len(self.imgs)

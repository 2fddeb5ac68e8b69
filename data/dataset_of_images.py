"""The base class of datasets: options, reading and resizing images, the cache of resized images."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import PIL
from PIL import Image
from torch.utils import data

from data.cache import Cache
from data.image_file import (
    as_mode,
    evenly_spread,
    has_alpha,
    limit_pixels,
    open_image,
    read_image,
)
from data.image_to_tensor import (
    Resize,
    apply_as_bytes,
    crop_fits,
    images_to_float,
    steps_of,
    too_small,
)
from data.listing import remarks
from data.rasters.header import upright_size
from data.rasters.items import ValuesOfDomains
from util.errors import UserError
from util.option_defaults import add_missing, ours
from util.words import amount

OPAQUE = "which are taken as opaque (255)"
READER = 3  # changes with the pixels that data/image_file.py gives for a file: caches are new then


class BaseDataset(ValuesOfDomains, data.Dataset, ABC):
    """Items are dicts such as {"A": float tensor (C, H, W) in [-1, 1], "A_paths": str}.

    A subclass implements ``__getitem__``, as in the official code. Or it implements :meth:`pixels`,
    whose 8-bit images are uint8: worker processes then send a quarter of the data, and the loader
    converts whole batches to floats on the model's device. :class:`ValuesOfDomains` adds images of
    other depths and numbers of bands.
    """

    def __init__(self, opt: Namespace) -> None:
        self.opt = add_missing(opt)
        opt = ours(self.opt)
        self.root = opt.dataroot
        limit_pixels(opt.max_pixels)
        self.cache: Cache | None = None
        if opt.cache_images is not None:
            folder = Path(opt.cache_images or Path(opt.checkpoints_dir) / ".cache")
            settings = (READER, opt.no_exif, opt.jpeg_draft, PIL.__version__)
            self.cache = Cache(folder, settings)

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this dataset, or change defaults with ``parser.set_defaults``."""
        return parser

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of items in an epoch."""

    def __getitem__(self, index: int) -> dict:
        """Return item ``index``.

        The loader seeds the generators of Python, NumPy and PyTorch by (seed, epoch, index) first.
        """
        return images_to_float(self.pixels(index))

    def pixels(self, index: int) -> dict:
        """Return item ``index`` with uint8 (C, H, W) in place of 8-bit images in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} needs __getitem__ or pixels")

    def __str__(self) -> str:
        return amount(len(self), "image")

    def read(self, path: str, channels: int = 3) -> Image.Image:
        """Decode an image; see :func:`data.image_file.read_image`."""
        return read_image(path, channels, exif=not ours(self.opt).no_exif)

    def image(self, path: str, channels: int, transform: Callable) -> Any:
        """Read an image file and apply ``transform``.

        Returns: uint8 (C, H, W) if the last step is ``to_tensor``, else the last step's result.
        """
        steps = steps_of(transform)
        if steps and isinstance(steps[0], Resize):
            [image] = self.load_resized(path, [channels], [steps[0]])
            return apply_as_bytes(steps[1:], image)
        return apply_as_bytes(steps, self.read(path, channels))

    def load_resized(
        self, path: str, channels: Sequence[int], resizes: Sequence[Resize]
    ) -> list[Image.Image]:
        """Read the images that stand side by side in a file, and resize them.

        ``--cache_images`` keeps the results. With ``--jpeg_draft``, JPEGs much larger than the
        results are decoded at a fraction of their size.

        Args:
            channels: of each image, from left to right.
            resizes: the resize step of each image.

        Raises UserError: the image cannot be read, or the memory does not suffice.
        """

        def load() -> list[Image.Image]:
            images = self._read_side_by_side(path, channels, resizes)
            try:
                return [resize(image) for resize, image in zip(resizes, images, strict=True)]
            except MemoryError:  # also for an image of one column and 100 million rows
                raise UserError(
                    f"cannot use the image {path}: there is not enough memory to resize it"
                ) from None

        return self.cache.get(path, (channels, resizes), load) if self.cache else load()

    def _read_side_by_side(
        self, path: str, channels: Sequence[int], resizes: Sequence[Resize]
    ) -> list[Image.Image]:
        number, exif, draft = len(channels), not ours(self.opt).no_exif, self._draft(resizes)
        with_alpha = 4 if {2, 4} & set(channels) else 3
        image = read_image(path, with_alpha, exif, draft, number, reduce=not self.uses_values)
        if number > 1:
            width, height = image.width // number, image.height
            edges = [i * width for i in range(number + 1)]
            if "resize" in resizes[0].preprocess:  # to one size, so the last image may be wider
                edges[-1] = image.width
            images = [image.crop((a, 0, b, height)) for a, b in pairwise(edges)]
        else:
            images = [image]
        return [as_mode(part, n, exif=False) for part, n in zip(images, channels, strict=True)]

    def _draft(self, resizes: Sequence[Resize]) -> tuple[int, int] | None:
        """Return the (width, height) to which a JPEG may be reduced while it is decoded."""
        first = resizes[0]
        to_square = "resize" in first.preprocess
        resizes_some = to_square or "scale_width" in first.preprocess
        if not ours(self.opt).jpeg_draft or not resizes_some:
            return None
        height = first.load_size if to_square else 1
        return first.load_size * len(resizes), height


def check_sizes(
    opt: Namespace, paths: list[str], n_side_by_side: int = 1, at_most: int = 500
) -> None:
    """Look for images smaller than the crop before a training that does not resize both sides.

    Args:
        n_side_by_side: number of images in each file.
        at_most: number of files to look at, evenly spread over ``paths``.

    Raises:
        UserError: lists the images that are too small.
    """
    if not opt.isTrain or opt.preprocess not in ("crop", "scale_width_and_crop"):
        return
    small = []
    for path in evenly_spread(paths, at_most):
        # An unreadable image is reported, with its cause, when the training reads it
        with contextlib.suppress(UserError):
            width, height = upright_size(path, ours(opt).npz_key, exif=not ours(opt).no_exif)
            width = max(1, width // n_side_by_side)
            if not crop_fits(opt, (width, height)):
                small.append(f"{path} ({width}x{height})")
    if small:
        count = amount(len(small), "image is", "images are")
        raise UserError(f"{too_small(opt, small)}; {count} too small")


def count_opaque(paths: Sequence[str], channels: int, source: str, at_most: int = 500) -> None:
    """Add to ``remarks`` how many images have no alpha, if 2 or 4 ``channels`` include it.

    Args:
        source: the folder or file that ``paths`` come from.
        at_most: number of files to look at, evenly spread over ``paths``.
    """
    if channels not in (2, 4):
        return
    looked_at = opaque = 0
    for path in evenly_spread(paths, at_most):
        # An unreadable image is reported, with its cause, when it is read
        with contextlib.suppress(UserError), open_image(path) as image:
            looked_at += 1
            opaque += not has_alpha(image)
    if opaque:
        remarks.append(
            f"{source}: {opaque} of {amount(looked_at, 'image')} without alpha, {OPAQUE}"
        )

"""What every dataset shares: its options, and how images are fitted and turned into tensors."""
from __future__ import annotations

import functools
import random
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace

from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from data.image_folder import lies, read_image
from util.console import UserError

BICUBIC = transforms.InterpolationMode.BICUBIC


class BaseDataset(Dataset, ABC):
    """Items are dicts such as {"A": (C, H, W) in [-1, 1], "A_paths": str}; a batch stacks them."""

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        self.root = opt.dataroot

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this dataset, or change defaults with ``parser.set_defaults``."""
        return parser

    @abstractmethod
    def __len__(self) -> int:
        """Items per epoch."""

    @abstractmethod
    def __getitem__(self, index: int) -> dict:
        """Item ``index``. Python's, numpy's and torch's generators are seeded before by (seed, epoch, index)."""

    def __str__(self) -> str:
        return f"{len(self)} images"

    def read(self, path: str, channels: int = 3) -> Image.Image:
        """The image for a network of so many channels (see ``read_image``). Raises UserError where it cannot be read."""
        return read_image(path, channels, exif=not self.opt.no_exif)


def get_params(opt: Namespace, size: tuple[int, int]) -> dict:
    """Random crop position and flip, to share among images; ``size`` is (width, height) of the image on disk."""
    width, height = _resized(opt, size)
    free = max(0, width - opt.crop_size), max(0, height - opt.crop_size)
    corner = tuple(random.randint(0, f) for f in free) if opt.isTrain else (free[0] // 2, free[1] // 2)
    return {"crop_pos": corner, "flip": random.random() > 0.5}


def get_transform(opt: Namespace, params: dict | None = None, grayscale: bool = False, method=BICUBIC,
                  convert: bool = True) -> transforms.Compose:
    """PIL image -> tensor (C, h, w) in [-1, 1] as ``--preprocess`` says; resize, crop, flip.

    Args:
        params: from :func:`get_params`; None draws a crop and a flip for each image. Tests crop at the centre.
        grayscale: one channel instead of three.
        convert: False returns a PIL image.
    """
    steps: list = [transforms.Grayscale(1)] if grayscale else []
    if "resize" in opt.preprocess or "scale_width" in opt.preprocess:
        steps.append(functools.partial(_resize, opt=opt, method=method))
    if "crop" in opt.preprocess:
        steps.append(functools.partial(_crop, opt=opt, params=params))
    if not opt.no_flip:
        steps.append(functools.partial(_flip, flip=None if params is None else params["flip"]))
    if convert:
        steps += [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    return transforms.Compose(steps)


def _resized(opt: Namespace, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) after the resize step."""
    if "resize" in opt.preprocess:
        return opt.load_size, opt.load_size
    if "scale_width" in opt.preprocess:
        return opt.load_size, max(1, int(opt.load_size * size[1] / size[0]))
    return size


def _resize(image: Image.Image, opt: Namespace, method) -> Image.Image:
    return transforms.functional.resize(image, list(_resized(opt, image.size))[::-1], method)


def _crop(image: Image.Image, opt: Namespace, params: dict | None) -> Image.Image:
    if opt.isTrain and min(image.size) < opt.crop_size:
        raise UserError(too_small(opt, [f"{image.width}x{image.height}"]))
    if min(image.size) <= opt.crop_size == max(image.size):
        return image
    if params is None:
        free = max(0, image.width - opt.crop_size), max(0, image.height - opt.crop_size)
        x, y = (random.randint(0, f) for f in free) if opt.isTrain else (free[0] // 2, free[1] // 2)
    else:
        x, y = params["crop_pos"]
    return image.crop((x, y, min(image.width, x + opt.crop_size), min(image.height, y + opt.crop_size)))


def _flip(image: Image.Image, flip: bool | None) -> Image.Image:
    wanted = random.random() > 0.5 if flip is None else flip
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if wanted else image


def too_small(opt: Namespace, images: list[str]) -> str:
    """The message for images that ``--crop_size`` does not fit into."""
    return (f"--crop_size {opt.crop_size} does not fit into {', '.join(images[:3])}{' ...' if len(images) > 3 else ''} "
            f"(--preprocess {opt.preprocess}): give a smaller --crop_size, or --preprocess resize_and_crop, which enlarges")


def check_sizes(opt: Namespace, paths: list[str], across: int = 1, at_most: int = 500) -> None:
    """Look at image sizes (of up to ``at_most`` files, evenly spread) before a training that crops without resizing.

    ``across``: how many images stand side by side in a file.

    Raises:
        UserError: lists images that are smaller than the crop.
    """
    if not opt.isTrain or opt.preprocess not in ("crop", "scale_width_and_crop"):
        return
    small = []
    for path in paths[:: -(-len(paths) // at_most)]:
        try:
            with Image.open(path) as image:
                width, height = image.size[::-1] if lies(image) and not opt.no_exif else image.size
                size = width // across, height
        except Exception:  # reported, with its cause, when it is read
            continue
        if min(_resized(opt, size)) < opt.crop_size:
            small.append(f"{path} ({size[0]}x{size[1]})")
    if small:
        raise UserError(too_small(opt, small) + f"; {len(small)} images are too small")

"""What every dataset shares: its options, and how images are load_resized and turned into tensors."""

from __future__ import annotations

import functools
import random
from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import Dataset

from data.cache import Cache
from data.image_folder import as_mode, lies, read_image
from util.errors import UserError

BICUBIC = Image.Resampling.BICUBIC


class BaseDataset(Dataset, ABC):
    """Items are dicts such as {"A": (C, H, W) in [-1, 1], "A_paths": str}; a batch stacks them.

    Subclasses implement ``__getitem__``; or :meth:`pixels`, which gives bytes: the loader then moves a quarter of the data,
    and makes floats of a whole batch on the model's device.
    """

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        self.root = opt.dataroot
        self.cache: Cache | None = None
        if getattr(opt, "cache_images", None) is not None:
            recipe = (
                opt.preprocess,
                opt.load_size,
                opt.no_exif,
                getattr(opt, "jpeg_draft", False),
                PIL.__version__,
            )
            self.cache = Cache(
                Path(opt.cache_images or Path(opt.checkpoints_dir) / ".cache"), recipe
            )

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this dataset, or change defaults with ``parser.set_defaults``."""
        return parser

    @abstractmethod
    def __len__(self) -> int:
        """Items per epoch."""

    def __getitem__(self, index: int) -> dict:
        """Item ``index``. Python's, numpy's and torch's generators are seeded before by (seed, epoch, index)."""
        return normalise(self.pixels(index))

    def pixels(self, index: int) -> dict:
        """The item with uint8 images (C, H, W), which :func:`normalise` takes to [-1, 1]."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method __getitem__(index), or pixels(index)"
        )

    def __str__(self) -> str:
        return f"{len(self)} images"

    def read(self, path: str, channels: int = 3) -> Image.Image:
        """The image for a network of so many channels (see ``read_image``). Raises UserError where it cannot be read."""
        return read_image(path, channels, exif=not self.opt.no_exif)

    def image(self, path: str, channels: int, transform: Callable) -> Any:
        """``transform`` of the image; as bytes, which are faster, if it is just what ``get_transform(opt)`` gave."""
        if isinstance(transform, Compose) and transform.are_those_for(self.opt, channels == 1):
            return self.crop_and_flip(self.load_resized(path, channels))
        return transform(self.read(path, channels))

    def load_resized(self, path: str, *channels: int) -> np.ndarray:
        """The image (or the images side by side in the file), resized as ``--preprocess`` says; cached if asked for.

        Args:
            channels: of the one image, or of each from left to right.

        Returns: uint8 (H, W, sum of channels).
        """

        def make() -> np.ndarray:
            opt, n_side_by_side = self.opt, len(channels)
            draft = (
                (opt.load_size * n_side_by_side, opt.load_size if "resize" in opt.preprocess else 1)
                if getattr(opt, "jpeg_draft", False) and opt.preprocess not in ("crop", "none")
                else None
            )
            most = channels[0] if n_side_by_side == 1 else 4 if {2, 4} & {*channels} else 3
            image = read_image(
                path, most, exif=not opt.no_exif, draft=draft, n_side_by_side=n_side_by_side
            )
            width = image.width // n_side_by_side
            parts = (
                [image]
                if n_side_by_side == 1
                else [
                    as_mode(image.crop((i * width, 0, (i + 1) * width, image.height)), nc)
                    for i, nc in enumerate(channels)
                ]
            )
            arrays = [
                _array(fit(part, opt, nc == 1)) for part, nc in zip(parts, channels, strict=True)
            ]
            return arrays[0] if n_side_by_side == 1 else np.concatenate(arrays, axis=2)

        return self.cache.get(path, channels, make) if self.cache else make()

    def crop_and_flip(self, image: np.ndarray, params: dict | None = None) -> torch.Tensor:
        """Crop and flip uint8 (H, W, C) as :func:`get_transform` does, into a tensor (C, h, w)."""
        left, top, right, bottom = _box(self.opt, (image.shape[1], image.shape[0]), params)
        image = image[top:bottom, left:right]
        if not self.opt.no_flip and _flips(params):
            image = image[:, ::-1]
        return torch.from_numpy(image.transpose(2, 0, 1).copy())


def get_params(opt: Namespace, size: tuple[int, int]) -> dict:
    """Random crop position and flip, to share among images; ``size`` is (width, height) of the image on disk."""
    width, height = _resized(opt, size)
    free = max(0, width - opt.crop_size), max(0, height - opt.crop_size)
    corner = (
        tuple(random.randint(0, f) for f in free) if opt.isTrain else (free[0] // 2, free[1] // 2)
    )
    return {"crop_pos": corner, "flip": random.random() > 0.5}


class Compose:
    """Calls ``transforms`` one after the other."""

    def __init__(self, transforms: list[Callable], made_for: tuple | None = None) -> None:
        """Args: made_for: options and grayscale, if these steps equal ``crop_and_flip(load_resized(...))``."""
        self.transforms = transforms
        self.made_for, self.as_made = made_for, list(transforms)

    def are_those_for(self, opt: Namespace, grayscale: bool) -> bool:
        return (
            self.made_for is not None
            and self.made_for[0] is opt
            and self.made_for[1] == grayscale
            and self.transforms == self.as_made
        )

    def __call__(self, image: Any) -> Any:
        for step in self.transforms:
            image = step(image)
        return image


def get_transform(
    opt: Namespace,
    params: dict | None = None,
    grayscale: bool = False,
    method=BICUBIC,
    convert: bool = True,
) -> Compose:
    """PIL image -> tensor (C, h, w) in [-1, 1] as ``--preprocess`` says; resize, crop, flip.

    Args:
        params: from :func:`get_params`; None draws a crop and a flip for each image. Tests crop at the centre.
        grayscale: one channel instead of three.
        method: of Pillow, or torchvision's name for it.
        convert: False returns a PIL image.
    """
    steps: list[Callable] = [
        functools.partial(fit, opt=opt, grayscale=grayscale, method=method),
        functools.partial(_crop, opt=opt, params=params),
    ]
    if not opt.no_flip:
        steps.append(functools.partial(_flip, params=params))
    usual = params is None and method == BICUBIC and convert
    return Compose([*steps, to_tensor] if convert else steps, (opt, grayscale) if usual else None)


def fit(
    image: Image.Image, opt: Namespace, grayscale: bool = False, method: Any = BICUBIC
) -> Image.Image:
    """What comes before chance: the conversion to gray and the resize of ``--preprocess``."""
    image = image.convert("L") if grayscale else image
    size = _resized(opt, image.size)
    return (
        image
        if size == image.size
        else image.resize(size, getattr(Image.Resampling, getattr(method, "name", ""), method))
    )


def to_tensor(image: Image.Image) -> torch.Tensor:
    """(C, H, W) in [-1, 1]."""
    if image.mode not in (
        "L",
        "LA",
        "RGB",
        "RGBA",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
    ):  # more than bytes, in custom datasets
        from torchvision.transforms import functional

        return functional.normalize(functional.to_tensor(image), [0.5], [0.5])
    return normalise({"": torch.from_numpy(_array(image).transpose(2, 0, 1).copy())})[""]


def normalise(item: dict, device: str = "cpu") -> dict:
    """Copy all uint8 tensors of an item, or of a batch, to ``device`` and to float in [-1, 1].

    Waits for no GPU. x / 127.5 - 1 has the bits of (x / 255 - 0.5) / 0.5, for factors of 2 are exact. Division by a tensor is
    exact everywhere, while GPUs multiply with 1 / 127.5 for a number.
    """

    def convert(value: torch.Tensor) -> torch.Tensor:
        gpu = str(device).startswith("cuda")  # is_pinned() fails in forked loaders
        x = (value.pin_memory() if gpu else value).to(device, non_blocking=gpu).float()
        return x.div_(torch.full((), 127.5, device=device)).sub_(1)

    return {
        k: convert(v) if isinstance(v, torch.Tensor) and v.dtype == torch.uint8 else v
        for k, v in item.items()
    }


def _array(image: Image.Image) -> np.ndarray:
    """uint8 (H, W, C)."""
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def _resized(opt: Namespace, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) after the resize step."""
    if "resize" in opt.preprocess:
        return opt.load_size, opt.load_size
    if "scale_width" in opt.preprocess:
        return opt.load_size, max(1, int(opt.load_size * size[1] / size[0]))
    return size


def _box(opt: Namespace, size: tuple[int, int], params: dict | None) -> tuple[int, int, int, int]:
    """What ``--preprocess`` keeps of an image of ``size``: left, top, right, bottom."""
    width, height = size
    crop = opt.crop_size
    if "crop" not in opt.preprocess:
        return 0, 0, width, height
    if opt.isTrain and min(size) < crop:
        raise UserError(too_small(opt, [f"{width}x{height}"]))
    if min(size) <= crop == max(size):
        return 0, 0, width, height
    if params is None:
        free = max(0, width - crop), max(0, height - crop)
        x, y = (random.randint(0, f) for f in free) if opt.isTrain else (free[0] // 2, free[1] // 2)
    else:
        x, y = params["crop_pos"]
    return x, y, min(width, x + crop), min(height, y + crop)


def _crop(image: Image.Image, opt: Namespace, params: dict | None) -> Image.Image:
    return image.crop(_box(opt, image.size, params))


def _flips(params: dict | None) -> bool:
    return random.random() > 0.5 if params is None else params["flip"]


def _flip(image: Image.Image, params: dict | None) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if _flips(params) else image


def too_small(opt: Namespace, images: list[str]) -> str:
    """The message for images that ``--crop_size`` does not fit into."""
    return (
        f"--crop_size {opt.crop_size} does not fit into {', '.join(images[:3])}{' ...' if len(images) > 3 else ''} "
        f"(--preprocess {opt.preprocess}): give a smaller --crop_size, or --preprocess resize_and_crop, which enlarges"
    )


def check_sizes(
    opt: Namespace, paths: list[str], n_side_by_side: int = 1, at_most: int = 500
) -> None:
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
                size = width // n_side_by_side, height
        except Exception:  # reported, with its cause, when it is read
            continue
        if min(_resized(opt, size)) < opt.crop_size:
            small.append(f"{path} ({size[0]}x{size[1]})")
    if small:
        raise UserError(too_small(opt, small) + f"; {len(small)} images are too small")

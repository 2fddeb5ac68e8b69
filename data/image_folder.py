"""Which images a folder holds, and reading one of them."""

from __future__ import annotations

import hashlib
import os
import re
from argparse import Namespace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from util.errors import UserError

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")


def is_image_file(filename: str) -> bool:
    return filename.lower().endswith(IMG_EXTENSIONS)


def make_dataset(dir: str, max_dataset_size: float = float("inf")) -> list[str]:
    """Paths of all images in ``dir`` and its sub-folders, sorted, then cut to ``max_dataset_size``.

    Raises UserError: the folder is missing or holds no image.
    """
    if not os.path.isdir(dir):
        raise UserError(_missing(Path(dir)))
    paths = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(dir, followlinks=True)
        for name in names
        if is_image_file(name) and not name.startswith(".")
    )
    if not paths:
        raise UserError(f"{dir} holds no images ({', '.join(e[1:] for e in IMG_EXTENSIONS)})")
    return paths[: int(min(max_dataset_size, len(paths)))]


def find_images(opt: Namespace, folder: str) -> list[str]:
    """Paths of the images in ``dataroot/folder``: in training those that ``--val_share`` leaves, in validation only its share.

    The share depends on the seed and the names alone, and holds both images of a pair (see :func:`stem`).
    """
    paths, share = (
        make_dataset(os.path.join(opt.dataroot, folder), opt.max_dataset_size),
        getattr(opt, "val_share", 0),
    )
    if not share:
        return paths
    order = sorted(
        paths,
        key=lambda path: hashlib.blake2b(
            f"{opt.seed} {stem(path)}".encode(errors="replace")
        ).digest(),
    )
    held = set(order[: max(1, round(share * len(order)))])
    if len(held) == len(paths):
        raise UserError(
            f"--val_share {share:g} of the {len(paths)} images in {os.path.join(opt.dataroot, folder)} leaves none "
            "to train on"
        )
    return [path for path in paths if (path in held) != opt.isTrain]


def stem(path: str) -> str:
    """What the two images of a pair have in common: the name without its ending, and without _A or _B as officially."""
    return re.sub("_[AB]$", "", os.path.splitext(os.path.basename(path))[0])


def _missing(folder: Path) -> str:
    """What is wrong with a folder that is not there: what is there instead, and where it may be."""
    root = folder.parent
    found = (
        sorted(p.name + "/" if p.is_dir() else p.name for p in root.iterdir())
        if root.is_dir()
        else []
    )
    said = f"{root} has no folder {folder.name}; it has {', '.join(found[:8]) or 'nothing'}{' ...' if len(found) > 8 else ''}"
    if folder.exists():
        return f"{folder} is a file; it should be a folder of images"
    deeper = [p for p in (root / name for name in found) if (p / folder.name).is_dir()]
    if deeper:
        return f"{said}. Did you mean --dataroot {deeper[0]}?"
    alike = [
        name
        for name in found
        if name.endswith("/") and re.sub(r"\W|_", "", name).lower() == folder.name.lower()
    ]
    if alike:
        return f"{said}. Did you mean {alike[0]}? Names count, upper and lower case too: rename {alike[0]} to {folder.name}"
    if folder.name[-1:] in "AB" and folder.name[:-1] + "/" in found:
        return f"{said}. For pairs side by side in one file, give --dataset_mode aligned and a model such as pix2pix"
    if re.fullmatch(r"(train|test|val)[AB]?", root.name):
        return f"{said}. Did you mean its parent, --dataroot {root.parent}?"
    return said + (
        ". To translate a plain folder of images: --model test"
        if folder.name.startswith("test")
        else ""
    )


def turned_sideways(image: Image.Image) -> bool:
    """True if the EXIF orientation exchanges width and height."""
    return image.getexif().get(ExifTags.Base.Orientation, 1) >= 5


def as_mode(image: Image.Image, channels: int, exif: bool = True) -> Image.Image:
    """An image of any kind with ``channels``: 1 and 3 as RGB (get_transform makes gray), 2 gray + alpha, 4 RGB + alpha.

    Upright by its EXIF note, palette and CMYK converted, 16 bits scaled to 8; alpha is dropped where none is wanted.

    Raises UserError: there are no images with so many channels.
    """
    if channels not in (1, 2, 3, 4):
        raise UserError(
            f"--input_nc and --output_nc: images have 1, 2, 3 or 4 channels, not {channels}"
        )
    if exif and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255 instead of scaling
        image = Image.fromarray((np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if channels in (1, 3):
        return image if image.mode == "RGB" else image.convert("RGB")
    return image.convert("RGBA") if channels == 4 else image.convert("RGBA").convert("LA")


def read_image(
    path: str,
    channels: int = 3,
    exif: bool = True,
    draft: tuple[int, int] | None = None,
    n_side_by_side: int = 1,
) -> Image.Image:
    """Decode one file; see :func:`as_mode`.

    Args:
        draft: (width, height) that suffices: larger JPEGs are decoded at 1/2, 1/4 or 1/8, which is fast, but not exact.
        n_side_by_side: how many images stand side by side; the decoder must not mix them.

    Raises UserError: names the file and what is wrong with it.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would wait for ever
        raise UserError(f"cannot read the image {path}: it is not a file")
    try:
        with Image.open(path) as image:
            if draft and (n_side_by_side == 1 or image.width % (8 * n_side_by_side) == 0):
                image.draft(None, draft[::-1] if exif and turned_sideways(image) else draft)
            image.load()
            return as_mode(image, channels, exif)
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        reason = (
            getattr(error, "strerror", None) or str(error) or type(error).__name__
        ).splitlines()[0]
        raise UserError(f"cannot read the image {path}: {reason}") from None

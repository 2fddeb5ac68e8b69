"""Listing the images of a folder, and reading an image file."""

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
    """True if the name has one of the extensions in ``IMG_EXTENSIONS``, in any case."""
    return filename.lower().endswith(IMG_EXTENSIONS)


def make_dataset(dir: str, max_dataset_size: float = float("inf")) -> list[str]:
    """Return the sorted paths of all images in ``dir`` and its sub-folders.

    Args:
        max_dataset_size: return only this many of them, the first ones.

    Raises:
        UserError: the folder is missing or holds no image.
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
    """Return the paths of the images in ``dataroot/folder`` that this phase uses.

    With ``--val_share``, validation uses the held-out share, and training the rest. The share
    depends only on the seed and the file names, and does not separate the two images of a pair.

    Raises:
        UserError: there are no images, or none is left to train on.
    """
    paths = make_dataset(os.path.join(opt.dataroot, folder), opt.max_dataset_size)
    share = getattr(opt, "val_share", 0)
    if not share:
        return paths

    def digest(path: str) -> bytes:
        return hashlib.blake2b(f"{opt.seed} {stem(path)}".encode(errors="replace")).digest()

    held_out = set(sorted(paths, key=digest)[: max(1, round(share * len(paths)))])
    if len(held_out) == len(paths):
        raise UserError(
            f"--val_share {share:g} of the {len(paths)} images in "
            f"{os.path.join(opt.dataroot, folder)} leaves none to train on"
        )
    return [path for path in paths if (path in held_out) != opt.isTrain]


def stem(path: str) -> str:
    """Return the file name without extension, _A and _B; the images of a pair have it in common."""
    return re.sub("_[AB]$", "", os.path.splitext(os.path.basename(path))[0])


def _missing(folder: Path) -> str:
    """Return the message for a missing folder, with a guess at what was meant."""
    if folder.exists():
        return f"{folder} is a file; it should be a folder of images"
    root, name = folder.parent, folder.name
    entries = sorted(f"{p.name}/" if p.is_dir() else p.name for p in root.glob("*"))
    folders = [entry[:-1] for entry in entries if entry.endswith("/")]
    nested = [n for n in folders if (root / n / name).is_dir()]
    similar = [n for n in folders if re.sub(r"\W|_", "", n).lower() == name.lower()]
    hint = ""
    if nested:
        hint = f". Did you mean --dataroot {root / nested[0]}?"
    elif similar:
        hint = f". Names are case-sensitive: rename {similar[0]}/ to {name}"
    elif name[-1:] in "AB" and name[:-1] in folders:
        hint = (
            ". For pairs side by side in one file, give --dataset_mode aligned and a model such as "
            "pix2pix"
        )
    elif re.fullmatch(r"(train|test|val)[AB]?", root.name):
        hint = f". Did you mean its parent, --dataroot {root.parent}?"
    elif name.startswith("test"):
        hint = ". To translate a plain folder of images: --model test"
    listed = ", ".join(entries[:8]) + (" ..." if len(entries) > 8 else "")
    return f"{root} has no folder {name}; it has {listed or 'nothing'}{hint}"


def _orientation(image: Image.Image) -> int:
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def turned_sideways(image: Image.Image) -> bool:
    """True if the EXIF orientation exchanges width and height."""
    return _orientation(image) >= 5


def as_mode(image: Image.Image, channels: int, exif: bool = True) -> Image.Image:
    """Convert an image of any mode to one with 8 bits per channel.

    Args:
        channels: 1 and 3 give RGB (``get_transform`` makes the gray image), 2 gray and alpha, 4 RGB
            and alpha. Palettes and CMYK are converted, 16 bits are scaled to 8.
        exif: turn the image upright by its EXIF orientation.

    Raises:
        UserError: images cannot have this number of channels.
    """
    if channels not in (1, 2, 3, 4):
        raise UserError(f"--input_nc and --output_nc: images have 1 to 4 channels, not {channels}")
    if exif and _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them at 255 instead of scaling
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
    """Decode an image file; see :func:`as_mode` for ``channels`` and ``exif``.

    Args:
        draft: (width, height) that suffices. Larger JPEGs are decoded at 1/2, 1/4 or 1/8 of their
            size, which is fast but not exact.
        n_side_by_side: number of images side by side in the file; drafts do not mix their pixels.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would block forever
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
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"cannot read the image {path}: {reason.splitlines()[0]}") from None

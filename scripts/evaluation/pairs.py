"""Images of folders by stem, and pairs of an image and its target with the same stem."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

import numpy as np

from data.image_file import check_values
from data.listing import ARRAYS, extension, image_paths, is_image_file, walk
from data.rasters.header import upright_size
from util.console import warn
from util.errors import UserError

Images = dict[str, str]  # stem -> path
Pairs = dict[str, tuple[str, str]]  # stem -> paths of image and target
HINT = ". For files named like 0001_fake_B.png give --fake DIR:fake_B"


def find_images(source: str, newest: bool = False, values: bool = False) -> Images:
    """Return the images of ``DIR`` or ``DIR:LABEL`` by stem, sub-folders included.

    With a label, the stem of ``DIR/sub/0001_LABEL.png`` is ``sub/0001``; other files are left out.

    Args:
        newest: of several images with one stem, take the newest and warn.
        values: also files of NumPy, and no look at the values of images with 16 bits.

    Raises:
        UserError: there is no such image, or two have the same stem and ``newest`` is false.
    """
    folder, label = split_source(source)
    ending = f"_{label}" if label else ""
    files: dict[str, list[str]] = {}
    for path in _files(folder, values and bool(label)) or image_paths(folder, arrays=values):
        name = Path(path).relative_to(folder).with_suffix("").as_posix()
        if name.endswith(ending):
            files.setdefault(name.removesuffix(ending), []).append(path)
    if not files:
        raise UserError(f"{folder} has no image named STEM{ending}.png (or jpg, webp, ...)")
    if several := [paths for paths in files.values() if len(paths) > 1]:
        same = f"{' and '.join(several[0])} have the same stem"
        if not newest:
            raise UserError(f"{same}; keep only one of them")
        warn(f"{same}, in all {len(several)} stems; the newest file of each is used")
    images = {stem: max(paths, key=os.path.getmtime) for stem, paths in files.items()}
    if not values:
        check_values(sorted(images.values()), source)
    return images


def _files(folder: str, wanted: bool) -> list[str]:
    """Return the images and arrays of a page of results, which may hold both, if ``wanted``."""
    found = walk(folder) if wanted and os.path.isdir(folder) else ()
    paths = [os.path.join(parent, name) for parent, _, names in found for name in names]
    return sorted(path for path in paths if is_image_file(path) or extension(path) in ARRAYS)


def split_source(source: str) -> tuple[str, str]:
    """Return the folder and the label, or "", of ``DIR`` or ``DIR:LABEL``."""
    folder, colon, label = source.rpartition(":")
    drive = label.startswith(("/", "\\"))  # "C:\\images" of Windows has no label
    return (source, "") if not colon or drive or Path(source).is_dir() else (folder, label)


def match(fake: str, real: str, hint: str = "", values: bool = False) -> tuple[Images, Images]:
    """Return the images of two sources whose stems are in both; warn about the others.

    Raises:
        UserError: no stem is in both; ``hint`` ends the message.
    """
    images, targets = (find_images(source, values=values) for source in (fake, real))
    stems = sorted(images.keys() & targets.keys())
    if not stems:
        raise UserError(
            f"no image of {fake} has a partner in {real}; the first stems are {min(images)} and "
            f"{min(targets)}{hint}"
        )
    warn_missing(images.keys() - targets.keys(), fake, real)
    warn_missing(targets.keys() - images.keys(), real, fake)
    return {stem: images[stem] for stem in stems}, {stem: targets[stem] for stem in stems}


def warn_missing(stems: Set[str], source: str, other: str) -> None:
    """Warn that ``stems`` of ``source`` have no partner in ``other``, if there are any."""
    if stems:
        first = ", ".join(sorted(stems)[:3]) + (", ..." if len(stems) > 3 else "")
        warn(f"no partner in {other} for {len(stems)} of the images in {source}: {first}")


def random_others(images: Images, seed: int) -> Images:
    """Return for each stem another image of the same size, using each image once.

    The images of a size are shuffled into a circle, and each gets the one before it. Images whose
    size is unique are left out. Only the headers of the files are read.
    """
    by_size: dict[tuple[int, int], list[str]] = {}
    for stem in np.random.default_rng(seed).permutation(sorted(images)).tolist():
        by_size.setdefault(upright_size(images[stem]), []).append(stem)
    circles = [circle for circle in by_size.values() if len(circle) > 1]
    return {stem: images[circle[i - 1]] for circle in circles for i, stem in enumerate(circle)}

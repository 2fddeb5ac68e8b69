"""Reading every image of a dataset once, to report those that training cannot read or may misread.

For scripts/check_data.py and ``train.py --dry_run``.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data.image_file import FORMATS, limit_pixels, read_image
from data.listing import is_image_file, list_images, walk
from util.console import Progress, warn
from util.errors import UserError, printable

SIDES = {"unaligned": ("A", "B"), "aligned": ("",), "colorization": ("",)}  # of --dataset_mode


@dataclass
class ImageFile:
    """The result of reading one file."""

    folder: str  # in the dataset, e.g. trainA
    name: str  # path relative to the dataset
    mode: str = "RGB"  # Pillow's name
    size: tuple[int, int] = (0, 0)  # (width, height)
    digest: bytes = b""  # equal if all pixels are equal
    error: str = ""  # the reason why training cannot read the file
    damage: str = ""  # a defect in a file that training can read


def image_folders(opt: Namespace) -> dict[str, list[str]]:
    """{folder: paths of its images}: the folders of ``--phase``, and existing ones of other phases.

    Raises:
        UserError: a folder of ``--phase`` is missing or empty.
    """
    limit_pixels(opt.max_pixels)
    if opt.dataset_mode not in SIDES:  # single, template and most custom datasets
        return {".": list_images(opt.dataroot, opt.max_dataset_size)}
    folders = {}
    for phase in dict.fromkeys((opt.phase, "train", "val", "test")):
        limit = opt.max_dataset_size if phase == opt.phase else float("inf")
        for folder in (phase + side for side in SIDES[opt.dataset_mode]):
            try:
                folders[folder] = list_images(os.path.join(opt.dataroot, folder), limit)
            except UserError as error:
                if phase == opt.phase:
                    raise
                if os.path.isdir(os.path.join(opt.dataroot, folder)):
                    warn(f"not checked: {error}")
    return folders


def scan(opt: Namespace, folders: dict[str, list[str]]) -> dict[str, list[ImageFile]]:
    """Read all images of ``folders`` in ``--num_threads`` threads."""
    jobs = [(folder, path) for folder, paths in folders.items() for path in paths]
    images: dict[str, list[ImageFile]] = {folder: [] for folder in folders}
    progress = Progress(len(jobs), "Reading images")
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, opt.num_threads)) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of large images and unusual metadata
        for image in pool.map(lambda job: read(opt, *job), jobs):
            images[image.folder].append(image)
            progress.update()
    progress.close()
    return images


def read(opt: Namespace, folder: str, path: str) -> ImageFile:
    """Read one image as training does, then verify the file."""
    image = ImageFile(folder, printable(os.path.relpath(path, opt.dataroot)))
    try:
        pixels = read_image(path, exif=not opt.no_exif)
    except UserError as error:
        image.error = printable(str(error).removeprefix(f"cannot read the image {path}: "))
        return image
    image.size = pixels.size
    content = repr(pixels.size).encode() + pixels.tobytes()
    image.digest = hashlib.blake2b(content, digest_size=16).digest()
    try:
        with Image.open(path, formats=FORMATS) as file:
            image.mode = file.mode
            expected = Image.registered_extensions().get(Path(path).suffix.lower())
            if file.format not in (expected, "MPO"):  # MPO is a JPEG with several images
                image.damage = f"it is {file.format}"
            file.verify()  # checksums and end marks, which decoding ignores
    except Exception as error:  # Pillow's decoders raise many types
        image.damage = printable(str(error) or type(error).__name__)
    return image


def stray_entries(opt: Namespace, folders: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """(Sub-folders named like an image, files that are not images), relative to the dataset."""
    like_images, other_files = [], []
    for folder in folders:
        root = os.path.join(opt.dataroot, folder)
        for parent, subfolders, files in walk(root):
            inside = Path(os.path.relpath(parent, opt.dataroot))
            like_images += [str(inside / name) for name in subfolders if is_image_file(name)]
            other_files += [str(inside / name) for name in files if not is_image_file(name)]
    return sorted(map(printable, like_images)), sorted(map(printable, other_files))

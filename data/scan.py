"""Reading every image of a dataset once, to report those that training cannot read or may misread.

For scripts/check_data.py and ``train.py --dry_run``.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data import find_dataset_using_name
from data.dataset_of_images import BaseDataset
from data.image_file import FORMATS, limit_pixels, read_image
from data.listing import ARRAYS, image_paths, is_image_file, list_images, walk
from data.rasters.folder import choose
from data.rasters.header import Header, describe, header_of
from data.rasters.inputs import input_folders, pair_folders
from data.rasters.reading import read_array
from data.rasters.statistics import Sample, sample_of
from data.rasters.wishes import wish
from data.unaligned_dataset import UnalignedDataset
from util.console import Progress, say, warn
from util.errors import UserError, printable
from util.option_defaults import replaced, theirs

VALUES, VALUES_OF_FILE = 100_000, 200  # kept for percentiles, of all files and at least of each
VALUE_MODES = ("unaligned", "aligned", "single")  # datasets that keep values of any type
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
    header: Header | None = None  # None if there is an error
    sample: Sample | None = None  # of its values in the used bands


def image_folders(opt: Namespace) -> dict[str, list[str]]:
    """{folder: paths of its images}: the folders of ``--phase``, and existing ones of other phases.

    Raises:
        UserError: a folder of ``--phase`` is missing or empty.
    """
    limit_pixels(opt.max_pixels)
    reader = own_reader(opt)
    if reader is not None and not isinstance(reader, UnalignedDataset):
        say(f"The files of --dataset_mode {opt.dataset_mode} are not looked at one by one")
        return {}
    if opt.dataset_mode == "single":
        return {".": image_paths(opt.dataroot, opt.max_dataset_size, arrays=True)}
    if reader is None and opt.dataset_mode not in SIDES:  # template and most custom datasets
        return {".": list_images(opt.dataroot, opt.max_dataset_size)}
    folders = {}
    for phase in dict.fromkeys((opt.phase, "train", "val", "test")):
        limit = opt.max_dataset_size if phase == opt.phase else float("inf")
        for folder in _folders_of(opt, phase):
            try:
                folders[folder] = _listed(opt, reader, folder, limit)
            except UserError as error:
                if phase == opt.phase:
                    raise
                if os.path.isdir(os.path.join(opt.dataroot, folder)):
                    warn(f"not checked: {error}")
    return folders


def own_reader(opt: Namespace) -> BaseDataset | None:
    """Return a dataset that only lists and reads files, if it reads a format of its own.

    None: the files are of a format that others can read, too.
    """
    kind = find_dataset_using_name(opt.dataset_mode)
    if getattr(kind, "read_array", None) in (None, BaseDataset.read_array):
        return None
    reader = kind.__new__(kind)
    BaseDataset.__init__(reader, theirs(opt))  # its own would ask for a range of values
    return reader


def _listed(opt: Namespace, reader: BaseDataset | None, folder: str, limit: float) -> list[str]:
    """Return at most ``limit`` files of ``dataroot/folder``. Raises UserError: there are none."""
    if reader is None:
        return image_paths(os.path.join(opt.dataroot, folder), limit, arrays=True)
    return reader.list_files(replaced(opt, max_dataset_size=limit, val_share=0), folder)


def _folders_of(opt: Namespace, phase: str) -> list[str]:
    """Return the folders of a phase: trainA and trainB, or trainA1, trainA2, ..., or train."""
    one_folder = os.path.isdir(os.path.join(opt.dataroot, phase))
    pairs = pair_folders(opt.dataroot, phase) if opt.dataset_mode == "aligned" else []
    if pairs and not one_folder:
        return sum(pairs, [])
    folders = [phase + side for side in SIDES.get(opt.dataset_mode, "AB")]
    return sum((input_folders(opt.dataroot, folder) or [folder] for folder in folders), [])


def scan(opt: Namespace, folders: dict[str, list[str]]) -> dict[str, list[ImageFile]]:
    """Read all images of ``folders`` in ``--num_threads`` threads."""
    jobs = [(folder, path) for folder, paths in folders.items() for path in paths]
    images: dict[str, list[ImageFile]] = {folder: [] for folder in folders}
    progress = Progress(len(jobs), "Reading images")
    reader = own_reader(opt)
    # With one thread, a dataset that keeps the last volumes reads each only once
    threads = max(1, opt.num_threads) if reader is None else 1
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of large images and unusual metadata
        size = max(VALUES_OF_FILE, VALUES // max(1, len(jobs)))
        for image in pool.map(lambda job: read(opt, job[0], job[1], size, reader), jobs):
            images[image.folder].append(image)
            progress.update()
    progress.close()
    return images


def read(
    opt: Namespace,
    folder: str,
    path: str,
    sample_size: int = VALUES,
    reader: BaseDataset | None = None,
) -> ImageFile:
    """Read one image as training does, then verify the file.

    Args:
        sample_size: the number of values to keep for percentiles.
        reader: reads files of a format of its own.
    """
    image = ImageFile(folder, printable(os.path.relpath(path, opt.dataroot)))
    wanted, exif = wish(opt, domain_of_folder(folder)), not opt.no_exif
    if is_one_of_several(folder):  # bands are chosen from all inputs together
        wanted = wanted._replace(bands=None)
    try:
        array = None if reader is None else reader.read_array(path)
        if array is not None:
            header = header_of(array)
        elif opt.dataset_mode in VALUE_MODES:
            header = describe(path, opt.npz_key)
        else:  # training reduces 16 bits to 8
            header = Header("uint8", 3, (0, 0), "pillow", "png")
        if header.is_bytes and not wanted.bands:
            picture = read_image(path, exif=exif)
            array, image.size = np.asarray(picture), picture.size
        else:
            array = read_array(path, opt.npz_key, exif) if array is None else array
            array = choose(array, wanted.bands)
            image.size = array.shape[1::-1]
    except UserError as error:
        image.error = printable(str(error).removeprefix(f"cannot read the image {path}: "))
        return image
    image.header, image.mode = header, header.dtype
    image.sample = sample_of(array, wanted.nodata, sample_size)
    content = repr((image.size, header.dtype)).encode() + array.tobytes()
    image.digest = hashlib.blake2b(content, digest_size=16).digest()
    if header.is_bytes:
        _verify(path, image)
    return image


def domain_of_folder(folder: str) -> str:
    """Return "A" or "B" for a folder such as trainB or trainB2; any other counts as A."""
    return "B" if folder.rstrip("0123456789").endswith("B") else "A"


def is_one_of_several(folder: str) -> bool:
    """True for a folder such as trainA2, which holds some of the bands of its domain."""
    return bool(re.search(r"[AB]\d+$", folder))


def _verify(path: str, image: ImageFile) -> None:
    """Set ``mode`` of a picture with 8 bits, and ``damage`` if its file is not as it should be."""
    try:
        with Image.open(path, formats=FORMATS) as file:
            image.mode = file.mode
            expected = Image.registered_extensions().get(Path(path).suffix.lower())
            if file.format not in (expected, "MPO"):  # MPO is a JPEG with several images
                image.damage = f"it is {file.format}"
            file.verify()  # checksums and end marks, which decoding ignores
    except Exception as error:  # Pillow's decoders raise many types
        image.damage = printable(str(error) or type(error).__name__)


def stray_entries(opt: Namespace, folders: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """(Sub-folders named like an image, files that are not images), relative to the dataset."""
    like_images, other_files = [], []
    for folder, paths in folders.items():
        root = os.path.join(opt.dataroot, folder)
        holds_arrays = bool(paths) and paths[0].lower().endswith(ARRAYS)
        for parent, subfolders, files in walk(root):
            inside = Path(os.path.relpath(parent, opt.dataroot))
            like_images += [str(inside / name) for name in subfolders if is_image_file(name)]
            other_files += [
                str(inside / name)
                for name in files
                if not (name.lower().endswith(ARRAYS) if holds_arrays else is_image_file(name))
            ]
    return sorted(map(printable, like_images)), sorted(map(printable, other_files))

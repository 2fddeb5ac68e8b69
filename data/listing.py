"""Listing the images of a folder."""

from __future__ import annotations

import hashlib
import os
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from data.image_file import check_values
from util.console import warn
from util.errors import UserError
from util.option_defaults import ours
from util.plugins import did_you_mean
from util.words import amount

# A dataset may append to this list. It holds both cases, because other code looks up names in it.
IMG_EXTENSIONS = [
    spelling
    for extension in (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")
    for spelling in (extension, extension.upper())
]
ARRAYS = (".npy", ".npz")  # extensions of files with NumPy arrays
# Folders of file managers, network drives and archives; hidden folders begin with a dot
HELPER_FOLDERS = (
    "@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found",
)  # fmt: skip
# Number of files by extension that make_dataset has left out; create_dataset prints and clears it
left_out: dict[str, Counter[str]] = {}
REDUCED = "16 bits per channel are reduced to 8"
remarks: list[str] = []  # what create_dataset is to print about the images


class MissingFolder(UserError, AssertionError):
    """A folder is missing; the official ``make_dataset`` raises an AssertionError."""


class NoImages(UserError, RuntimeError):
    """A folder holds no images; the official ``ImageFolder`` raises a RuntimeError."""


def kinds() -> str:
    """Return the extensions in ``IMG_EXTENSIONS`` for messages: ``jpg, jpeg, png``."""
    return ", ".join(dict.fromkeys(name.lower().lstrip(".") for name in IMG_EXTENSIONS))


def is_image_file(filename: str) -> bool:
    """True if the name has one of the extensions in ``IMG_EXTENSIONS``, in any case."""
    return filename.lower().endswith(tuple(name.lower() for name in IMG_EXTENSIONS))


def walk(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (path, sub-folders, files), sorted, of ``folder`` and all its sub-folders.

    Links to folders are followed, but each folder is visited once, however many links lead to it.
    Hidden files, and hidden and helper folders (such as ``__MACOSX``), are left out below
    ``folder``.

    Raises:
        UserError: a folder cannot be read.
    """
    visited = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        status = os.stat(parent)
        # Some network drives have no inodes
        identity = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(parent)
        if identity in visited:
            subfolders.clear()
            continue
        visited.add(identity)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and name not in HELPER_FOLDERS
        )
        yield parent, subfolders, sorted(name for name in files if not name.startswith("."))


def _unreadable(error: OSError) -> NoReturn:
    raise UserError(f"cannot read the folder {error.filename}: {error.strerror}")


def make_dataset(dir: str, max_dataset_size: float = float("inf")) -> list[str]:
    """Return the sorted paths of all images in ``dir`` and its sub-folders; see :func:`walk`.

    For datasets of users: if there is no image, the list is empty, as in the official code, and
    ``create_dataset`` prints a line about it. Our own datasets use :func:`image_paths`.

    Args:
        max_dataset_size: return only this many of them, the first ones.

    Raises:
        MissingFolder: the folder is missing; it is an AssertionError and a UserError.
        UserError: a sub-folder cannot be read.
    """
    try:
        return image_paths(dir, max_dataset_size)
    except NoImages as error:
        remarks.append(str(error))
        return []


def image_paths(
    folder: str,
    limit: float = float("inf"),
    arrays: bool = False,
    accepts: Callable[[str], bool] | None = None,
) -> list[str]:
    """Return the sorted paths of all images in ``folder`` and its sub-folders, at least one.

    Args:
        limit: return only this many of them, the first ones.
        arrays: a folder without images may hold NumPy arrays instead (``.npy``, ``.npz``).
        accepts: says of a path if it is an image; None: by ``IMG_EXTENSIONS``.

    Raises:
        MissingFolder: the folder is missing.
        NoImages: it holds no image.
        UserError: a sub-folder cannot be read.
    """
    if not os.path.isdir(folder):
        raise MissingFolder(_missing(Path(folder)))
    paths, found_arrays = [], []
    others: Counter[str] = Counter()
    for parent, _, names in walk(folder):
        for name in names:
            if accepts(os.path.join(parent, name)) if accepts else is_image_file(name):
                paths.append(os.path.join(parent, name))
            else:
                others[extension(name)] += 1
                if extension(name) in ARRAYS:
                    found_arrays.append(os.path.join(parent, name))
    if not paths and arrays:
        paths = found_arrays
        for kind in ARRAYS:
            del others[kind]
    if not paths:
        found = f", but other files: {counted(others)}" if others else ""
        known = "of the dataset's format" if accepts else f"({kinds()})"
        raise NoImages(f"{folder} holds no images {known}{found}")
    left_out[folder] = others  # once, however often a folder is listed
    return sorted(paths)[: int(min(limit, len(paths)))]


def extension(name: str) -> str:
    """Return the extension of a file name, in lower case, or a phrase if it has none."""
    return os.path.splitext(name)[1].lower() or "without extension"


def counted(files: Counter[str]) -> str:
    """Return ``3 .gif, 1 .jfif``, the most frequent extensions first."""
    shown = [f"{number} {kind}" for kind, number in files.most_common(5)]
    return ", ".join(shown) + ", ..." * (len(files) > 5)


def list_images(folder: str, limit: float = float("inf")) -> list[str]:
    """Return :func:`image_paths`, after a look at the values of images with 16 bits.

    Raises:
        UserError: as there, or the values do not fill 16 bits; see
            :func:`data.image_file.check_values`.
    """
    paths = image_paths(folder, limit)
    if check_values(paths, folder):
        warn(f"{folder}: {REDUCED}")
    return paths


def find_images(
    opt: Namespace, folder: str, accepts: Callable[[str], bool] | None = None
) -> list[str]:
    """Return the paths of the images in ``dataroot/folder`` that this phase uses.

    With ``--val_share``, validation uses the held-out share, and training the rest. The share
    depends only on the seed and the file names, and does not separate the two images of a pair.

    Raises:
        UserError: there are no images, or none is left to train on.
    """
    opt = ours(opt)
    paths = image_paths(os.path.join(opt.dataroot, folder), opt.max_dataset_size, True, accepts)
    share = opt.val_share
    if not share:
        return paths

    def digest(path: str) -> bytes:
        return hashlib.blake2b(f"{opt.seed} {stem(path)}".encode(errors="replace")).digest()

    held_out = set(sorted(paths, key=digest)[: max(1, round(share * len(paths)))])
    if len(held_out) == len(paths):
        raise UserError(
            f"--val_share {share:g} of the {amount(len(paths), 'image')} in "
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
    wanted = folder
    while not folder.parent.exists():  # e.g. the run in checkpoints/RUN/web/images
        folder = folder.parent
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
    elif {f"{name}A", f"{name}B"} <= set(folders):
        hint = (
            ". Those with A and B hold unpaired images, for models such as cycle_gan; "
            "datasets/combine_A_and_B.py joins pairs, which have the same names"
        )
    elif re.fullmatch(r"(train|test|val)[AB]?", root.name):
        hint = f". Did you mean its parent, --dataroot {root.parent}?"
    elif name.startswith("test"):
        hint = ". To translate a plain folder of images: --model test"
    else:
        hint = did_you_mean(name, folders)
    listed = ", ".join(entries[:8]) + (" ..." if len(entries) > 8 else "")
    place = "the working folder" if root == Path() else root
    start = "" if folder == wanted else f"{wanted} is missing: "
    return f"{start}{place} has no folder {name}; it has {listed or 'nothing'}{hint}"

"""The files of a domain: their common type, and the bands that are used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from data.image_file import evenly_spread
from data.listing import ARRAYS
from data.rasters.header import Header, any_size, describe
from data.rasters.wishes import Wish
from util.errors import UserError
from util.words import amount

LOOKED_AT = 50  # files of a folder, evenly spread


class Folder(NamedTuple):
    """The files of a domain.

    Attributes:
        domain: "A" or "B", whose ``--value_range_A`` or ``--value_range_B`` counts.
        name: for messages.
        paths: its files.
        channels: the number of bands that the networks take or give.
        channels_flag: the option that sets ``channels``.
        npz_key: name of the array in ``.npz`` files with several.
        inputs: the number of files of an image whose bands are joined.
        read: reads a file of a kind that only a dataset reads; None: a file of a known format.
        describe: returns the header of such a file.
        sample: reads a part of a file, for statistics; ``--max_pixels`` does not apply then. None:
            files are read whole.
    """

    domain: str
    name: str
    paths: Sequence[str]
    channels: int
    channels_flag: str = "--input_nc"
    npz_key: str | None = None
    inputs: int = 1
    read: Callable[[str], np.ndarray] | None = None
    describe: Callable[[str], Header] | None = None
    sample: Callable[[str], np.ndarray] | None = None


def headers_of(folder: Folder) -> dict[str, Header]:
    """Return path -> header of 50 evenly spread files, without those that cannot be read.

    An unreadable file is reported, with its cause, when it is read.

    Raises:
        UserError: none of them can be read, and the first is not a picture for the 8-bit path.
    """
    found, problem = {}, None
    for path in evenly_spread(folder.paths, LOOKED_AT):
        try:
            with any_size() if folder.sample else contextlib.nullcontext():
                own = folder.describe
                found[path] = own(path) if own else describe(path, folder.npz_key)
        except UserError as error:
            if path.lower().endswith((".tif", ".tiff", *ARRAYS)) or folder.describe:
                problem = problem or error
    if problem and not found:
        raise problem
    return found


def common_header(
    headers: dict[str, Header], folder: Folder, convertible: bool
) -> tuple[str, Header]:
    """Return the first file and its header, if all headers agree.

    Args:
        convertible: True if numbers of channels may differ, as in pictures with 8 bits.

    Raises:
        UserError: names two files that differ.
    """
    (path, first), *others = headers.items()
    for other, found in others:
        same = (first.dtype, first.channels) == (found.dtype, found.channels)
        if not (same or (convertible and first.dtype == found.dtype)):
            raise UserError(
                f"{folder.name} mixes kinds of files: {path} holds {_kind(first)}, {other} "
                f"{_kind(found)}; a domain needs one type and one number of bands"
            )
    return path, first


def _kind(found: Header) -> str:
    return f"{found.dtype} in {amount(found.channels, 'band')}"


def used_bands(wanted: Wish, folder: Folder, path: str, first: Header, pictures: bool) -> int:
    """Return the number of bands to use. Raises UserError: it is not what the networks take."""
    number, flag = folder.channels, folder.channels_flag
    option = f"--bands_{wanted.domain}"
    if wanted.bands:
        shown_bands = " ".join(map(str, wanted.bands))
        if max(wanted.bands) > first.channels:
            raise UserError(f"{option} {shown_bands}: {path} holds {_kind(first)}")
        if len(wanted.bands) != number:
            raise UserError(
                f"{option} {shown_bands} are {amount(len(wanted.bands), 'band')}, but {flag} is "
                f"{number}: give {flag} {len(wanted.bands)}"
            )
        return number
    if first.pages > 1:
        every = " ".join(map(str, range(1, first.channels + 1)))
        raise UserError(
            f"cannot read the image {path}: it holds several pages; to take them as bands, give "
            f"{option} {every} and {flag} {first.channels}; else save each as a file of its own"
        )
    if first.channels != number and not (pictures and number <= 4):
        raise UserError(
            f"{folder.name}: {path} holds {_kind(first)}, but {flag} is {number}: give {flag} "
            f"{first.channels}, or choose {amount(number, 'band')} with {option}"
        )
    return number


def choose(array: np.ndarray, bands: tuple[int, ...] | None) -> np.ndarray:
    """Return the chosen bands of (H, W, C). Raises UserError: there are fewer."""
    if bands is None:
        return array
    if max(bands) > array.shape[2]:
        raise UserError(f"it holds {amount(array.shape[2], 'band')}, but band {max(bands)} is used")
    return array[..., [band - 1 for band in bands]]

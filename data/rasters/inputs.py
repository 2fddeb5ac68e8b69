"""Several inputs of a domain: folders trainA1, trainA2, ... whose bands are joined."""

from __future__ import annotations

import math
import os
import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import numpy as np

from data.listing import remarks
from data.rasters.header import Header
from util.errors import UserError
from util.option_defaults import replaced
from util.words import listed

Lister = Callable[[Namespace, str], list[str]]  # as find_images() of data/listing.py


def input_folders(dataroot: str, folder: str) -> list[str]:
    """Return trainA1, trainA2, ... in order, if ``folder`` is trainA and there are at least two.

    They count only if there is no ``folder`` itself.

    Raises UserError: one is missing between others.
    """
    found = []
    for number in count(1):
        if not os.path.isdir(os.path.join(dataroot, f"{folder}{number}")):
            break
        found.append(f"{folder}{number}")
    later = f"{folder}{len(found) + 2}"
    if found and os.path.isdir(os.path.join(dataroot, later)):
        raise UserError(f"{dataroot} has {found[-1]} and {later}, but no {folder}{len(found) + 1}")
    if len(found) < 2:
        return []
    if os.path.isdir(os.path.join(dataroot, folder)):
        remarks.append(f"{folder} is used, and not {listed(found)} beside it")
        return []
    return found


def pair_folders(dataroot: str, phase: str) -> list[list[str]]:
    """Return the folders of A and those of B for pairs in several folders; [] if one is missing.

    For example [["trainA1", "trainA2"], ["trainB"]].
    """
    folders = [input_folders(dataroot, f"{phase}{d}") or [f"{phase}{d}"] for d in "AB"]
    complete = all(os.path.isdir(os.path.join(dataroot, names[0])) for names in folders)
    return folders if complete else []


def find_inputs(
    opt: Namespace, folders: list[str], find: Lister
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the files of the first folder, and for each its partners in the others.

    Partners have the same path below their folders apart from the extension.

    Args:
        find: lists the files of a folder that a phase uses.

    Raises:
        UserError: names a file without a partner.
    """
    every = replaced(opt, max_dataset_size=math.inf, val_share=0)
    stems = [stems_of(opt.dataroot, folder, find(every, folder)) for folder in folders]
    for found in stems:
        for other, others in zip(folders, stems, strict=True):
            if lonely := sorted(found.keys() - others.keys()):
                more = f", and {len(lonely) - 1} more have none" if len(lonely) > 1 else ""
                raise UserError(
                    f"{found[lonely[0]]} has no partner {other}/{lonely[0]}.*{more}: the inputs "
                    f"in {listed(folders)} are matched by name"
                )
    paths = find(opt, folders[0])
    stem_of = {path: stem for stem, path in stems[0].items()}
    return paths, {path: [found[stem_of[path]] for found in stems[1:]] for path in paths}


def place_of(path: str) -> tuple[str, str, str]:
    """Return ("data", "testA", "1") for a file below data/testA1; empty texts if there is none."""
    for folder in Path(os.path.abspath(path)).parents:
        if found := re.fullmatch(r"(.*[AB])(\d*)", folder.name):
            return str(folder.parent), found[1], found[2]
    return "", "", ""


def partners_of(path: str, folders: list[str], opt: Namespace, find: Lister) -> list[str]:
    """Return the files in the other ``folders`` that belong to ``path``, a file in the first.

    Args:
        opt: its ``dataroot`` holds the folders.
        find: see :func:`find_inputs`, also for the errors.
    """
    every = replaced(opt, max_dataset_size=math.inf, val_share=0)
    _, partners = find_inputs(every, folders, find)
    return next((names for name, names in partners.items() if os.path.samefile(name, path)), [])


def stems_of(dataroot: str, folder: str, paths: list[str]) -> dict[str, str]:
    """Return path below the folder, without extension -> path. Raises UserError: two are equal."""
    found: dict[str, str] = {}
    for path in paths:
        stem = os.path.splitext(os.path.relpath(path, os.path.join(dataroot, folder)))[0]
        if stem in found:
            raise UserError(f"{found[stem]} and {path} have the same name; each needs its own")
        found[stem] = path
    return found


def joined_header(headers: dict[str, Header]) -> Header:
    """Return the header of the bands of all inputs of an image: path -> header of one of them.

    Raises:
        UserError: names two files that differ in type.
    """
    (first, one), *others = headers.items()
    if not others:
        return one
    for path, other in others:
        if one.dtype != other.dtype:
            raise UserError(
                f"{first} holds {one.dtype}, its partner {path} {other.dtype}: inputs of an image "
                "need one type"
            )
    found = headers.values()
    channels, pages = sum(x.channels for x in found), max(x.pages for x in found)
    nodata = next((x.nodata for x in found if x.nodata), "")
    return Header(one.dtype, channels, one.size, "numpy", "tif", pages, nodata=nodata)


def joined(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the bands of all inputs of an image as one array (H, W, C).

    Args:
        arrays: path -> (H, W, C).

    Raises:
        UserError: names two files that differ in size or type.
    """
    check_inputs({path: (array.shape[:2], array.dtype) for path, array in arrays.items()})
    first, *others = arrays.values()
    return np.concatenate([first, *others], axis=2) if others else first


def check_inputs(kinds: Mapping[str, tuple[tuple[int, ...], object]]) -> None:
    """Raise UserError if the inputs of an image differ; it names two files.

    Args:
        kinds: path -> ((height, width), type of the values).
    """
    (first, one), *others = kinds.items()
    for path, other in others:
        if one != other:
            shown = [f"{dtype} of {width}x{height}" for (height, width), dtype in (one, other)]
            raise UserError(
                f"{first} holds {shown[0]} pixels, its partner {path} {shown[1]}: inputs of an "
                "image need one size and one type"
            )

"""The part of a dataset that reads files with their values kept."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from data.image_to_tensor import Compose, steps_of, to_tensor
from data.listing import find_images, remarks
from data.rasters.folder import Folder, choose
from data.rasters.header import Header, describe, header_of
from data.rasters.inputs import (
    find_inputs,
    input_folders,
    joined,
    joined_header,
    partners_of,
    place_of,
)
from data.rasters.raster import Raster
from data.rasters.reading import array_for, read_array
from data.rasters.rules import find_rules, misfit
from data.windows.opening import sample_windows
from util.errors import UserError, culprit
from util.option_defaults import ours, replaced
from util.values import DomainValues, Values
from util.words import amount, listed


def channels_of_domains(opt: Namespace) -> tuple[int, int]:
    """Return the number of channels of images A and of images B."""
    channels = opt.input_nc, opt.output_nc
    return channels if opt.direction == "AtoB" else channels[::-1]


class ValuesOfDomains:
    """Rules for the values of each domain, and items that follow them.

    A subclass calls :meth:`set_values` in ``__init__`` and makes its items by :meth:`entry`. To
    read files of another kind, it overrides :meth:`read_array` and lists the files itself.

    Attributes:
        values: the rule of domain "A" and of domain "B", which are folders, whatever
            ``--direction``; None: 8-bit images, as PIL images and bytes.
        partners: file of a first input, in trainA1 -> files of the others, in trainA2, ...
        uses_values: True once the rules are set; other datasets ignore ``--value_range``.
    """

    opt: Namespace
    values: DomainValues = {"A": None, "B": None}
    uses_values = False
    partners: Mapping[str, list[str]] = {}

    def set_values(
        self, paths: Mapping[str, Sequence[str]], channels: Mapping[str, int], name: str
    ) -> None:
        """Find the rules of some domains.

        Args:
            paths: domain, "A" or "B" -> its files.
            channels: domain -> the number of bands that the networks take or give.
            name: of the folders in messages; the domain replaces ``{}``.

        Raises:
            UserError: see :func:`data.rasters.rules.find_rules`.
        """
        opt = ours(self.opt)
        folders = []
        for domain, files in paths.items():
            flag = "--input_nc" if opt.direction.startswith(domain) else "--output_nc"
            folder = Folder(domain, name.format(domain), files, channels[domain], flag, opt.npz_key)
            if opt.tile and type(self).read_array is ValuesOfDomains.read_array:
                folder = folder._replace(sample=self.sample_inputs)
            if not self.is_known_format(files[0]):
                folder = folder._replace(
                    inputs=1 + len(self.partners.get(files[0], ())),
                    read=self.read_inputs,
                    describe=self.describe_inputs,
                )
            folders.append(folder)
        self.values, self.uses_values = find_rules(opt, folders), True
        if opt.cache_images is not None and any(self.values[domain] for domain in paths):
            remarks.append("--cache_images keeps 8-bit images only; the others are read each time")

    def list_files(self, opt: Namespace, folder: str) -> list[str]:
        """Return the files of ``dataroot/folder`` that this phase uses, in a fixed order.

        For subclasses that read files of another kind, see :meth:`read_array`.
        """
        return find_images(opt, folder)

    def find_files(self, opt: Namespace, folder: str) -> list[str]:
        """Return the files of ``folder``, or of the first of several inputs; see ``partners``.

        Raises UserError: a file has no partner among the other inputs.
        """
        folders = input_folders(opt.dataroot, folder)
        if not folders:
            return self.list_files(opt, folder)
        paths, partners = find_inputs(opt, folders, self.list_files)
        number = amount(len(paths), "image")
        remarks.append(f"{listed(folders)}: the bands of {number} of each are joined")
        self.partners = {**self.partners, **partners}
        return paths

    def find_partners(self, path: str) -> None:
        """Find the other inputs of a file that is not among those of the dataset.

        Raises UserError: it is no first input, as those in testA1 are, or has no partner.
        """
        root, folder, number = place_of(path)
        if not (self.partners and number):
            return
        if number != "1":
            raise UserError(
                f"{path}: give the image in {folder}1, whose partners are found by name"
            )
        opt = replaced(self.opt, dataroot=root)
        found = partners_of(path, input_folders(root, folder), opt, self.list_files)
        self.partners = {**self.partners, path: found}

    def is_known_format(self, path: str) -> bool:
        """True if an image is one file of a format that others can read, too."""
        return type(self).read_array is ValuesOfDomains.read_array and path not in self.partners

    def read_inputs(self, path: str) -> np.ndarray:
        """Return the bands of all inputs of an image as (H, W, C); see :meth:`read_array`."""
        return joined({x: self.read_array(x) for x in (path, *self.partners.get(path, ()))})

    def describe_inputs(self, path: str) -> Header:
        """Return the header of all inputs of an image; see :meth:`describe_file`."""
        return joined_header(
            {x: self.describe_file(x) for x in (path, *self.partners.get(path, ()))}
        )

    def sample_inputs(self, path: str) -> np.ndarray:
        """Return parts of the image that :meth:`read_inputs` reads, of any size."""
        opt, partners = ours(self.opt), self.partners.get(path, ())
        return sample_windows(path, partners, opt.npz_key, exif=not opt.no_exif)

    def describe_file(self, path: str) -> Header:
        """Return the header of a file: type, bands and size.

        A subclass with its own :meth:`read_array` may find these without reading all of the file.

        Raises UserError: names the file and why it cannot be read.
        """
        if type(self).read_array is ValuesOfDomains.read_array:
            return describe(path, ours(self.opt).npz_key)
        return header_of(self.read_array(path))

    def read_array(self, path: str) -> np.ndarray:
        """Return all bands of a file as (H, W, C), of the file's own type.

        Raises UserError: names the file and why it cannot be read.
        """
        opt = ours(self.opt)
        return read_array(path, opt.npz_key, exif=not opt.no_exif)

    def image(self, path: str, channels: int, transform: Callable) -> Any:
        """Return an image of the 8-bit path."""
        raise NotImplementedError

    def raster(self, array: np.ndarray, rule: Values, path: str) -> tuple[Raster, int]:
        """Call :func:`raster_of` for the array of a file; an error names the file."""
        with culprit(f"cannot use the image {path}"):
            return raster_of(array, rule, strict=self.opt.isTrain)

    def used_array(self, path: str, rule: Values) -> np.ndarray:
        """Return the array of a file for :meth:`raster`; see :func:`array_for`."""
        if not self.is_known_format(path):
            return self.read_inputs(path)
        opt = ours(self.opt)
        return array_for(path, rule, opt.npz_key, exif=not opt.no_exif)

    def entry(self, domain: str, path: str, channels: int, transform: Callable) -> dict:
        """Return the part of an item that shows the file at ``path``.

        Returns: {"A": tensor, "A_paths": str}, or the same for B. The tensor is uint8 (C, H, W) on
            the 8-bit path, else float in [-1, 1]. Then there is also "A_clipped", the number of
            values that were outside of the range, and with ``--nodata`` "A_mask": bool (1, H, W),
            True where there is data.
        """
        rule = self.values[domain]
        if rule is None:
            return {domain: self.image(path, channels, transform), f"{domain}_paths": path}
        raster, clipped = self.raster(self.used_array(path, rule), rule, path)
        return raster_entry(domain, raster, clipped, rule, steps_of(transform)) | {
            f"{domain}_paths": path
        }


def raster_of(array: np.ndarray, rule: Values, strict: bool = False) -> tuple[Raster, int]:
    """Return the used bands of (H, W, C) in [-1, 1], and how many values were clipped.

    Args:
        strict: refuse similar types, too; see :func:`data.rasters.rules.misfit`.

    Raises UserError: the type or the bands differ from the rule, or a value is not a number.
    """
    if problem := misfit(array.dtype.name, rule, strict):
        raise UserError(f"it {problem}")
    bands = choose(array, rule.bands)
    if bands.shape[2] != rule.channels:
        raise UserError(
            f"it holds {amount(bands.shape[2], 'band')}, and the rule is for {rule.channels}"
        )
    pixels, valid, clipped = rule.to_unit(bands)
    return Raster(pixels, valid), clipped


def raster_entry(
    domain: str, raster: Raster, clipped: int, rule: Values, steps: Sequence[Callable]
) -> dict:
    """Apply the steps of a transform to a raster; see :meth:`ValuesOfDomains.entry`.

    Raises UserError: the last step is not ours, so the transform is for PIL images.
    """
    if not steps or steps[-1] is not to_tensor:
        raise UserError(
            f"files of {rule.dtype} values need the transform of get_transform(opt) in "
            "data/image_to_tensor.py; another one takes 8-bit images only"
        )
    raster = Compose(list(steps[:-1]))(raster)
    item: dict[str, Any] = {f"{domain}_clipped": clipped, domain: to_tensor(raster)}
    if rule.nodata is not None:
        item[f"{domain}_mask"] = raster.mask()
    return item

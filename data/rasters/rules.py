"""Which range of values becomes [-1, 1]: one rule for all files of a folder."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.image_file import LOW, evenly_spread
from data.listing import remarks
from data.rasters.folder import LOOKED_AT, Folder, choose, common_header, headers_of, used_bands
from data.rasters.header import Header
from data.rasters.reading import read_array
from data.rasters.statistics import Sample, pooled, samples_of
from data.rasters.wishes import EIGHT_BITS, Wish, wish
from util import values
from util.console import warn
from util.errors import UserError
from util.option_defaults import ours
from util.values import DomainValues, Values, shown
from util.words import amount

DEFAULT_RANGES = {"uint8": EIGHT_BITS, "uint16": (0.0, 65535.0)}
_CANNOT = "and --continue_train cannot change that: start a new run"
EXACT = ("uint8", "int8", "uint16", "int16", "float16", "float32")  # types that 24 bits hold


def find_rules(opt: Namespace, folders: Sequence[Folder]) -> DomainValues:
    """Return the rule of each domain; None for 8-bit images that stay on the 8-bit path.

    A training derives the rules from the options and files. Everything else takes the rules of the
    run, as far as there are any. Explicit options replace them, with a line that says so.

    Raises:
        UserError: files of a folder differ in type or bands, have other bands than the networks
            take, or need a range.
    """
    saved = saved_rules(opt)
    found: DomainValues = dict(saved or {"A": None, "B": None})  # not the run's own, which stays
    for folder in folders:
        if saved is None:
            found[folder.domain] = derive(wish(opt, folder.domain), folder)
        else:
            found[folder.domain] = adopt(opt, saved[folder.domain], folder)
        if rule := found[folder.domain]:
            remarks.append(f"{folder.name}: {describe_rule(rule)}")
    return found


def saved_rules(opt: Namespace) -> DomainValues | None:
    """Return the rules of the run, or None if it has none or a new training starts.

    Within a training, ``opt.domain_values`` holds them for datasets of validation images.
    """
    opt = ours(opt)
    if not getattr(opt, "isTrain", True) and hasattr(opt, "domain_values"):
        return opt.domain_values or None
    name = getattr(opt, "name", None)
    starts = getattr(opt, "isTrain", True) and not getattr(opt, "continue_train", False)
    if starts or not name or not hasattr(opt, "checkpoints_dir"):
        return None
    folder = Path(opt.checkpoints_dir) / name
    return values.load(folder) if (folder / values.FILE).is_file() else None


def describe_rule(rule: Values) -> str:
    """Return a line, e.g. "int16, 1 band, -1024..3071 becomes -1..1"."""
    bands = f"band{'s' * (rule.channels > 1)} {' '.join(map(str, rule.bands or ()))}"
    text = f"{rule.dtype}, {bands if rule.bands else amount(rule.channels, 'band')}"
    text += f", {rule.limits} becomes -1..1"
    if rule.nodata is not None:
        text += f", {shown(rule.nodata)} is no data"
    if rule.dtype not in EXACT:
        text += "; 24 bits of each value are kept"
    return text


def derive(wanted: Wish, folder: Folder) -> Values | None:
    """Return the rule of a folder from its files and the options; None for the 8-bit path.

    Raises UserError: see :func:`find_rules`.
    """
    headers = headers_of(folder)
    pictures = all(found.is_bytes for found in headers.values())
    if not headers or (pictures and wanted.asks_nothing() and folder.channels <= 4):
        return None
    path, first = common_header(headers, folder, pictures and wanted.bands is None)
    limits = wanted.range or DEFAULT_RANGES.get(first.dtype)
    no_range = "" if limits else _no_range(wanted, folder, first)
    try:
        channels = used_bands(wanted, folder, path, first, pictures)
    except UserError as error:
        raise UserError(f"{error}; {no_range}" if no_range else str(error)) from None
    if limits is None:
        raise UserError(no_range)
    if first.dtype == "uint16" and wanted.range is None:
        _warn_of_low_values(wanted, folder)
    container = first.container if channels <= 4 or first.container != "png" else "tif"
    rule = Values(
        *limits, first.dtype, channels, wanted.bands, wanted.nodata, container, folder.inputs
    )
    if first.nodata and wanted.nodata is None:
        remarks.append(
            f"{folder.name}: the files declare {first.nodata} to be no data; to leave such pixels "
            f"out, give --nodata {first.nodata}"
        )
    return rule


def _samples(wanted: Wish, folder: Folder) -> Iterator[Sample]:
    """Yield samples of 50 evenly spread files, in the chosen bands."""
    read = folder.sample or folder.read or partial(read_array, npz_key=folder.npz_key)
    paths = evenly_spread(folder.paths, LOOKED_AT)

    def chosen(path: str) -> np.ndarray:
        return choose(read(path), wanted.bands)

    return samples_of(paths, chosen, wanted.nodata)


def _no_range(wanted: Wish, folder: Folder, first: Header) -> str:
    """Return the message for values whose range no type implies."""
    found = pooled(_samples(wanted, folder))
    flag = f"--value_range_{wanted.domain}"
    start = f"{folder.name} holds {first.dtype} values"
    if found is None:
        return f"{start}, and no finite ones: give the range that becomes -1..1 with {flag}"
    nodata = " and --nodata nan" * (found.without_number > 0)
    files = ("parts of " if folder.sample else "") + amount(found.files, "file")
    return (
        f"{start} of {found} in {files}: give the range that becomes -1..1, such as "
        f"{flag} {found.proposal()}{nodata}"
    )


def fitting_range(high: float) -> int:
    """Return the largest number of 8 to 12 bits for 16-bit values up to ``high``; 0 if larger."""
    return next((2**bits - 1 for bits in range(8, 13) if high < 2**bits), 0)


def _warn_of_low_values(wanted: Wish, folder: Folder) -> None:
    """Warn if 16-bit files use at most 12 bits: read as 0..65535, they are almost black."""
    samples = []
    for sample in _samples(wanted, folder):
        if sample.high > LOW:  # the usual case, mostly found in the first file
            return
        samples.append(sample)
    found = pooled(samples)
    if found is None:
        return
    top = fitting_range(found.high)
    warn(
        f"{folder.name}: 16 bits are read as 0..65535, but no value of the "
        f"{amount(found.files, 'image')} looked at is above {shown(found.high)}, so the images are "
        f"almost black; give the range that they use, such as --value_range_{wanted.domain} 0 {top}"
    )


def adopt(opt: Namespace, rule: Values | None, folder: Folder) -> Values | None:
    """Return the rule of the run for files of ``folder``, changed by explicit options.

    Raises:
        UserError: the run was trained on files of another kind.
    """
    explicit = [name for name in getattr(opt, "explicit_options", ()) if name != "npz_key"]
    wanted = wish(opt, folder.domain, explicit)
    headers = headers_of(folder)
    pictures = all(found.is_bytes for found in headers.values())
    if rule is None:
        if pictures and wanted.asks_nothing():
            return None
        if opt.isTrain:
            raise UserError(f"{folder.name}: this run was trained on 8-bit images, {_CANNOT}")
        remarks.append(f"{folder.name}: the run was trained on 8-bit images")
        return derive(wanted, folder)
    if not headers:
        return rule
    converted = pictures and rule.converts_pictures
    path, first = common_header(headers, folder, converted)
    changes: dict[str, Any] = {}
    if wanted.range and wanted.range != (rule.low, rule.high):
        changes |= {"low": wanted.range[0], "high": wanted.range[1]}
    if wanted.bands and wanted.bands != rule.bands:
        changes["bands"] = wanted.bands
    if wanted.nodata is not None and repr(wanted.nodata) != repr(rule.nodata):
        changes["nodata"] = wanted.nodata
    if changes and opt.isTrain:
        raise UserError(f"{folder.name}: in this run, {describe_rule(rule)}; {_CANNOT}")
    if changes:
        new = replace(rule, **changes)
        remarks.append(f"{folder.name}: in training, {describe_rule(rule)}")
        rule = new
    if not rule.bands and folder.inputs < rule.inputs and first.channels != rule.channels:
        raise UserError(
            f"{folder.name}: {path} holds {amount(first.channels, 'band')}, but this run joins "
            f"those of {rule.inputs} inputs, {rule.channels} in all: give these inputs, or files "
            "with all bands"
        )
    used_bands(Wish(folder.domain, None, rule.bands, None), folder, path, first, converted)
    if problem := misfit(first.dtype, rule, strict=opt.isTrain):
        raise UserError(f"{folder.name}: {path} {problem}")
    return rule


def misfit(dtype: str, rule: Values, strict: bool = False) -> str:
    """Return why values of ``dtype`` do not fit a rule, or "".

    Args:
        strict: refuse any other type. Otherwise floats of all sizes fit each other, and so do whole
            numbers of 16 bits and more, because the range is in the units of the files.
    """
    one, other = np.dtype(dtype), np.dtype(rule.dtype)
    floats = one.kind == other.kind == "f"
    whole = "f" not in (one.kind, other.kind) and min(one.itemsize, other.itemsize) > 1
    if dtype == rule.dtype or (not strict and (floats or whole)):
        return ""
    return f"holds {dtype} values, where the rule is for {rule.dtype}"


def complete_pair(rules: DomainValues, channels: tuple[int, int]) -> dict[str, Values]:
    """Return rules for both images of a pair; {} if both are on the 8-bit path.

    If only one half has a rule, the other is 8-bit with the range 0..255.

    Args:
        channels: of domain A and of domain B.
    """
    if not any(rules.values()):
        return {}
    return {
        domain: rules[domain] or Values(*EIGHT_BITS, "uint8", number, container="png")
        for domain, number in zip("AB", channels, strict=True)
    }

"""The values of a dataset in the report of check_data.py: what each folder holds, and the flags."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter

from data.rasters.items import channels_of_domains
from data.rasters.rules import DEFAULT_RANGES, fitting_range
from data.rasters.statistics import Statistics, pooled
from data.rasters.wishes import wish
from data.scan import ImageFile, domain_of_folder, is_one_of_several
from util.values import limits_text
from util.words import amount


def listed(opt: Namespace, names: list[str], text: str, noun: str = "image") -> str:
    """``2 images TEXT: NAME, NAME``, with the first three names, or all with ``--verbose``."""
    shown = names if opt.verbose else names[:3]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"{amount(len(names), noun)}{text}: {', '.join(shown)}{more}"


def kinds_of(images: list[ImageFile]) -> Counter[str]:
    """Return how many images have each type and number of bands.

    Pictures with 8 bits are of one kind, because training converts them to its number of channels.
    """
    headers = [image.header for image in images if image.header]
    return Counter(
        "uint8" if header.is_bytes else f"{header.dtype} in {amount(header.channels, 'band')}"
        for header in headers
    )


def values_of(opt: Namespace, folder: str, images: list[ImageFile]) -> list[str]:
    """Return a line on the values of a folder with the flags to give; [] if no image is readable.

    For example "  int16 in 1 band, -1024 to 3071 (1 %: -1000, 50 %: 40, 99 %: 1200); give
    --value_range_A -1024 3071 --input_nc 1".
    """
    found = pooled(image.sample for image in images if image.sample)
    kinds = kinds_of(images)
    if not kinds:
        return []
    held = str(found) if found else "no finite values"
    flags = flags_for(opt, folder, images, found)
    advice = f"; give {' '.join(flags)}" if flags else ""
    return [f"  {', '.join(kinds)}, {held}{advice}"]


def flags_for(
    opt: Namespace, folder: str, images: list[ImageFile], found: Statistics | None
) -> list[str]:
    """Return the flags that a folder needs and the command line does not have."""
    domain = domain_of_folder(folder)
    header = next(image.header for image in images if image.header)
    wanted = wish(opt, domain)
    several = is_one_of_several(folder)
    paired = folder[-1:] in ("A", "B")
    flags = []
    low_of_16 = found and header.dtype == "uint16" and fitting_range(found.high)
    if not wanted.range and found:
        limits = f"0 {low_of_16}" if low_of_16 else found.proposal()
        if header.dtype not in DEFAULT_RANGES or low_of_16:
            flags.append(f"--value_range{f'_{domain}' * (paired or several)} {limits}")
    if found and found.without_number and not wanted.nodata:
        flags.append("--nodata nan")
    elif header.nodata and wanted.nodata is None:
        flags.append(f"--nodata {header.nodata}")
    convertible = header.is_bytes and not wanted.bands
    name = "output_nc" if paired and not opt.direction.startswith(domain) else "input_nc"
    number = len(wanted.bands) if wanted.bands else header.channels
    channels = channels_of_domains(opt)["AB".index(domain)]
    if not convertible and not several and number != channels:
        flags.append(f"--{name} {number}")
    return flags


def value_problems(opt: Namespace, folder: str, images: list[ImageFile]) -> list[str]:
    """Return what would stop the training: mixed kinds, and values that are not numbers."""
    problems, kinds = [], kinds_of(images)
    if len(kinds) > 1:
        counts = ", ".join(f"{amount(n, 'image')} with {kind}" for kind, n in kinds.most_common())
        problems.append(f"{folder} mixes kinds of files: {counts}; save all as one kind")
    names = [image.name for image in images if image.sample and image.sample.without_number]
    if names:
        text = listed(opt, names, " with values that are not numbers (NaN)")
        problems.append(f"{folder}: {text}; see --nodata")
    return problems


def values_outside(opt: Namespace, folder: str, images: list[ImageFile]) -> list[str]:
    """Return a note on values outside of the range that the options give."""
    limits = wish(opt, domain_of_folder(folder)).range
    found = pooled(image.sample for image in images if image.sample)
    if limits is None or found is None or (limits[0] <= found.low and found.high <= limits[1]):
        return []
    outside = sum(
        image.sample.low < limits[0] or image.sample.high > limits[1]  # NaN: no finite value
        for image in images
        if image.sample
    )
    return [
        f"{folder}: {amount(outside, 'image')} with values outside of {limits_text(*limits)}, "
        f"which become its ends; all lie in {limits_text(found.low, found.high)}"
    ]

"""How an evaluation reads images: as 8-bit pictures, or in the values of their files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from data.image_file import LOW, check_values, evenly_spread, read_image
from data.rasters.folder import LOOKED_AT, choose
from data.rasters.header import Header, describe
from data.rasters.reading import array_for
from data.rasters.rules import DEFAULT_RANGES, misfit
from scripts.evaluation.pairs import split_source
from util import values
from util.console import say
from util.errors import UserError, culprit
from util.image.metrics import Array
from util.image.preview import preview
from util.values import Values, domain_of, source_of
from util.words import amount

EIGHT_BITS = (0.0, 255.0)


class ValueImage(NamedTuple):
    """An image in the unit of the targets.

    Attributes:
        values: float64 (H, W, C), above the lowest of the range, because SSIM needs values from 0.
        valid: bool (H, W), False where there is no data; None: there is data everywhere.
    """

    values: Array
    valid: Array | None


@dataclass
class Reader:
    """Reads the files of one source, such as ``--real``.

    Attributes:
        rule: of the values of the targets; None: images are compared as 8-bit pictures.
        own: of the values of these files, if they are of the other domain.
        chosen: True if the files hold only the bands that the rule chooses.
        clipped, missing: path -> values outside of the range, and pixels without data.
    """

    rule: Values | None
    own: Values | None = None
    chosen: bool = True
    clipped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    def read(self, path: str) -> ValueImage:
        """Return an image in the unit of the targets, with values clipped to the range.

        Raises UserError: names the file, and why it cannot be read or used.
        """
        rule = self.own or self.rule
        target = self.rule or rule
        assert rule is not None and target is not None
        array = self._array(path, rule)
        with culprit(path):
            numbers, valid, self.clipped[path] = rule.limit(array)
        if valid is not None:
            self.missing[path] = int((~valid).sum())
        if rule is not target:
            numbers *= (target.high - target.low) / (rule.high - rule.low)
        return ValueImage(numbers, valid)

    def _array(self, path: str, rule: Values) -> Array:
        """Return the used bands of a file. Raises UserError: it does not suit the rule."""
        if self.chosen:
            rule = replace(rule, bands=None)
        array = array_for(path, rule)
        if problem := misfit(array.dtype.name, rule):
            raise UserError(f"{path} {problem}")
        with culprit(path):
            array = choose(array, rule.bands)
        if array.shape[2] != rule.channels:
            raise UserError(f"{path} has {amount(array.shape[2], 'band')}, not {rule.channels}")
        return array

    def picture(self, path: str) -> Image.Image:
        """Return an image as an 8-bit picture, or its preview, for networks and patterns."""
        if self.own is None and self.rule is None:
            return read_image(path)
        return Image.fromarray(self.shown(self.read(path)))

    def shown(self, image: ValueImage) -> Array:
        """Return an image of :meth:`read` as an 8-bit preview (H, W, 3)."""
        rule = self.rule or self.own
        assert rule is not None
        return preview(image.values / (rule.high - rule.low) * 2 - 1, valid=image.valid)

    def report(self, source: str) -> None:
        """Print how many values were outside of the range, and how many pixels held no data."""
        if outside := sum(self.clipped.values()):
            files = sum(count > 0 for count in self.clipped.values())
            say(
                f"{source}: {amount(outside, 'value')} in {amount(files, 'image')} outside of the "
                "range, set to its ends"
            )
        if missing := sum(self.missing.values()):
            say(f"{source}: {amount(missing, 'pixel')} without data, which do not count")


class PageRules(NamedTuple):
    """The rules of images on a page of test.py, and of those that they were made from."""

    rule: Values | None
    source: Values | None


def page_rules(source: str) -> PageRules | None:
    """Return the rules of ``DIR:LABEL`` if DIR is in a page of test.py of more than 8-bit images.

    Raises UserError: the file of the rules is damaged; or the label is missing.
    """
    folder, label = split_source(source)
    for parent in (Path(folder), *Path(folder).parents):
        if parent.name == "images" and (parent.parent / values.FILE).is_file():
            domains = values.load(parent.parent)
            if not label:
                raise UserError(f"{source}: say which images of this page, e.g. {source}:fake_B")
            return PageRules(domains[domain_of(label)], domains[source_of(label)])
    return None


def make_readers(job: Namespace, files: Mapping[str, Sequence[str]]) -> dict[str, Reader]:
    """Return how the files of each source of an evaluation are read.

    The rule of the values is that of the page of test.py that holds the results, else the targets;
    ``--value_range`` and ``--nodata`` change it. Without such a page, the type of the files counts.

    Args:
        job: the options.
        files: "fake", "real" and, if given, "baseline_input" -> all files of the source.

    Raises:
        UserError: a range is missing, or a file cannot be read.
    """
    pages = {option: page_rules(getattr(job, option)) for option in files}
    known = next(filter(None, (pages["fake"], pages["real"])), None)
    if known and (known.rule or not (job.value_range or job.nodata is not None)):
        rule = known.rule and _changed(known.rule, job)
    else:
        rule = rule_of_files(job, files)
    readers = {option: Reader(rule, None, page is not None) for option, page in pages.items()}
    if "baseline_input" in files and (known or pages["baseline_input"]):
        page, of_fake = pages["baseline_input"], pages["fake"]
        own = page.rule if page else of_fake.source if of_fake else rule
        if own is None and rule is not None:
            own = Values(*EIGHT_BITS, "uint8", rule.channels)
        of_targets = known.rule if known else rule  # before --value_range and --nodata
        same = own and of_targets and own.record() == of_targets.record()
        readers["baseline_input"].own = None if same else own
    return readers


def _changed(rule: Values, job: Namespace) -> Values:
    """Return the rule with the range and the value for no data that the options give."""
    low, high = job.value_range or (rule.low, rule.high)
    nodata = rule.nodata if job.nodata is None else float(job.nodata)
    return replace(rule, low=low, high=high, nodata=nodata)


def rule_of_files(job: Namespace, files: Mapping[str, Sequence[str]]) -> Values | None:
    """Return the rule of targets that are on no page of test.py; None: 8-bit pictures.

    Raises UserError: a range is missing, or a file cannot be read.
    """
    real, fake = (
        [describe(path) for path in evenly_spread(files[option], LOOKED_AT)]
        for option in ("real", "fake")
    )
    first: Header = real[0]
    given = job.value_range is not None or job.nodata is not None
    pictures = [header.is_bytes for header in (*real, *fake)]
    deep = {header.dtype for header in (*real, *fake) if not header.is_bytes} == {"uint16"}
    if not given and (all(pictures) or (any(pictures) and deep)):
        for option in ("real", "fake"):  # of 16 bits, the upper 8 are compared
            check_values(files[option], getattr(job, option))
        return None
    limits = job.value_range or DEFAULT_RANGES.get(first.dtype)
    if limits is None:
        raise UserError(
            f"--real {job.real} holds {first.dtype} values: give the range that metrics are for, "
            "--value_range LOW HIGH"
        )
    if first.dtype == "uint16" and job.value_range is None:
        _require_16_bits(job, files)
    nodata = None if job.nodata is None else float(job.nodata)
    low, high = limits
    return Values(low, high, first.dtype, first.channels, nodata=nodata)


def _require_16_bits(job: Namespace, files: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError: no value of 16-bit targets is above that of 12 bits."""
    try:
        check_values(files["real"], job.real)
    except UserError:
        raise UserError(
            f"--real {job.real} holds uint16 values, none of them above {LOW}: give the range that "
            f"metrics are for, such as --value_range 0 {LOW}"
        ) from None

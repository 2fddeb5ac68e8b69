"""The files of results: each image in the type, the range and the kind of file of its domain."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.rasters.tags import KeptTags
from util.errors import UsageError
from util.image.raster_tags import RasterTags
from util.image.raster_writing import EIGHT_BITS, KINDS, check_format, save_raster
from util.image.writing import ImageWriter, save_image
from util.images import show_images
from util.values import DomainValues, Values, domain_of, mask_of, shows_domain, source_of


class OutputFiles:
    """Writes images of any values, and says once what a file cannot keep.

    Attributes:
        writer: writes in threads.
    """

    def __init__(self, opt: Namespace, domains: DomainValues, note: Callable[[str], None]) -> None:
        """Check the options.

        Args:
            opt: the options of a test. ``opt.save`` names the labels that are written.
            domains: the rules of the folders A and B.
            note: prints a line, the same line once.

        Raises:
            UserError: ``--format`` would lose values of a domain, or needs a package.
            UsageError: ``--aspect_ratio`` would change values.
        """
        self.opt, self.domains, self.note = opt, domains, note
        self.writer, self.tags = ImageWriter(), KeptTags(opt, note)
        labels = opt.save or ("real_A", "real_B")
        for letter in sorted({domain_of(label, opt.direction) for label in labels}):
            rule, images = domains[letter], f"domain {letter}"
            flag = f"--format {opt.format}" if opt.format else f"the results of {images}"
            check_output_files(self.format_of(rule), rule, flag, images, opt.aspect_ratio)

    def format_of(self, rule: Values | None) -> str:
        """Return the format of the images of a domain, and the ending of their files."""
        return self.opt.format or (rule.container if rule else "png")

    def rule_of(self, label: str, image: Any) -> Values | None:
        """Return the rule of an image (N, C, H, W) of a model; None for an 8-bit picture."""
        is_batch = isinstance(image, torch.Tensor) and image.dim() == 4
        return self.rule_for(label, image.shape[1]) if is_batch else None

    def rule_for(self, label: str, channels: int) -> Values | None:
        """Return the rule of an image with these channels; None for an 8-bit picture."""
        rule = self.domains[domain_of(label, self.opt.direction)] if shows_domain(label) else None
        return rule if rule and channels == rule.channels else None

    def tags_of(
        self, label: str, source: str, size: tuple[int, int], kind: str, rule: Values | None
    ) -> RasterTags | None:
        """Return the tags of a file of results.

        Args:
            source: the file that it was read or made from.
            size: (width, height).
            kind: see :meth:`KeptTags.of`.
        """
        direction = self.opt.direction
        is_same = source_of(label, direction) == domain_of(label, direction)
        same_bands = is_same and not (rule and rule.bands)
        return self.tags.of(source, size, kind, same_bands)

    def save_raster(
        self,
        label: str,
        image: Any,
        i: int,
        path: Path,
        source: str,
        masks: Mapping[str, Any],
        picture: np.ndarray,
    ) -> None:
        """Queue the writing of image ``i`` of a batch, in the values of its domain.

        Args:
            source: the file that it was read or made from.
            masks: folder -> bool (N, 1, H, W), False where its images hold no data.
            picture: the image as uint8 (H, W, C), which is written if it is an 8-bit picture.

        Raises:
            UserError: an earlier file could not be written.
        """
        rule = self.rule_of(label, image)
        is_gray = isinstance(image, torch.Tensor) and image.dim() == 4 and image.shape[1] == 1
        array = picture[..., :1] if is_gray else picture
        if rule:
            unit = image[i].detach().float().cpu().numpy().transpose(1, 2, 0)
            mask = mask_of(masks, label, self.opt.direction)
            valid = None if mask is None else mask[i, 0].cpu().numpy()
            array = to_file(label, unit, rule, valid, self.note)
        size = array.shape[1], array.shape[0]
        tags = self.tags_of(label, source, size, path.suffix[1:], rule)
        self.writer.submit(save_array, array, path, rule, tags)


def check_output_files(
    given: str, rule: Values | None, flag: str, images: str, aspect_ratio: float
) -> None:
    """Check that images can be written in a format without a change of their values.

    Args:
        given: the format. See :func:`util.image.raster_writing.check_format`, also for the others.

    Raises:
        UserError: the format would lose values, or needs a package.
        UsageError: ``aspect_ratio`` would change values.
    """
    check_format(given, rule, flag, images)
    if aspect_ratio != 1 and (rule or given not in EIGHT_BITS):
        raise UsageError(
            f"--aspect_ratio {aspect_ratio:g}: a stretched image has other values, so this option "
            f"is for 8-bit pictures in {', '.join(EIGHT_BITS)} only, and not for {images}"
        )


def save_array(array: np.ndarray, path: Path, rule: Values | None, tags: RasterTags | None) -> None:
    """Write an array (H, W, C) of the type of ``rule``, or of uint8 without one.

    Raises UserError: it cannot be written.
    """
    if path.suffix.lower() in KINDS:
        save_raster(array, path, rule.fill if rule else None, tags)
    else:  # 8 bits, in a format that is not exact
        save_image(array[..., 0] if array.shape[2] == 1 else array, path)


def to_file(
    label: str,
    unit: np.ndarray,
    rule: Values,
    valid: np.ndarray | None,
    note: Callable[[str], None],
) -> np.ndarray:
    """Return an image (H, W, C) in [-1, 1] in the values and the type of its domain's files.

    Args:
        label: of the image, for messages.
        valid: bool (H, W), False where the image that it was made from holds no data.
        note: prints a line, the same line once.
    """
    if valid is not None and valid.shape != unit.shape[:2]:
        note(f"{label} has another size than its input: pixels without data are not marked in it")
        valid = None
    if valid is not None and not valid.all() and rule.fill is None:
        note(
            f"{label}: the {rule.dtype} files of its domain have no value for pixels without data; "
            f"these get the lowest value of the range, {rule.low:g}"
        )
    missing = np.isnan(unit)
    if missing.any():
        note(f"{label} has values that are not numbers (NaN)")
        if rule.is_integer:
            unit = np.nan_to_num(unit, nan=-1)
            if rule.fill is not None:
                valid = ~missing.any(axis=-1) & (True if valid is None else valid)
    return rule.from_unit(unit, valid)


def to_picture(label: str, unit: np.ndarray, note: Callable[[str], None]) -> np.ndarray:
    """Return an image (H, W, C) in [-1, 1] as an 8-bit picture; see :func:`show_images`.

    Args:
        label, note: as for :func:`to_file`.
    """
    batch = torch.from_numpy(np.ascontiguousarray(unit.transpose(2, 0, 1)))[None]
    return show_images({label: batch}, report=note)[label]

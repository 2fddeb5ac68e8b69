"""An image of a validation, in the values that its metrics compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from util.image.metrics import Array
from util.images import tensor2im
from util.values import DomainValues, domain_of, mask_of, shows_domain, valid_in_all

UNITS = ("l1", "cycle")  # metrics in the unit of the values


class Measured(NamedTuple):
    """Attributes:
    pixels: (H, W, C), uint8 with three channels, or the values of the files above the lowest of
        their range. SSIM needs values from 0.
    span: the width of the range; None for uint8, whose metrics are in levels.
    valid: bool (H, W), False where there is no data; None: there is data everywhere.
    levels: the pixels from 0 to 255, 0 where there is no data.
    """

    pixels: Array
    span: float | None
    valid: Array | None
    levels: Array

    @staticmethod
    def of(
        label: str,
        image: torch.Tensor,
        direction: str,
        rules: DomainValues,
        masks: Mapping[str, torch.Tensor],
    ) -> Measured:
        """Return the first image of a batch (N, C, H, W) in [-1, 1].

        Args:
            rules: folder -> the rule of its values; {}: all images are 8-bit pictures.
            masks: folder -> bool (N, 1, H, W), False where its images hold no data.
        """
        rule = rules.get(domain_of(label, direction)) if shows_domain(label) else None
        if rule is None or image.shape[1] != rule.channels:
            picture = tensor2im(image)
            return Measured(picture, None, None, picture)
        unit = image[0].detach().float().cpu().numpy().transpose(1, 2, 0)
        mask = mask_of(masks, label, direction)
        valid = None if mask is None else mask[0, 0].cpu().numpy()
        valid = valid if valid is not None and valid.shape == unit.shape[:2] else None
        levels = (unit.clip(-1, 1) + 1) * 127.5
        if valid is not None:
            levels = np.where(valid[..., None], levels, 0)
        values = rule.from_unit(unit).astype(np.float64) - rule.low
        return Measured(values, rule.high - rule.low, valid, levels)

    def is_comparable(self, other: Measured) -> bool:
        """True if metrics can compare both."""
        colours = self.span is not None or self.pixels.shape[2] == 3
        return colours and self.span == other.span and self.pixels.shape == other.pixels.shape

    def compare(self, target: Measured, metric: Callable[..., Any]) -> float:
        """Return a metric where both hold data; NaN if that is nowhere."""
        valid = valid_in_all((self.valid, target.valid))
        return metric(self.pixels, target.pixels, self.span, valid)


class Value(NamedTuple):
    """A metric of an image: the letter of its label, the width of its range, and the metric."""

    domain: str
    span: float
    number: float


def averages(name: str, values: list[Value]) -> dict[str, float]:
    """Return the mean of a metric over the images of all domains.

    If ranges of values differ, an L1 is also given for each domain, such as "l1_A" in the unit of
    its files, and the mean is in levels of 0 to 255 within each range.
    """
    scales = {value.span for value in values}
    if name not in UNITS or len(scales) == 1:
        return {name: float(np.mean([value.number for value in values]))}
    means = {name: float(np.mean([255 * value.number / value.span for value in values]))}
    for domain in sorted({value.domain for value in values}):
        of_domain = [value.number for value in values if value.domain == domain]
        means[f"{name}_{domain}"] = float(np.mean(of_domain))
    return means

"""How images with any number of bands and any values are shown: as 8-bit RGB."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from util import values
from util.values import DomainValues
from util.words import listed

PERCENTILES = (2, 98)  # of each band; what lies outside is shown as black or white
ROWS = 64  # of an image that are converted at once
NODATA = (120, 92, 160)  # a violet, which gray images do not have
# The bands that make red, green and blue, by how many are shown. Two become magenta and green:
# where both are equal, the picture is gray.
COLOURS = {1: (0, 0, 0), 2: (0, 1, 0), 3: (0, 1, 2)}
NAMES = {1: ("gray",), 2: ("magenta", "green"), 3: ("red", "green", "blue")}


@dataclass(frozen=True)
class Preview:
    """How the images of a run are shown.

    Attributes:
        bands: ``--show_bands``, one to three, counted from 1; () shows the first three.
        spread: ``--show_range``: "range" shows the range of the values (-1..1) as black to white,
            "percentiles" the 2nd to the 98th percentile of each band. The percentiles are those of
            the real image of the same domain, if it is shown beside, so that both compare.
        domains: the rules of the values; images of a domain without one are shown as they are.
        direction: ``--direction``.
    """

    bands: tuple[int, ...] = ()
    spread: str = "range"
    domains: DomainValues = field(default_factory=lambda: {"A": None, "B": None})
    direction: str = "AtoB"

    @staticmethod
    def of(opt: Namespace, folder: Path, domains: DomainValues | None = None) -> Preview:
        """Return how ``opt`` shows the images of the run in ``folder``.

        Args:
            domains: the rules of the values, if they are not those of the run.

        Raises UserError: the file with the rules of the values is damaged.
        """
        return Preview(
            tuple(getattr(opt, "show_bands", None) or ()),
            getattr(opt, "show_range", None) or "range",
            domains or values.load(folder),
            getattr(opt, "direction", None) or "AtoB",
        )

    def is_plain(self, label: str, channels: int) -> bool:
        """True if the image ``label`` is shown as it is, as gray, RGB or with an alpha channel."""
        rule = self.domains[values.domain_of(label, self.direction)]
        return rule is None and channels <= 4 and not self.bands and self.spread == "range"

    def real_label(self, label: str, labels: Mapping[str, object]) -> str:
        """Return the real image whose percentiles ``label`` is shown by; without one, ``label``."""
        domain = values.domain_of(label, self.direction)
        real = [name for name in ("real_A", "real_B", "real") if name in labels]
        same = [name for name in real if values.domain_of(name, self.direction) == domain]
        return next(iter(same), label)

    def facts(self) -> dict[str, str]:
        """Return what a page says about its images: "Images of A" -> "-1024..3071 (int16) ..."."""
        how = "as black to white"
        if self.spread == "percentiles":
            how = f"shown from percentile {PERCENTILES[0]} to {PERCENTILES[1]} of each band"
        facts = {}
        for name, rule in self.domains.items():
            if rule is not None:
                bands = f", {mapping(rule.channels, self.bands)}" if rule.channels > 1 else ""
                nodata = "" if rule.nodata is None else ", violet: no data"
                values_text = f"{rule.limits} ({rule.dtype}) {how}"
                facts[f"Images of {name}"] = values_text + bands + nodata
        return facts


def choose(channels: int, bands: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the indices of the bands that are shown, one to three.

    Args:
        bands: counted from 1; if the image does not have them all, the first bands are shown.
    """
    if bands and max(bands) <= channels:
        return tuple(band - 1 for band in bands)
    return tuple(range(min(channels, 3)))


def mapping(channels: int, bands: Sequence[int] = ()) -> str:
    """Return in words what :func:`choose` chooses: "bands 4, 3 and 2 as red, green and blue"."""
    chosen = choose(channels, bands)
    numbers = listed([str(band + 1) for band in chosen])
    return f"band{'s' * (len(chosen) > 1)} {numbers} as {listed(NAMES[len(chosen)])}"


def percentiles(unit: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Return the 2nd and the 98th percentile of each band of an image, as (C, 2).

    Where they are equal, or there is no valid pixel, -1 and 1.

    Args:
        unit: (H, W, C).
        valid: bool (H, W), False where there is no data.
    """
    limits = []
    for band in np.moveaxis(unit, -1, 0):
        finite = np.isfinite(band)
        known = band[finite & valid if valid is not None and valid.shape == band.shape else finite]
        low, high = np.percentile(known, PERCENTILES) if known.size else (0, 0)
        limits.append((low, high) if low < high else (-1, 1))
    return np.array(limits)


def preview(
    unit: np.ndarray,
    bands: Sequence[int] = (),
    limits: np.ndarray | None = None,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Return an image as uint8 (H, W, 3): bands as gray, magenta and green, or RGB.

    Values of ``limits`` become 0 and 255, linearly and rounded to the nearest level. Pixels without
    data, and values that are not numbers, become ``NODATA``. It does not fail for any image.

    Args:
        unit: (H, W, C) in [-1, 1], C at least 1; values outside are clipped.
        bands: see :func:`choose`.
        limits: (C, 2), see :func:`percentiles`; None: -1 and 1.
        valid: bool (H, W), False where there is no data; None: there is data everywhere.
    """
    chosen = choose(unit.shape[-1], bands)
    colours = [chosen[i] for i in COLOURS[len(chosen)]]
    image = np.empty((*unit.shape[:2], 3), np.uint8)
    for top in range(0, len(unit), ROWS):  # few at a time, because floats need eight times as much
        rows = slice(top, top + ROWS)
        shown = unit[rows][..., colours].astype(np.float64)
        if limits is not None:
            low, high = limits[colours].T
            shown = (shown - low) / (high - low) * 2 - 1
        missing = np.isnan(shown).any(-1)
        shown = np.nan_to_num(shown, nan=-1, posinf=1, neginf=-1).clip(-1, 1)
        image[rows] = ((shown + 1) * 127.5).round().astype(np.uint8)
        image[rows][missing] = NODATA
    if valid is not None and valid.shape == image.shape[:2]:  # else the size has changed
        image[~valid] = NODATA
    return image

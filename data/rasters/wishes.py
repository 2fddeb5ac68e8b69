"""The options about values, ``--value_range`` and others, as they stand for a domain."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any, NamedTuple

from util.errors import UsageError
from util.option_defaults import ours

OPTIONS = ("value_range", "value_range_A", "value_range_B", "bands_A", "bands_B", "nodata")
EIGHT_BITS = (0.0, 255.0)


class Wish(NamedTuple):
    """The options of a domain; see :func:`wish`."""

    domain: str
    range: tuple[float, float] | None
    bands: tuple[int, ...] | None
    nodata: float | None

    def asks_nothing(self) -> bool:
        """True if 8-bit images can stay on the 8-bit path."""
        return self.range in (None, EIGHT_BITS) and self.bands is None and self.nodata is None


def wish(opt: Namespace, domain: str, names: Sequence[str] | None = None) -> Wish:
    """Return what the options ask for in ``domain``.

    Args:
        names: the only options to look at; None: all.
    """
    opt = ours(opt)

    def value(name: str) -> Any:
        return getattr(opt, name, None) if names is None or name in names else None

    limits = value(f"value_range_{domain}") or value("value_range")
    bands, nodata = value(f"bands_{domain}"), value("nodata")
    return Wish(
        domain,
        limits and (float(limits[0]), float(limits[1])),
        bands and tuple(bands),
        None if nodata is None else float(nodata),
    )


def refuse_unused(opt: Namespace, dataset: Any) -> None:
    """Raise UsageError for options about values that a dataset does not use.

    Such a dataset reads all images as 8 bits.
    """
    given = [name for name in OPTIONS if getattr(opt, name, None) is not None]
    if given and not getattr(dataset, "uses_values", False):
        raise UsageError(
            f"--{given[0]}: --dataset_mode {opt.dataset_mode} reads images as 8 bits and does not "
            "use it"
        )

"""A row of an option table: what a parser needs, and which numbers are accepted."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any, NamedTuple

from util.errors import UsageError

METAVAR: dict[Any, str | None] = {int: "N", float: "X"}


class Flag(NamedTuple):
    """One option, ``--name``.

    Attributes:
        kind: the type of the value; ``bool`` for a switch; a tuple of strings for choices.
        default: the value if the option is not given. An infinite default means "no limit".
        help: one line for ``--help``.
        lowest: the smallest number that is accepted.
        highest: the largest number that is accepted.
        above: exclusive lower bound, instead of ``lowest``.
        below: exclusive upper bound, instead of ``highest``.
        nargs: as in ``ArgumentParser.add_argument``; with "?" an option without a value is "".
        metavar: name of a text value in ``--help``; numbers are N or X.
    """

    name: str
    kind: type | tuple[str, ...]
    default: Any
    help: str
    lowest: float = -math.inf
    highest: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    nargs: str | None = None
    metavar: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Arguments of ``ArgumentParser.add_argument``, after the name."""
        if self.kind is bool:
            return {"action": "store_true", "help": self.help}
        is_choice = isinstance(self.kind, tuple)
        return {
            "type": str if is_choice else self.kind,
            "choices": self.kind if is_choice else None,
            "default": self.default,
            "nargs": self.nargs,
            "const": "" if self.nargs == "?" else None,
            "metavar": METAVAR.get(self.kind, self.metavar),
            "help": self.help,
        }

    def check(self, opt: Namespace) -> None:
        """Check a number. Raises UsageError: it is not finite, or outside of the limits."""
        value = getattr(opt, self.name, None)
        if self.kind not in (int, float) or value is None or value == self.default:
            return
        if self.lowest <= value <= self.highest and self.above < value < self.below:
            return
        bounds = {"at least": self.lowest, "above": self.above}
        bounds |= {"at most": self.highest, "below": self.below}
        limits = " and ".join(f"{k} {v:.10g}" for k, v in bounds.items() if math.isfinite(v))
        number = "a finite number" if self.kind is float else "a whole number"
        raise UsageError(
            f"--{self.name} {value}: should be {number}" + f", {limits}" * bool(limits)
        )

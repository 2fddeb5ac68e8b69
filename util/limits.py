"""Numbers with a lowest and a highest value, as types of command-line options."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from typing import Any

SHOWN = 40  # characters of a wrong value in an error


class Number:
    """A number between limits; an instance is a ``type`` for ``ArgumentParser.add_argument``.

    Attributes:
        kind: int or float.
        lowest: the smallest number that is accepted.
        highest: the largest number that is accepted.
        below: exclusive upper bound, instead of ``highest``.
        zero: True if 0 is accepted, too, because it switches something off.
        unlimited: True if inf is accepted, too, because it means "no limit".
    """

    def __init__(
        self,
        kind: type,
        lowest: float,
        highest: float = math.inf,
        below: float = math.inf,
        zero: bool = False,
        unlimited: bool = False,
    ) -> None:
        self.kind, self.lowest, self.highest, self.below = kind, lowest, highest, below
        self.zero, self.unlimited = zero, unlimited

    def __call__(self, text: str) -> float:
        """Convert the text of an option. Raises ArgumentTypeError: it is no such number."""
        try:
            value = self.kind(text)
        except ValueError:
            value = math.inf if text.strip().lower() == "inf" else None
        if value == 0 and re.match("[^e]*[1-9]", text.lower()):
            raise ArgumentTypeError(f"{text[:SHOWN]}: should be 0 or more than rounds to 0")
        if not self.accepts(value):
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            raise ArgumentTypeError(f"{shown}: should be {self}")
        return value

    def accepts(self, value: Any) -> bool:
        """True if ``value`` is a number within the limits."""
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        if value == math.inf:
            return self.unlimited
        if value == 0 and self.zero:
            return True
        return self.lowest <= value <= self.highest and value < self.below

    def __str__(self) -> str:
        """Say which numbers are accepted, e.g. "a whole number, at least 1 and at most 9"."""
        most = f"below {self.below:g}" if self.highest == math.inf else f"at most {self.highest}"
        number = "a whole number" if self.kind is int else "a finite number"
        others = ["0"] * self.zero + ["inf for no limit"] * self.unlimited
        return f"{number}, at least {self.lowest} and {most}{''.join(f', or {o}' for o in others)}"


def whole(lowest: int, highest: int, unlimited: bool = False) -> Number:
    """Return the type of whole numbers from ``lowest`` to ``highest``."""
    return Number(int, lowest, highest, unlimited=unlimited)


def real(
    lowest: float, highest: float = math.inf, below: float = math.inf, zero: bool = False
) -> Number:
    """Return the type of finite numbers from ``lowest`` to ``highest`` or to ``below`` a bound."""
    return Number(float, lowest, highest, below, zero)


WEIGHT = real(0, 10**6)  # of a loss

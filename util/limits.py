"""Numbers with a lowest and a highest value, as types of command-line options."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from typing import Any

SHOWN = 40  # an error quotes at most this many characters of a wrong value


class Number:
    """A number between limits; an instance is a ``type`` for ``ArgumentParser.add_argument``.

    Attributes:
        kind: int or float.
        lowest: the smallest number that is accepted.
        highest: the largest number that is accepted.
        below: an exclusive upper bound; give this or ``highest``.
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
        """Convert the text of an option. Raises ArgumentTypeError: it is not accepted."""
        text = text.lstrip(" ")  # of options.arguments.plain_words
        try:
            value = self.kind(text)
        except ValueError:
            value = math.inf if text.strip().lower() == "inf" else None
        # 1e-999 becomes 0.0, though its text has a digit other than 0 before the exponent
        if value == 0 and re.match("[^e]*[1-9]", text.lower()):
            raise ArgumentTypeError(f"{text[:SHOWN]}: should be 0 or more than rounds to 0")
        if not self.accepts(value):
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            raise ArgumentTypeError(f"{shown}: should be {self}")
        return value

    def accepts(self, value: Any) -> bool:
        """True if ``value`` is a number within the limits, or 0 or inf where these are allowed."""
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
    """Return a type for whole numbers from ``lowest`` to ``highest``, both included."""
    return Number(int, lowest, highest, unlimited=unlimited)


def real(
    lowest: float, highest: float = math.inf, below: float = math.inf, zero: bool = False
) -> Number:
    """Return a type for finite numbers, at least ``lowest``; see :class:`Number`."""
    return Number(float, lowest, highest, below, zero)


def value_or_nan(text: str) -> str:
    """Return the text of a finite number or "nan", as a type of an option.

    The option keeps text because NaN is no value of other options, nor of JSON.

    Raises ArgumentTypeError: it is neither.
    """
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise ArgumentTypeError(f"{text[:SHOWN]}: should be a finite number, or nan")
    return "nan" if math.isnan(value) else text


WEIGHT = real(0, 10**6)  # for weights of losses, such as --lambda_A

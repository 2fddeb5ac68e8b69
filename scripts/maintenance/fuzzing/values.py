"""Odd values for the options of any program: 30 for each kind of option."""

from __future__ import annotations

import math
from argparse import Action
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

NUMBERS = (
    "0", "-1", "-0.0", "1", "2", "7", "0.5", "1.5", "100", "1000", "65536", "1000000",
    "2147483648", "4294967296", "9223372036854775808", "1" + "0" * 30, "9" * 5000,
    "1e308", "-1e308", "1e-400", "nan", "inf", "-inf", "", " ", "\u0663", "0x10", "1_0", "1,5",
    "5\n",
)  # fmt: skip
# The files that these paths name are made by fixtures.odd_places in every scratch folder.
TEXTS = (
    "", " ", ".", "..", "../x", "/", "~", "-", "--", "-x", "a\x01b", "a\nb", "\x1b[31mred",
    "\udcff", "\u202ee\u0301", "a\0b", "x" * 300, "x" * 5000, "{x}", "{0.__class__}", "%s%n",
    "odd/folder", "odd/file.txt", "odd/file.txt/x", "odd/secret", "odd/secret.txt", "odd/loop",
    "/dev/full", "/dev/null", "nothere/deep/er",
)  # fmt: skip


def odd_values(action: Action) -> list[str]:
    """Return 30 odd values for an option: numbers, texts, or variations of its choices."""
    if kind_of(action) == "number":
        return list(NUMBERS)
    if action.choices:
        first = [str(choice) for choice in action.choices][0]
        variations = [first.swapcase(), first[:-1], f" {first}", f"{first}\n", f"{first},{first}"]
        return [*variations, *TEXTS[: 30 - len(variations)]]
    return list(TEXTS)


def kind_of(action: Action) -> str:
    """Return "switch", "number" or "text": what the values of an option are."""
    if action.nargs == 0:
        return "switch"
    if action.choices or action.type in (None, str):
        return "text"
    if action.type in (int, float) or isinstance(action.default, (int, float)):
        return "number"
    convert: Callable[[str], Any] = action.type  # type: ignore[assignment]
    for text in ("1", "16", "64", "0.5", "1000"):
        with suppress(Exception):  # a conversion may raise anything
            return "number" if isinstance(convert(text), (int, float)) else "text"
    return "text"


def same_number(typed: str, value: Any) -> bool:
    """True if ``value`` is the number that ``typed`` means, up to the precision of floats."""
    try:
        meant = Decimal(typed.strip())
    except InvalidOperation:
        return True  # not for us to judge, for example a hexadecimal number
    if not isinstance(value, (int, float)) or not meant.is_finite() or not math.isfinite(value):
        return str(value).lower() == str(float(meant)).lower()
    if isinstance(value, int):
        return value == meant
    return abs(Decimal(value) - meant) <= abs(meant) * Decimal("1e-9")

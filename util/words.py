"""Words for messages."""

from __future__ import annotations

import re
from collections.abc import Sequence


def amount(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 image", "3 images".

    Args:
        plural: of a noun that needs more than an "s".
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence: "red", "red and green", "red, green and blue"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def natural(text: str) -> list[str | int]:
    """Return a key that sorts texts by the numbers in them: frame_2 comes before frame_10."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split("([0-9]+)", text))]

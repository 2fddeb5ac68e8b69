"""Words for messages."""

from __future__ import annotations


def amount(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 image", "3 images".

    Args:
        plural: of a noun that needs more than an "s".
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

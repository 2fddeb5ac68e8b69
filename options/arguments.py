"""Additions to argparse: all negative numbers as values, and options that take anything."""

from __future__ import annotations

import argparse
import re
from argparse import Action
from collections.abc import Iterable, Mapping
from typing import Any

from util.limits import Number, value_or_nan

NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+|inf|nan)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class Anything(argparse.Action):
    """An option that takes any number of values and ignores them."""

    def __call__(self, *args: Any) -> None:
        pass


def plain_words(words: Iterable[str], actions: Mapping[str, Action]) -> list[str]:
    """Return the words of a command line with negative numbers in a form that argparse accepts.

    Argparse takes ``-1e3`` and ``-inf`` for options, but no word that begins with a space. It also
    gives an option of several numbers only the one after an equals sign: ``--value_range=-1e3 1e3``
    becomes three words.

    Args:
        actions: the options of the parser by their names.
    """
    result: list[str] = []
    action: Action | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            matches = [actions[known] for known in actions if known.startswith(name)]
            action = actions.get(name) or (matches[0] if len(matches) == 1 else None)
        kind = action.type if action else None
        number = isinstance(kind, Number) or kind in (int, float, value_or_nan)
        several = action is not None and action.nargs not in (None, "?", 0)
        parts = [name, value] if equals and number and several else [word]
        result += [f" {part}" if number and NEGATIVE.fullmatch(part) else part for part in parts]
    return result

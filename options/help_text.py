"""The text of ``--help``: groups of options, defaults, and descriptions that fit the terminal."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, NoReturn

from options.parser import Parser


@contextmanager
def titled(parser: Parser, title: str) -> Iterator[None]:
    """Inside, the options that a model or dataset declares form a group of ``--help``."""
    before, parser._optionals = parser._optionals, parser.add_argument_group(title)
    try:
        yield
    finally:
        parser._optionals = before


def show_help(parser: Parser, description: str | None = None) -> NoReturn:
    """Print the help, with every default that says something, and exit with status 0.

    Args:
        description: the docstring of the program.
    """
    for action in parser._actions:
        default = parser.get_default(action.dest)
        if action.nargs is None and not (action.metavar or action.choices):
            numbers: dict[Any, str] = {int: "N", float: "X"}  # as in the tables
            action.metavar = numbers.get(getattr(action.type, "kind", action.type))
        if default is None or default is False or default in ("", float("inf")):
            continue  # says nothing
        if default != argparse.SUPPRESS and action.help:
            action.default = default
            action.help += " (default: %(default)s)"
    if description:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.description, parser.epilog = wrapped(description), wrapped(parser.epilog or "")
    parser.print_help()
    parser.exit()


def wrapped(text: str) -> str:
    """Return a docstring with its paragraphs as wide as the terminal; indented lines stay."""
    width = shutil.get_terminal_size().columns - 2  # as argparse does
    parts = []
    for kind, group in groupby(text.strip().splitlines(), _kind):
        lines = list(group)
        if kind == "prose":
            lines = textwrap.wrap(" ".join(lines), width, break_on_hyphens=False)
        parts += lines
    return "\n".join(parts)


def _kind(line: str) -> str:
    return "blank" if not line else "indented" if line.startswith(" ") else "prose"

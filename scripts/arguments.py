"""The command-line parser and the options that several programs in this folder share."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from options.parser import Parser
from util.errors import UserError


class Arguments(Parser):
    """Parser with the program's docstring as help; ``settings`` are those of ArgumentParser."""

    def __init__(self, description: str | None = None, **settings: Any) -> None:
        layout = RawDescriptionHelpFormatter
        super().__init__(description=description, formatter_class=layout, **settings)


def colour(text: str) -> tuple[int, int, int]:
    """``R,G,B`` as levels from 0 to 255. Raises ValueError for anything else."""
    red, green, blue = bytes(map(int, text.split(",")))  # bytes refuses levels beyond 0..255
    return red, green, blue


# Keyword arguments of add_argument.
IMAGES: dict[str, Any] = {"metavar": "DIR[:LABEL]"}
FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
PALETTE: dict[str, Any] = {"type": colour, "nargs": "+", "metavar": "R,G,B"}


def check_output(flag: str, file: Path | None) -> None:
    """Raise UserError if ``file`` is given and its folder does not exist."""
    if file and not file.parent.is_dir():
        raise UserError(f"{flag} {file}: there is no folder {file.parent}")

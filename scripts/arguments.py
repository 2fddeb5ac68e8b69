"""The command-line parser of all programs but train.py and test.py, and kinds of values.

A program declares its options as a table of :class:`options.flags.flag.Flag`, and has a function
``build_parser``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import Action, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from options.flags.flag import Flag
from options.help_text import wrapped
from options.parser import Parser
from util.errors import UserError
from util.files import read_text
from util.limits import whole

IMAGES = "DIR[:LABEL]"  # metavar of a source of images
SEED = whole(0, 2**32 - 1)
PICTURES = (".png", ".jpg", ".jpeg", ".webp")  # endings of image files that programs write


class Arguments(Parser):
    """Parser with the program's docstring as help.

    Files and folders to write are tried before the program starts its work.

    Args:
        flags: the options of the program.
        files: True if @FILE stands for the lines of a file. Such a line is never another @FILE.
        settings: those of ArgumentParser.
    """

    def __init__(
        self,
        description: str | None = None,
        flags: Sequence[Flag] = (),
        files: bool = False,
        **settings: Any,
    ) -> None:
        layout = RawDescriptionHelpFormatter
        super().__init__(description=description, formatter_class=layout, **settings)
        self.text = description
        self.files = files
        for flag in flags:
            flag.add_to(self)
        for action in self._actions:
            fit_choices(action)

    def format_help(self) -> str:
        self.description = wrapped(self.text) if self.text else None
        return super().format_help()

    def parse_known_args(  # type: ignore[override]  # argparse has overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse what is known of ``args``.

        Raises:
            UsageError: an option is not accepted.
            UserError: a file or folder cannot be written, or an @FILE cannot be read.
        """
        words: list[str] = []
        for word in sys.argv[1:] if args is None else args:
            is_file = self.files and word.startswith("@")
            words += read_text(Path(word[1:])).splitlines() if is_file else [word]
        opt, unknown = super().parse_known_args(words, namespace)
        for action in self._actions:
            path = getattr(opt, action.dest, None)
            if isinstance(action.type, Output) and path:
                name = (action.option_strings or [action.dest])[-1]
                check_output(name, path, action.type.folder)
        return opt, unknown


def fit_choices(action: Action) -> None:
    """Move the choices of an option to its help if its line of ``--help`` would be too long."""
    choices = ",".join(action.choices or ())
    if action.metavar is None and (len(choices) > 45 or (action.nargs == "+" and choices)):
        action.metavar = action.dest.split("_")[-1].upper().removesuffix("S")
        action.help = f"{action.help} ({choices.replace(',', ', ')})"


class Output:
    """The type of an option that names a file or a folder to write.

    Attributes:
        endings: extensions of the file that are accepted, such as ".png"; () accepts all.
        folder: True for a folder.
    """

    def __init__(self, *endings: str, folder: bool = False) -> None:
        self.endings, self.folder = endings, folder

    def __call__(self, text: str) -> Path:
        """Return the path. Raises ArgumentTypeError: it is empty, or has another extension."""
        if not text:
            raise ArgumentTypeError(f"'': should be a {'folder' if self.folder else 'file'}")
        if self.endings and Path(text).suffix.lower() not in self.endings:
            *others, last = self.endings
            endings = f"{', '.join(others)} or {last}" if others else last
            raise ArgumentTypeError(f"{text}: should be a file name that ends in {endings}")
        return Path(text)


def check_output(flag: str, path: Path, folder: bool = False) -> None:
    """Try whether ``path``, the value of ``flag``, can be written; nothing is left behind.

    Args:
        folder: True if ``path`` is a folder to write files to. Missing folders will be created.

    Raises:
        UserError: it is no folder or no regular file, or it cannot be written or created.
    """
    try:
        if path.exists() and folder != path.is_dir():
            found = "a folder" if path.is_dir() else "a file"
            wanted = "a folder" if folder else "a file"
            raise UserError(f"{flag} {path}: is {found}, should be {wanted}")
        if path.exists() and not folder and not (path.is_file() and os.access(path, os.W_OK)):
            reason = "cannot be written" if path.is_file() else "is no regular file"
            raise UserError(f"{flag} {path}: {reason}")
        place = path if folder else path.parent
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            pass
        if not folder:
            path.with_name(f".{path.name}.12345678").exists()  # its name while it is written
    except OSError as error:
        raise UserError(f"{flag} {path}: cannot be written: {error.strerror}") from None


def colour(text: str) -> tuple[int, int, int]:
    """``R,G,B`` as levels from 0 to 255. Raises ArgumentTypeError for anything else."""
    try:
        red, green, blue = bytes(map(int, text.split(",")))  # bytes refuses levels beyond 0..255
    except ValueError:
        wanted = "should be R,G,B with levels from 0 to 255"
        raise ArgumentTypeError(f"{text}: {wanted}") from None
    return red, green, blue


def colour_text(text: str) -> str:
    """``R,G,B`` as it is. Raises ArgumentTypeError for anything else."""
    colour(text)
    return text

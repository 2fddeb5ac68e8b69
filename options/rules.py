"""The rules of options: the base of those of training and of testing."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from options.flags import SHARED, declare
from options.flags.flag import Flag
from options.inherited import SavedRun
from options.parser import Parser
from util.errors import UsageError
from util.runs import check_inside, did_you_mean_folder


class Rules:
    """Rules of one program's options. They hold for options files of a fork, too.

    Attributes:
        tables: title of each group in ``--help``, and its options.
        defaults: defaults that differ from those in the tables.
        fixed: defaults that the official program sets after parsing, whatever is given.
        once: options that belong to one call: no other call takes them over.
        run: the run that is resumed or tested, with its saved options, if there are any.
    """

    tables: Mapping[str, Sequence[Flag]] = SHARED
    defaults: Mapping[str, Any] = {}
    fixed: Mapping[str, Any] = {}
    once: set[str] = set()

    def __init__(self) -> None:
        self.run = SavedRun()

    def declare(self, parser: ArgumentParser) -> None:
        """Declare the options of the tables that ``parser`` does not have yet."""
        declare(parser, self.tables)

    def find_run(self, parser: Parser, given: dict[str, Any]) -> None:
        """Set ``run`` to the run to start from. May change the default of ``--model``."""

    def apply_run_defaults(self, parser: Parser, given: dict[str, Any], model: type[Any]) -> None:
        """Take options of ``run`` as defaults, after all options have been declared.

        Args:
            given: the options on the command line.
            model: the class of ``--model``.
        """

    def check(self, opt: Namespace) -> None:
        """Check the options before anything is loaded. Raises UsageError: they cannot work."""
        check_inside(f"--phase {opt.phase}", opt.phase, "--dataroot")
        suffix = getattr(opt, "model_suffix", "")  # of --model test
        if not re.fullmatch(r"[\w.-]*", suffix):
            raise UsageError(f"--model_suffix {suffix}: should be part of a name, such as _A")
        if not re.fullmatch(r"[\w.-]+", opt.epoch):
            raise UsageError(f"--epoch {opt.epoch}: should be a number, latest or best")
        if opt.preprocess == "resize_and_crop" and opt.load_size < opt.crop_size:
            raise UsageError(
                f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}: "
                "images are resized to --load_size, then cropped to --crop_size"
            )

    def finish(self, opt: Namespace) -> None:
        """Give values their final form, after all comparisons with defaults."""


def check_dataroot(opt: Namespace) -> None:
    """Raise UsageError unless ``--dataroot`` is a folder."""
    root = Path(opt.dataroot)
    if not root.is_dir():
        reason = "is a file, not a folder" if root.exists() else "no such folder"
        raise UsageError(f"--dataroot {opt.dataroot}: {reason}{did_you_mean_folder(root)}")

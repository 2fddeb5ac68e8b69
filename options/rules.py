"""The rules of options: the base of those of training and of testing."""

from __future__ import annotations

import random
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from options.flags import SHARED, declare
from options.flags.flag import Flag
from options.inherited import SavedRun
from options.parser import Parser
from util.console import say
from util.errors import UsageError
from util.option_defaults import DEFAULTS, OFFICIAL, ours, usable_seed
from util.runs import check_inside, did_you_mean_folder

RANGES = ("value_range", "value_range_A", "value_range_B")
# Our options that the official code lacks, so that other code may have its own of these names
OWN = {name: value for name, value in DEFAULTS.items() if name not in OFFICIAL} | {"seed": None}


def words_of(values: dict[str, Any]) -> list[str]:
    """Options with a value as words of a command line."""
    return [f"--{name}={value}" for name, value in values.items()]


class Rules:
    """Rules of one program's options. They hold for options files of a fork, too.

    Attributes:
        tables: title of each group in ``--help``, and its options.
        defaults: defaults that differ from those in the tables.
        fixed: defaults that the official program sets after parsing, whatever is given.
        once: options that belong to one call: no other call takes them over.
        left_out_of_files: options that ``--config`` does not take from the record of a run.
        run: the run that is resumed or tested, with its saved options, if there are any.
        remarks: what to print once all options have been accepted: functions and their texts.
    """

    tables: Mapping[str, Sequence[Flag]] = SHARED
    defaults: Mapping[str, Any] = {}
    fixed: Mapping[str, Any] = {}
    once: set[str] = set()
    left_out_of_files: set[str] = set()

    def __init__(self) -> None:
        self.run = SavedRun()
        self.remarks: list[tuple[Callable[[str], None], str]] = []

    def say_remarks(self) -> None:
        """Print the remarks."""
        for function, text in self.remarks:
            function(text)
        self.remarks.clear()

    def declare(self, parser: ArgumentParser) -> None:
        """Declare the options of the tables that ``parser`` does not have yet."""
        declare(parser, self.tables)

    def unpack_run(self, values: dict[str, Any]) -> dict[str, Any]:
        """Unpack the run if ``--name`` names an archive; return options that name its folder.

        Args:
            values: of all options so far.
        """
        return {}

    def find_run(self, parser: Parser, given: dict[str, Any]) -> None:
        """Set ``run`` to the run to start from. May change the default of ``--model``."""

    def saved_values(self, parser: Parser, given: dict[str, Any]) -> dict[str, Any]:
        """The options of ``run`` that this call takes over, as far as ``parser`` has them."""
        return self.run.values(parser, given, self.tables, self.once)

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
        if len(opt.show_bands or ()) > 3:
            raise UsageError(f"--show_bands {opt.show_bands}: should be one to three bands")
        for name in RANGES:
            limits = getattr(opt, name, None)
            if limits and not limits[0] < limits[1]:
                low, high = (f"{limit:g}" for limit in limits)
                raise UsageError(f"--{name} {low} {high}: LOW should be less than HIGH")
        if opt.preprocess == "resize_and_crop" and opt.load_size < opt.crop_size:
            raise UsageError(
                f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}: "
                "images are resized to --load_size, then cropped to --crop_size"
            )

    def as_read(self, parser: Parser, given: dict[str, Any]) -> Namespace:
        """The options as they stand so far, as this project reads them."""
        opt, remarks = parser.preview(given), list(self.remarks)
        opt.isTrain = False
        self.note_own_options(opt, parser)
        self.remarks = remarks
        return ours(opt)

    def note_own_options(
        self, opt: Namespace, parser: ArgumentParser, taken: Collection[str] = ()
    ) -> None:
        """Set ``opt.framework_options``, see :func:`util.option_defaults.ours`.

        Args:
            parser: what has parsed; an option is of other code if its help is not ours.
            taken: attributes of ``opt`` that other code has set.
        """
        found = {action.dest: action.help for action in parser._actions}
        tabled = {flag.name: flag for table in self.tables.values() for flag in table}
        values = opt.framework_options = {}
        for name in OWN:
            flag = tabled.get(name)
            lost = flag is not None and not hasattr(opt, name)  # by an option with another dest
            if flag and lost:
                setattr(opt, name, flag.default)
            declared = name in found and (flag is None or found[name] != flag.help)
            if lost or declared or name in taken:
                values[name] = flag.default if flag else OWN[name]
        if "seed" in values and opt.seed is None:
            del values["seed"]  # none is given, and the one that follows serves both
        elif "seed" in values:
            saved = self.run.options.get("framework_options", {}) if opt.isTrain else {}
            seeds = (usable_seed(seed) for seed in (opt.seed, saved.get("seed")))
            values["seed"] = next((s for s in seeds if s is not None), draw_seed(opt.isTrain))
            if values["seed"] == opt.seed:
                del values["seed"]  # one seed serves both
        unused = {name: value for name, value in values.items() if name in tabled}
        if opt.seed is None or usable_seed(opt.seed) is not None:
            unused.pop("seed", None)
        if unused:
            text = (
                f"Declared by your own files: {', '.join(f'--{name}' for name in unused)}. The "
                "options of the same names here cannot be set; their values are "
                f"{', '.join(f'{name} {value}' for name, value in unused.items())}"
            )
            self.remarks.append((say, text))

    def finish(self, opt: Namespace) -> None:
        """Give values their final form, after all comparisons with defaults."""


def draw_seed(is_train: bool) -> int:
    """The seed if none is given: random in training, 0 in tests."""
    return random.SystemRandom().randrange(2**31) if is_train else 0


def check_dataroot(opt: Namespace) -> None:
    """Raise UsageError unless ``--dataroot`` is a folder."""
    root = Path(opt.dataroot)
    if not root.is_dir():
        reason = "is a file, not a folder" if root.exists() else "no such folder"
        raise UsageError(f"--dataroot {opt.dataroot}: {reason}{did_you_mean_folder(root)}")

"""Options that training and testing share, and how a command line becomes ``opt``."""

from __future__ import annotations

import argparse
import random
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from options.flags import RENAMED, SHARED, TEST, TRAIN
from options.inherited import SavedRun
from options.parser import Parser, choose_device, dump, full_name, option_values
from util import plugins
from util.console import say
from util.distributed import is_main
from util.errors import UsageError, UserError, printable
from util.files import write_atomically
from util.runs import check_inside, did_you_mean_folder

INITS = {f"init_{net}" for net in ("G", "D", "G_A", "G_B", "D_A", "D_B")}  # files that models read
USAGE = "%(prog)s --dataroot FOLDER [--OPTION VALUE ...]"


class BaseOptions:
    """Parses in stages: the tables of options, then those of the chosen model and dataset.

    A subclass sets ``isTrain`` and ``tables``. To add options of your own, override
    :meth:`initialize`.

    Attributes:
        tables: title of each group in ``--help``, and its options.
        run: the run that is resumed or tested, with its saved options, if there are any.
        defaults: value of every option without any flag, for the chosen model and dataset.
    """

    isTrain = True
    tables = SHARED

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options of this program, without those of models and datasets."""
        for title, table in self.tables.items():
            group = parser.add_argument_group(title)
            for flag in table:
                flag.add_to(group)
        return parser

    def find_run(self, parser: Parser, given: dict[str, Any]) -> SavedRun:
        """The run to start from. May change the default of ``--model``."""
        return SavedRun()

    def apply_run_defaults(self, parser: Parser, given: dict[str, Any], model: type[Any]) -> None:
        """Take options of ``self.run`` as defaults, after all options have been declared.

        Args:
            given: the options on the command line.
            model: the class of ``--model``.
        """

    def gather_options(self, args: Sequence[str] | None = None) -> Namespace:
        """Parse ``args`` (default: the command line). Raises UsageError: it is not accepted."""
        args = sys.argv[1:] if args is None else list(args)
        # With "resolve" an option that a custom model declares replaces ours.
        parser = self.parser = Parser(usage=USAGE, add_help=False, conflict_handler="resolve")
        help_text = "show this help and exit"
        parser.add_argument(
            "-h", "--help", action="store_true", default=argparse.SUPPRESS, help=help_text
        )
        parser.epilog = (
            f"Models: {', '.join(plugins.available('model'))}. "
            f"Datasets: {', '.join(plugins.available('dataset'))}. "
            "Both add options: --model NAME --help shows them."
        )
        self.initialize(parser)
        parser.not_empty = parser.defaults().keys() | INITS
        parser.refuse_empty(args)
        given = parser.given(args)
        wants_help = given.pop("help", False)
        if wants_help and not given.keys() & {"model", "dataset_mode"}:
            parser.show_help()  # fast: neither PyTorch nor a model has been imported
        model = self._add_plugin_options(args)
        if wants_help:
            parser.show_help()
        given = parser.given(args)
        self.apply_run_defaults(parser, given, model)
        opt, unknown = parser.parse_known_args(args)
        if unknown:
            self._refuse(unknown[0])
        opt.model, opt.dataset_mode = map(plugins.absolute, (opt.model, opt.dataset_mode))
        opt.explicit_options = sorted(given)
        return opt

    def _add_plugin_options(self, args: Sequence[str]) -> type[Any]:
        """Declare the options of the model and the dataset; returns the class of the model."""
        parser = self.parser
        given = parser.given(args)
        default_model = parser.get_default("model")
        self.run = self.find_run(parser, given)
        name = parser.preview(given).model
        model = plugins.find_class("model", name)
        model.modify_commandline_options(parser, self.isTrain)
        default_mode = parser.get_default("dataset_mode")
        if self.run.has("model", name):
            self.run.default_plugin(parser, "dataset_mode", given)
        dataset = plugins.find_class("dataset", parser.preview(parser.given(args)).dataset_mode)
        dataset.modify_commandline_options(parser, self.isTrain)
        self.defaults = parser.defaults() | {"model": default_model, "dataset_mode": default_mode}
        return model

    def _refuse(self, argument: str) -> NoReturn:
        """Raise UsageError for an unknown argument, with the option that was probably meant."""
        word = argument.split("=")[0]
        name = word.lstrip("-")
        if name in RENAMED:
            self.parser.error(f"{word} has been renamed: use {RENAMED[name]}")
        for program, tables in (("train.py", TRAIN), ("test.py", TEST)):
            if word == f"--{name}" and any(f.name == name for t in tables.values() for f in t):
                self.parser.error(f"{word} is an option of {program} only")
        self.parser.refuse(argument)

    def parse(self, args: Sequence[str] | None = None, record: bool = True) -> Namespace:
        """The options of this program, checked; with ``record`` also written to the run's folder.

        Derived values:
            isTrain: True for train.py.
            explicit_options: sorted names of the options on the command line.
            changed: ``{name: default}`` of the options whose value differs from what it is without
                any flag for this model and dataset; a continued run and test.py count what they
                take from the run as changed. No file holds it, and an ``opt`` made by hand may lack
                it: use ``getattr(opt, "changed", {})``.
            name: with its suffix.
            gpu_ids: list of numbers, empty on a CPU.
            device: "cuda:0", "mps" or "cpu".
            seed: drawn if none was given.

        Raises:
            UsageError: the command line makes no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        opt = self.gather_options(args)
        opt.isTrain = self.isTrain
        self.check(opt)
        opt.gpu_ids, opt.device = choose_device(opt.gpu_ids)
        if opt.gpu_ids:  # "cuda" without a number means this GPU, as in the official code
            import torch

            torch.cuda.set_device(opt.gpu_ids[0])
        opt.name = full_name(opt)
        if opt.seed is None:
            opt.seed = random.SystemRandom().randrange(2**31) if self.isTrain else 0
        opt.changed = {
            name: default
            for name, default in self.defaults.items()
            if str(getattr(opt, name, default)) != str(default)
        }
        if record:
            self.print_options(opt)
        self.opt = opt
        return opt

    def check(self, opt: Namespace) -> None:
        """Check the options before anything is loaded. Raises UsageError: they cannot work."""
        if not opt.dataroot:
            raise UsageError("--dataroot is missing: a folder of images, e.g. ./datasets/atlas")
        if not Path(opt.dataroot).is_dir():
            reason = "is a file, not a folder" if Path(opt.dataroot).exists() else "no such folder"
            reason += did_you_mean_folder(Path(opt.dataroot))
            raise UsageError(f"--dataroot {opt.dataroot}: {reason}")
        self.parser.check_numbers(opt)
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

    def print_options(self, opt: Namespace) -> None:
        """Print the changed options; write all to ``PHASE_opt.txt``, in training also as JSON."""
        if not is_main():
            return
        values = {name: printable(value) for name, value in sorted(option_values(opt).items())}
        values["gpu_ids"] = ",".join(map(str, opt.gpu_ids)) or "-1"
        lines = ["----------------- Options ---------------"]
        for name, value in values.items():
            note = f"\t[default: {printable(opt.changed[name])}]" if name in opt.changed else ""
            lines.append(f"{name:>25}: {value:<30}{note}")
        lines.append("----------------- End -------------------")
        changed = [
            f"{k} {values[k]}" for k in values if k in opt.changed and k not in ("gpu_ids", "name")
        ]
        summary = f"Run {opt.name}; changed options: {', '.join(changed)}"
        say(*(line.expandtabs() for line in lines) if opt.verbose else [summary])
        folder = Path(opt.checkpoints_dir) / opt.name
        if not self.isTrain and not folder.is_dir():
            return
        file = folder / f"{opt.phase}_opt.txt"
        try:
            data = "".join(f"{line}\n" for line in lines).encode()
            write_atomically(file, data, "--checkpoints_dir")
        except UserError as error:
            if self.isTrain:
                raise
            say(f"{error}. The test runs without this list of its options")
        if self.isTrain:
            write_atomically(folder / "train_opt.json", dump(opt).encode())

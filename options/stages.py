"""How a command line becomes ``opt``, in stages; options files of a fork may do it otherwise."""

from __future__ import annotations

import argparse
import random
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from options.flags import RENAMED, TEST, TRAIN
from options.parser import Parser, choose_device, dump, full_name, option_values
from options.rules import Rules
from options.testing import TestingRules
from options.training import TrainingRules
from util import checkpoint, plugins
from util.console import say
from util.distributed import is_main
from util.errors import UsageError, UserError, printable
from util.files import write_atomically

NETS = ("G", "D", "E", "G_A", "G_B", "D_A", "D_B")
INITS = {f"init_{net}" for net in NETS}  # files that models read
USAGE = "%(prog)s --dataroot FOLDER [--OPTION VALUE ...]"


class Options:
    """Parses in stages: the tables of options, then those of the chosen model and dataset.

    A subclass sets ``isTrain``. To add options of your own, override :meth:`initialize`.

    Attributes:
        rules: what a run passes on, and which options go together.
        defaults: value of every option without any flag, for the chosen model and dataset.
        parser: the parser of the last call of :meth:`gather_options`, with all options.
        opt: the result of the last call of :meth:`parse`.
        initialized: True after :meth:`initialize`, as in the official class.
    """

    isTrain = True

    def __init__(self) -> None:
        self.initialized = False

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options of this program, without those of models and datasets."""
        rules = rules_of(self.isTrain)
        rules.declare(parser)
        parser.set_defaults(**rules.defaults)
        self.initialized = True
        return parser

    def gather_options(self, args: Sequence[str] | None = None) -> Namespace:
        """Parse ``args`` (default: the command line). Raises UsageError: it is not accepted."""
        args = sys.argv[1:] if args is None else list(args)
        # With "resolve" an option that a custom model declares replaces ours.
        parser = self.parser = Parser(usage=USAGE, add_help=False, conflict_handler="resolve")
        parser.arguments = args
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
        self.rules = rules_of(self.isTrain)  # a subclass may set isTrain in initialize
        self.rules.declare(parser)  # options of ours that such a subclass does not have
        parser.set_defaults(**self.rules.fixed)
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
        self.rules.apply_run_defaults(parser, given, model)
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
        self.rules.find_run(parser, given)
        name = parser.preview(given).model
        model = plugins.find_class("model", name)
        model.modify_commandline_options(parser, self.isTrain)
        default_mode = parser.get_default("dataset_mode")
        if self.rules.run.has("model", name):
            self.rules.run.default_plugin(parser, "dataset_mode", given)
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
            device: a torch.device: cuda:0, mps or cpu.
            seed: if none was given, 0 in tests, and drawn for train.py. Training scripts of others
                leave it to ``create_dataset`` and ``create_model``, see ``add_missing`` in
                util/option_defaults.py.

        Args:
            args: default: the command line. An error in it ends the program, as officially; one in
                ``args`` is raised.

        Raises:
            UsageError: the options make no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        try:
            opt = self._parse(args, draw=not (record and self.isTrain))
        except UsageError as error:
            if args is not None:
                raise
            self.parser.exit(error.status, f"{self.parser.prog}: error: {error}\n")
        if record:
            self.record(opt)
        self.opt = opt
        return opt

    def _parse(self, args: Sequence[str] | None, draw: bool) -> Namespace:
        """Parse, check and derive, with ``draw`` also a seed; see :meth:`parse`."""
        # A subclass may have the official method, which takes no arguments
        opt = self.gather_options() if args is None else self.gather_options(args)
        opt.isTrain = self.isTrain
        if not opt.dataroot:
            raise UsageError("--dataroot is missing: a folder of images, e.g. ./datasets/atlas")
        self.parser.check_numbers(opt)
        self.rules.check(opt)
        opt.gpu_ids, opt.device = choose_device(opt.gpu_ids)
        if opt.gpu_ids:  # "cuda" without a number means this GPU, as in the official code
            import torch

            torch.cuda.set_device(opt.gpu_ids[0])
        opt.name = full_name(opt)
        if opt.seed is None and draw:
            opt.seed = draw_seed(self.isTrain)
        opt.changed = changes(opt, self.defaults)
        self.rules.finish(opt)
        return opt

    def record(self, opt: Namespace) -> None:
        """Print and write the options; those of a training also as JSON, for later programs."""
        self.print_options(opt)
        write_json(opt)

    def print_options(self, opt: Namespace) -> None:
        """Print the changed options, and write all to ``PHASE_opt.txt`` in the run's folder."""
        if not is_main():
            return
        values = {name: printable(value) for name, value in sorted(option_values(opt).items())}
        values["gpu_ids"] = ",".join(map(str, opt.gpu_ids)) or "-1"
        changed = getattr(opt, "changed", {})
        lines = ["----------------- Options ---------------"]
        for name, value in values.items():
            note = f"\t[default: {printable(changed[name])}]" if name in changed else ""
            lines.append(f"{name:>25}: {value:<30}{note}")
        lines.append("----------------- End -------------------")
        shown = [
            f"{k} {values[k]}" for k in values if k in changed and k not in ("gpu_ids", "name")
        ]
        summary = f"Run {opt.name}; changed options: {', '.join(shown)}"
        say(*(line.expandtabs() for line in lines) if opt.verbose else [summary])
        file = Path(opt.checkpoints_dir) / opt.name / f"{opt.phase}_opt.txt"
        try:
            data = "".join(f"{line}\n" for line in lines).encode()
            write_atomically(file, data, "--checkpoints_dir")
        except UserError as error:
            if self.isTrain:
                raise
            say(f"{error}. The test runs without this list of its options")


def rules_of(is_train: bool) -> Rules:
    """The rules of training, or those of testing."""
    return TrainingRules() if is_train else TestingRules()


def draw_seed(is_train: bool) -> int:
    """The seed if none is given: random in training, 0 in tests."""
    return random.SystemRandom().randrange(2**31) if is_train else 0


def changes(opt: Namespace, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return name -> default of the options whose value is another one."""
    return {
        name: default
        for name, default in defaults.items()
        if str(getattr(opt, name, default)) != str(default)
    }


def write_json(opt: Namespace) -> None:
    """Write the options of a training for test.py and ``--continue_train``, on rank 0."""
    if opt.isTrain and is_main():
        file = Path(opt.checkpoints_dir) / opt.name / checkpoint.OPTIONS
        write_atomically(file, dump(opt).encode())

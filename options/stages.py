"""How a command line becomes ``opt``, in stages; options files of a fork may do it otherwise."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NoReturn

from options.completion import check_and_derive, command_line, complete, find_run, rules_of
from options.config import Config
from options.flags import RENAMED, TEST, TRAIN
from options.help_text import show_help, titled
from options.parser import Parser, dump, full_name, option_values
from options.rules import OWN, words_of
from util import checkpoint, plugins
from util.console import say
from util.distributed import is_main
from util.errors import UsageError, UserError, printable
from util.files import write_atomically
from util.gpu import ids_as_typed
from util.named_values import extend_choices, quotes

NETS = ("G", "D", "E", "G_A", "G_B", "D_A", "D_B")
FILES = {"content_features", "content_weights", *(f"init_{net}" for net in NETS)}  # of models
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
        description: what ``--help`` says of the program above the options.
    """

    isTrain = True
    description: str | None = None

    def __init__(self) -> None:
        self.initialized = False
        self.automatic = "auto"  # the default of --gpu_ids that stands for a choice
        self.config: Config | None = None
        self.added: list[str] = []  # words after the command line, for a class with its own parser

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options of this program, without those of models and datasets."""
        rules = rules_of(self.isTrain)
        rules.declare(parser)
        parser.set_defaults(**rules.defaults)
        self.initialized = True
        return parser

    def words(self) -> list[str]:
        """The arguments on the command line."""
        return sys.argv[1 : len(sys.argv) - len(self.added)]

    def gather_options(self, args: Sequence[str] | None = None) -> Namespace:
        """Parse ``args`` (default: the command line). Raises UsageError: it is not accepted."""
        args = self.words() if args is None else args
        # With "resolve" an option that a custom model declares replaces ours.
        parser = self.parser = Parser(usage=USAGE, add_help=False, conflict_handler="resolve")
        parser.arguments = args = list(args)
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
        parser.not_empty = parser.defaults().keys() | FILES
        parser.refuse_empty(args)
        self.config = self._read_file(args)
        with self.config.named_in_errors(parser) if self.config else nullcontext():
            return self._gather(parser, [*self.config.words, *args] if self.config else args)

    def _gather(self, parser: Parser, args: list[str]) -> Namespace:
        """Parse ``args`` with the options of the model and dataset that they name."""
        parser.arguments = args
        parser.refuse_empty(args)
        given = parser.given(args, OWN)
        wants_help = given.pop("help", False)
        if wants_help and not given.keys() & {"model", "dataset_mode"}:
            show_help(parser, self.description)  # fast: no model has been imported
        unpacked = self.rules.unpack_run(parser.defaults() | given)
        given |= unpacked
        args += words_of(unpacked)
        model = self._add_plugin_options(args, given)
        if wants_help:
            show_help(parser, self.description)
        if self.config:
            self._check_file(args, model)
        given = parser.given(args)
        self.rules.apply_run_defaults(parser, given, model)
        opt, unknown = parser.parse_known_args(args)
        if unknown:
            self._refuse(unknown[0])
        opt.model, opt.dataset_mode = map(plugins.absolute, (opt.model, opt.dataset_mode))
        opt.explicit_options = sorted(given)
        return opt

    def _read_file(self, args: Sequence[str]) -> Config | None:
        """Return the options in the file of ``--config``, None without one."""
        parser = self.parser
        typed = parser.given(args, OWN.keys() - {"config"})
        file = typed.get("config")
        plugin_names = [typed.get(k, parser.get_default(k)) for k in ("model", "dataset_mode")]
        if not file or quotes("--config", *plugin_names):  # a project's own option of this name
            return None
        return Config(file, parser, self.rules.left_out_of_files, typed)

    def _check_file(self, args: list[str], model: type[Any]) -> None:
        """Check the file of ``--config`` now that all options are declared."""
        assert self.config
        others = Parser(add_help=False, conflict_handler="resolve")
        for plugin in (model, *self._plugins_of_file()):
            for is_train in (True, False):  # one file may serve both programs
                with suppress(UsageError):  # some models cannot be trained
                    plugin.modify_commandline_options(others, is_train)
        before = list(self.config.words)
        text = self.config.check(self.parser, others.defaults())
        args[: len(before)] = self.config.words
        self.rules.remarks.append((say, text))

    def _plugins_of_file(self) -> Iterator[type[Any]]:
        """Yield the model and the dataset that the file of ``--config`` names, if they are ours."""
        for kind, flag in plugins.FLAG.items():
            name = self.config.plugins[flag] if self.config else None
            if isinstance(name, str) and not plugins.is_file(name):
                with suppress(UsageError):  # the command line names one that exists
                    yield plugins.find_class(kind, name)

    def _add_plugin_options(self, args: Sequence[str], given: dict[str, Any]) -> type[Any]:
        """Declare the options of the model and the dataset; returns the class of the model."""
        parser = self.parser
        default_model = parser.get_default("model")
        self.rules.find_run(parser, given)
        parser.saved = lambda: self.rules.saved_values(parser, given)
        name = parser.preview(given).model
        extend_choices(parser._actions, name)
        parser.given(args, OWN)  # refuses wrong names of networks before PyTorch is imported
        model = plugins.find_class("model", name)
        with titled(parser, f"model {name}"):
            model.modify_commandline_options(parser, self.isTrain)
        default_mode = parser.get_default("dataset_mode")
        if self.rules.run.has("model", name):
            self.rules.run.default_plugin(parser, "dataset_mode", given)
        mode = parser.preview(parser.given(args, OWN)).dataset_mode
        extend_choices(parser._actions, name, mode)
        dataset = plugins.find_class("dataset", mode)
        with titled(parser, f"dataset {mode}"):
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
            args: default: the command line. An error in it ends the program, as in argparse; one in
                ``args`` is raised.

        Raises:
            UsageError: the options make no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        try:
            opt = self.read(args, draw=not (record and self.isTrain))
        except UsageError as error:
            if args is not None:
                raise
            parser = ArgumentParser()
            parser.exit(error.status, f"{parser.prog}: error: {error}\n")
        self.rules.say_remarks()
        if record:
            self.record(opt)
        self.opt = opt
        return opt

    def read(self, args: Sequence[str] | None, draw: bool = True) -> Namespace:
        """Parse, check and derive as :meth:`parse`, without printing or writing anything.

        Args:
            draw: also draw a seed.
        """
        if type(self).gather_options is Options.gather_options:
            opt = self.gather_options() if args is None else self.gather_options(args)
        else:
            opt = self._gather_otherwise(self.words() if args is None else list(args), draw)
        if not opt.dataroot:
            raise UsageError("--dataroot is missing: a folder of images, e.g. ./datasets/atlas")
        if hasattr(opt, "changed"):
            return opt
        opt.isTrain = self.isTrain
        opt.name = full_name(opt)
        self.parser.check_numbers(opt)
        self.rules.note_own_options(opt, self.parser)
        gpu_given = "gpu_ids" in opt.explicit_options or opt.gpu_ids != self.automatic
        check_and_derive(opt, self.rules, self.defaults, gpu_given, draw)
        return opt

    def _gather_otherwise(self, words: list[str], draw: bool) -> Namespace:
        """Call the ``gather_options`` of a subclass, which may parse with a parser of its own."""
        self.rules, self.added, _ = find_run(type(self)(), words)
        with command_line([*words, *self.added]):
            opt = self.gather_options()
        if not hasattr(opt, "explicit_options"):
            opt.isTrain = self.isTrain
            opt.name = full_name(opt)
            complete(opt, self.parser, self.rules, words, draw)
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
        values["gpu_ids"] = ids_as_typed(opt.gpu_ids)
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


def write_json(opt: Namespace) -> None:
    """Write the options of a training for test.py and ``--continue_train``, on rank 0."""
    if opt.isTrain and is_main():
        file = Path(opt.checkpoints_dir) / opt.name / checkpoint.OPTIONS
        write_atomically(file, dump(opt).encode())

"""The options of train.py and test.py, from our options files or from a fork's in their place."""

from __future__ import annotations

import copy
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from options.parser import Parser, choose_device
from options.rules import Rules, check_dataroot
from options.stages import Options, changes, draw_seed, rules_of, write_json
from util import plugins
from util.distributed import is_main
from util.option_defaults import OLD_NAMES, adopt_old_names


class Program:
    """Parses and records the options of a program.

    Options files written for the official code work in place of ours. Their class parses with
    argparse, prints and writes at once, and has none of our options. So this class

    - writes nothing before :meth:`record`,
    - takes over what ``--continue_train`` and test.py read from a run, as far as the class has the
      option, unless the command line has it,
    - adds our other options with their defaults, and the values derived in :meth:`Options.parse`.
    """

    def __init__(self, options: Any) -> None:
        """Args: options: an instance of ``TrainOptions`` or ``TestOptions``."""
        self.options = options
        self.recorded: list[Namespace] = []  # what a class of a fork has printed, to do so later

    def parse(self) -> Namespace:
        """The checked options of the command line. Nothing has been printed or written.

        Raises:
            UsageError: the command line makes no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        words = sys.argv[1:]
        if is_ours(self.options):
            opt = self.options.parse(words, record=False)
        elif isinstance(self.options, Options):
            with self._nothing_recorded("record"):
                opt = self.options.parse()
            if opt.seed is None:
                opt.seed = draw_seed(opt.isTrain)
        elif {"-h", "--help"} & set(words):
            opt = self.options.parse()  # prints its help and exits
        else:
            opt = self._parse_foreign(words)
        check_dataroot(opt)
        return opt

    def record(self, opt: Namespace) -> None:
        """Print and write the options in the run's folder: PHASE_opt.txt, and JSON in training."""
        if isinstance(self.options, Options):
            self.options.record(opt)
            return
        for recorded in self.recorded if is_main() else ():
            now = {name: getattr(opt, name) for name in vars(recorded).keys() - {"gpu_ids"}}
            self.options.print_options(Namespace(**vars(recorded) | now))
        write_json(opt)

    @contextmanager
    def _nothing_recorded(self, method: str) -> Iterator[None]:
        """Inside, ``method`` of the options only keeps a copy of what it should print."""
        setattr(self.options, method, lambda opt: self.recorded.append(copy.copy(opt)))
        try:
            yield
        finally:
            delattr(self.options, method)

    def _parse_foreign(self, words: list[str]) -> Namespace:
        rules, added = self._find_run(words)
        with self._nothing_recorded("print_options"), command_line([*words, *added]):
            opt = self.options.parse()
        if not hasattr(opt, "isTrain"):
            opt.isTrain = self.options.isTrain
        complete(opt, getattr(self.options, "parser", None), rules, words)
        return opt

    def _find_run(self, words: list[str]) -> tuple[Rules, list[str]]:
        """Find the run to resume or test.

        Returns:
            The rules, with the run; and words that choose its model and dataset, and the CPU if
            there is no GPU.
        """
        other, probe = type(self.options)(), Parser(add_help=False, conflict_handler="resolve")
        try:
            other.initialize(probe)
        except TypeError:  # in options files of 2017 and early 2018 it takes no parser
            return rules_of(other.isTrain), []
        rules = rules_of(other.isTrain)
        if not {"checkpoints_dir", "name"} <= probe.defaults().keys():  # parse() sets the folder
            return rules, []
        given, added = probe.given(words), []
        before = probe.defaults()
        rules.find_run(probe, given)
        if rules.run.has("model", probe.preview(given).model):
            rules.run.default_plugin(probe, "dataset_mode", given)
        for name in ("model", "dataset_mode"):
            if probe.get_default(name) != before.get(name):
                added += [f"--{name}", probe.get_default(name)]
        if "gpu_ids" in before.keys() - given.keys():
            import torch

            added += [] if torch.cuda.is_available() else ["--gpu_ids", "-1"]
        return rules, added


def is_ours(options: Any) -> bool:
    """True if the class parses as ours do; a subclass may have official methods in their place."""
    names = ("parse", "gather_options")
    return all(getattr(type(options), name, 0) is getattr(Options, name) for name in names)


@contextmanager
def command_line(words: list[str]) -> Iterator[None]:
    """Inside, ``words`` are the arguments in ``sys.argv``."""
    before, sys.argv = sys.argv, [sys.argv[0], *words]
    try:
        yield
    finally:
        sys.argv = before


def complete(opt: Namespace, parser: ArgumentParser | None, rules: Rules, words: list[str]) -> None:
    """Make ``opt``, parsed by a class of a fork, what :meth:`Options.parse` returns.

    Args:
        parser: what the class has parsed with, if known.
        rules: with the run that is resumed or tested.
        words: the command line.
    """
    parents = [copy.deepcopy(parser)] if parser else []
    ours = Parser(parents=parents, add_help=False, conflict_handler="resolve")
    rules.declare(ours)
    given = ours.given(words)
    adopt_old_names(opt, given)
    given |= {new: getattr(opt, new) for old, new in OLD_NAMES.items() if old in given}
    defaults = ours.defaults()
    parsed = {name: getattr(opt, name, default) for name, default in defaults.items()}
    ours.set_defaults(**parsed | {"name": defaults["name"]})  # opt.name has its suffix already
    before = ours.defaults()
    ours.set_defaults(**rules.fixed)
    rules.apply_run_defaults(ours, given, plugins.find_class("model", opt.model))
    for name, value in ours.defaults().items():
        changed = value != before[name] and name not in given
        if changed or not hasattr(opt, name):
            setattr(opt, name, value)
    ours.check_numbers(opt)
    opt.model, opt.dataset_mode = map(plugins.absolute, (opt.model, opt.dataset_mode))
    opt.explicit_options = sorted(given.keys() - {"help"})
    rules.check(opt)
    derive_device(opt, "gpu_ids" in given)
    if opt.seed is None:
        opt.seed = draw_seed(opt.isTrain)
    opt.changed = changes(opt, defaults)
    rules.finish(opt)


def derive_device(opt: Namespace, explicit: bool) -> None:
    """Set ``opt.gpu_ids`` and ``opt.device``.

    Args:
        explicit: True if the command line has ``--gpu_ids``; a default is replaced by a choice.
    """
    ids = opt.gpu_ids if isinstance(opt.gpu_ids, str) else ",".join(map(str, opt.gpu_ids)) or "-1"
    opt.gpu_ids, device = choose_device(ids if explicit else "auto")
    opt.device = getattr(opt, "device", device)

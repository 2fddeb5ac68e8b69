"""The options of train.py and test.py, from our options files or from a fork's in their place."""

from __future__ import annotations

import copy
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from options.completion import command_line, complete, find_run
from options.rules import Rules, check_dataroot, draw_seed
from options.stages import Options, write_json
from util.distributed import is_main
from util.option_defaults import ours, theirs
from util.replaced_files import require_own_files


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
        """The checked options of the command line, as this project reads them.

        Nothing has been written.

        Raises:
            UsageError: the command line makes no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        require_own_files(self.options.isTrain)
        words = sys.argv[1:]
        if isinstance(self.options, Options) and type(self.options).parse is Options.parse:
            opt, rules = self.options.read(words), self.options.rules
        elif {"-h", "--help"} & set(words):
            return self.options.parse()  # prints its help and exits
        else:
            opt, rules = self._parse_foreign(words)
        check_dataroot(opt)
        if opt.seed is None:
            opt.seed = draw_seed(opt.isTrain)
        rules.say_remarks()
        return ours(opt)

    def record(self, opt: Namespace) -> None:
        """Print and write the options in the run's folder: PHASE_opt.txt, and JSON in training."""
        opt = theirs(opt)
        if isinstance(self.options, Options):
            self.options.record(opt)
            return
        for recorded in self.recorded if is_main() else ():
            now = {name: getattr(opt, name) for name in vars(recorded).keys() - {"gpu_ids"}}
            self.options.print_options(Namespace(**vars(recorded) | now))
        write_json(opt)

    @contextmanager
    def _nothing_recorded(self) -> Iterator[None]:
        """Inside, the methods that print options only keep a copy of what they should print."""
        names = [name for name in ("record", "print_options") if hasattr(self.options, name)]
        for name in names:
            setattr(self.options, name, lambda opt: self.recorded.append(copy.copy(opt)))
        try:
            yield
        finally:
            for name in names:
                delattr(self.options, name)

    def _parse_foreign(self, words: list[str]) -> tuple[Namespace, Rules]:
        """Parse with a method ``parse`` in the official manner."""
        rules, added, preview = find_run(type(self.options)(), words)
        if preview.dataroot:  # classes of 2017 print and write while they parse
            check_dataroot(preview)
        if isinstance(self.options, Options):
            self.options.added = added
        with self._nothing_recorded(), command_line([*words, *added]):
            opt = self.options.parse()
        if hasattr(opt, "changed"):  # it extends our method
            return opt, self.options.rules
        if not hasattr(opt, "isTrain"):
            opt.isTrain = self.options.isTrain
        complete(opt, getattr(self.options, "parser", None), rules, words)
        return opt, rules

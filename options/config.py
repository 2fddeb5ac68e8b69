"""Options from a JSON file, ``--config FILE``: they count as if they stood on the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from options.flags import TEST, TRAIN
from options.parser import Parser
from util.errors import UsageError, culprit
from util.files import read_json, shown_value
from util.option_defaults import NOTES
from util.plugins import FLAG, did_you_mean, is_file
from util.words import amount

# Keys of a run's train_opt.json that are no options
DERIVED = {"isTrain", "device", "given", *NOTES}
NEVER = "[\0\ud800-\udbff]"  # characters that no command line holds
TABLED = {flag.name for tables in (TRAIN, TEST) for table in tables.values() for flag in table}


class Config:
    """The options of a file, as words that come before those of the command line.

    A hand-written file may hold any option. Of the ``train_opt.json`` of a run, the options that
    belong to that one call are left out: those that ``--continue_train`` and test.py do not take
    from a run.

    Attributes:
        plugins: the model and the dataset of the file, also if the command line names others.
        words: ``--NAME=VALUE``, ``--SWITCH``, or ``--NAME`` followed by the values of a list.
    """

    def __init__(
        self, file: str, parser: Parser, once: Collection[str], typed: Mapping[str, Any]
    ) -> None:
        """Read the file.

        Args:
            parser: with the options of the tables; those of models and datasets may follow.
            once: options that a run does not pass on.
            typed: the options on the command line, which replace those of the file.

        Raises:
            UserError: the file cannot be read, or is not JSON.
            UsageError: a value cannot be one of an option, or would execute code in a file.
        """
        self.file = file
        with culprit("--config"):
            content: dict[str, Any] = read_json(Path(file))
        self.plugins = {flag: content.get(flag) for flag in FLAG.values()}
        self.values = {k: v for k, v in content.items() if k not in DERIVED and v is not None}
        number = len(self.values)
        if content.keys() & {"isTrain", "given"}:  # the record of a run
            self._leave_out(once)
        here = {action.dest for action in parser._actions}
        self._leave_out(TABLED - here)  # options of the other program
        self.left_out = number - len(self.values)
        self._leave_out(typed.keys())
        self._refuse_code()
        self.words = [word for name, v in self.values.items() for word in self._words(name, v)]

    def _leave_out(self, names: Collection[str]) -> None:
        self.values = {name: v for name, v in self.values.items() if name not in names}

    def _refuse_code(self) -> None:
        """Raise UsageError for the path of a model or dataset: its file would be executed."""
        for flag in FLAG.values():
            if is_file(str(self.values.get(flag, ""))):
                raise UsageError(
                    f"--config {self.file}: {flag} is code in a file, which a file of options may "
                    f"not choose; if you trust it, give it again: --{flag} {self.values[flag]}"
                )

    def _words(self, name: str, value: Any) -> list[str]:
        """Return an option as it would be typed; [] for a switch that is off."""
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name == "help":
            raise UsageError(f"--config {self.file}: {shown_value(name)} is no option")
        if isinstance(value, bool):
            return [f"--{name}"] if value else []
        items = value if isinstance(value, list) else [value]
        for item in items:
            is_plain = isinstance(item, (str, int, float)) and not isinstance(item, bool)
            if not is_plain or re.search(NEVER, str(item)):
                raise UsageError(
                    f"--config {self.file}: {name} is {shown_value(item)}; should be text, a "
                    "number, true, false, or a list of texts or numbers"
                )
        if isinstance(value, list):
            return [f"--{name}", *map(str, value)] if value else []
        return [f"--{name}={value}"]

    def refuse_executed(self, parser: Parser) -> None:
        """Raise UsageError for an option of a custom model whose value is executed."""
        for action in parser._actions:
            if action.dest in self.values and action.type in (eval, exec):
                reason = "is executed by its model, so it has to be on the command line"
                raise UsageError(f"--config {self.file}: {action.dest} {reason}")

    @contextmanager
    def named_in_errors(self, parser: Parser) -> Iterator[None]:
        """Inside, errors that the words cause name the file, and no value is executed."""
        parser.before_parsing = lambda: self.refuse_executed(parser)
        try:
            yield
        except UsageError as error:
            try:
                parser.refuse_empty(self.words)
                parser.given(self.words)
            except UsageError as own:
                if str(own) == str(error):
                    raise UsageError(f"--config {self.file}: {error}") from None
            raise
        finally:
            parser.before_parsing = dict

    def check(self, parser: Parser, passed_over: Collection[str]) -> str:
        """Check the file against all options, and return a line about what counts.

        Words of options that do not apply here are removed from ``words``.

        Args:
            parser: with all options.
            passed_over: options of the other program, and of the file's own model and dataset.

        Raises:
            UsageError: an option is unknown.
        """
        actions = {action.dest for action in parser._actions}
        for name in list(self.values):
            if name not in actions and name not in passed_over:
                known = sorted(actions)
                hint = did_you_mean(name, known)
                raise UsageError(f"--config {self.file}: unknown option {name}{hint}")
            if name not in actions:
                del self.values[name]
                self.left_out += 1
        self.words = [word for name, v in self.values.items() for word in self._words(name, v)]
        rest = f", {self.left_out} left out" if self.left_out else ""
        return f"--config {self.file}: {amount(len(self.values), 'option')} taken{rest}"

"""The options of a run, read from its folder: checked as if typed, and never code to execute."""

from __future__ import annotations

import math
import re
import shlex
from argparse import Action, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.parser import Parser
from util import checkpoint, plugins
from util.errors import UsageError, UserError
from util.files import shown_value
from util.limits import Number

KIND = {flag: kind for kind, flag in plugins.FLAG.items()}  # flag -> kind of plug-in


class SavedRun:
    """The run that is resumed or tested.

    Attributes:
        file: its ``train_opt.json``.
        options: the content of that file; {} without one. :meth:`values` checks the
            values; before, only "model" and "dataset_mode" are certain to be strings.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Read the options of the run in ``folder``. Raises UserError: the file is damaged."""
        self.file = (folder or Path()) / checkpoint.OPTIONS
        self.options = checkpoint.saved_options(folder) if folder else {}

    def default_plugin(self, parser: Parser, flag: str, given: dict[str, Any]) -> None:
        """Make the run's model or dataset the default, unless the command line names one.

        A file is never taken from a run: a folder from elsewhere could name one with hostile code.

        Args:
            flag: "model" or "dataset_mode".
            given: the options on the command line.

        Raises:
            UsageError: the run has a file as its model or dataset, which has to be given again.
            UserError: the run has a model or dataset that does not exist.
        """
        name = self.options.get(flag)
        if name is None or flag in given:
            return
        if plugins.is_file(name):
            words = plugins.file_flags(self.options, *(key for key in KIND if key not in given))
            raise UsageError(
                f"{self.file.parent} was trained with code in a file, which a run folder may not "
                "choose, because it may come from elsewhere; if you trust the file, give it again: "
                f"{shlex.join(words)}"
            )
        try:
            plugins.check_name(KIND[flag], name)
        except UsageError as error:
            raise UserError(f"{self.file}: {error}") from None
        parser.set_defaults(**{flag: name})

    def has(self, flag: str, name: str) -> bool:
        """True if ``name`` is the run's model or dataset; files may have moved."""
        return plugins.same(self.options.get(flag, ""), name)

    def values(
        self, parser: Parser, given: dict[str, Any], tables: Mapping[str, Any], left_out: set[str]
    ) -> dict[str, Any]:
        """The options of the run that ``parser`` has, converted as if typed.

        The model and the dataset are left out, see :meth:`default_plugin`. A wrong value is dropped
        if the command line replaces it.

        Args:
            given: the options on the command line.
            tables: the tables of options; other options are those of models and datasets.
            left_out: options that stay as they are.

        Raises:
            UserError: a value is wrong; the message names the file and the option.
        """
        tabled = {flag.name: flag.help for table in tables.values() for flag in table}
        own, found = self.options.get("framework_options", {}), {}
        actions: dict[str, list[Action]] = {}
        for action in parser._actions:
            actions.setdefault(action.dest, []).append(action)
        names = (self.options.keys() & actions.keys()) - left_out - KIND.keys()
        for name in sorted(names):
            value, default = self.options[name], parser.get_default(name)
            custom = name not in tabled or any(
                action.help != tabled.get(name) for action in actions[name]
            )
            if name in own and not custom:  # the value is of the project that trained
                value = own[name]
            try:
                value = _as_typed(value, actions[name], default, custom)
            except ValueError as error:
                if name in given:
                    del self.options[name]
                    continue
                raise UserError(
                    f"cannot use {self.file}: --{name} {shown_value(value)}: {error}; give the "
                    "option again, or repair the file"
                ) from None
            self.options[name] = found[name] = value
        return found


def _as_typed(value: Any, actions: list[Action], default: Any, custom: bool) -> Any:
    """Return ``value`` as one of ``actions`` would parse it, or as it is if it is ``default``.

    Args:
        custom: True if a model or dataset declares the option.

    Raises:
        ValueError: says what the value should be.
    """
    if value is default or (type(value) is type(default) and value == default):
        return value
    problem = ValueError()
    for action in actions:
        try:
            return _converted(value, action, custom)
        except ValueError as error:
            problem = error
    raise problem


def _converted(value: Any, action: Action, custom: bool) -> Any:
    """Return ``value`` as ``action`` would parse it."""
    kind = action.type
    simple = kind in (None, str, int, float) or isinstance(kind, Number)
    several = action.nargs in ("+", "*") or isinstance(action.nargs, int)
    if action.nargs == 0:
        if not isinstance(value, bool) and (isinstance(action.const, bool) or not custom):
            raise ValueError("should be true or false")
        return value
    repeated = custom and simple and not isinstance(action.default, (int, float, str))
    if isinstance(value, list) and (several or repeated):
        if custom and any(isinstance(item, list) for item in value):
            return [_converted(item, action, custom) for item in value]
        if isinstance(action.nargs, int) and len(value) != action.nargs:
            raise ValueError(f"should be {action.nargs} values")
        if action.nargs == "+" and not value:
            raise ValueError("should be at least one value")
        return [_converted_item(item, action) for item in value]
    if several:
        raise ValueError("should be a list")
    if custom and not simple and not isinstance(value, str):
        return value  # the result of a conversion that only its own model can check
    return _converted_item(value, action)


def _converted_item(value: Any, action: Action) -> Any:
    """Return a single value as ``action`` would parse it."""
    kind: Any = action.type or str
    if kind in (int, float) or isinstance(kind, Number):
        value = _converted_number(value, kind)
    elif not isinstance(value, str) or "\0" in value or re.search("[\ud800-\udbff]", value):
        raise ValueError("should be text")  # a command line holds neither of these characters
    elif kind in (eval, exec):
        raise ValueError("would be executed")
    else:
        try:
            value = kind(value)
        except (TypeError, ValueError, ArgumentTypeError):
            raise ValueError("is not accepted") from None
    if action.choices is not None and value not in action.choices:
        raise ValueError(f"should be one of {', '.join(map(str, action.choices))}")
    return value


def _converted_number(value: Any, kind: Any) -> float:
    """Return ``value`` as an option of type int, float or :class:`Number` would parse it."""
    limits = kind if isinstance(kind, Number) else None
    number = limits.kind if limits else kind
    right = isinstance(value, int) if number is int else isinstance(value, (int, float))
    if limits and value == math.inf and limits.unlimited:
        return value
    if isinstance(value, bool) or not right or (limits and not limits.accepts(value)):
        raise ValueError(f"should be {limits or ('a whole number' if kind is int else 'a number')}")
    try:
        return number(value)
    except OverflowError:
        raise ValueError("is too large") from None

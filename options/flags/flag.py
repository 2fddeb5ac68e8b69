"""A row of an option table: what a parser needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from util.limits import Number
from util.named_values import OPEN, OpenChoices


class Container(Protocol):
    """A parser, or a group of one."""

    def add_argument(self, *names: str, **settings: Any) -> Any: ...


class Flag(NamedTuple):
    """One option, ``--name``.

    Attributes:
        kind: the type of the value: ``bool`` for a switch, a tuple of strings for choices,
            ``whole(LOWEST, HIGHEST)`` or ``real(LOWEST, HIGHEST)`` of util/limits.py for a number,
            or a function from text to a value.
        default: the value if the option is not given.
        help: one line for ``--help``.
        nargs: as in ``ArgumentParser.add_argument``; with "?" the value may be left out, with a
            number there are so many values.
        metavar: name of a value in ``--help``; numbers are N or X.
        required: True if the program does not run without the option.
        const: with nargs "?", the value of an option without one.
        repeatable: True if each use of the option adds a value to a list.
    """

    name: str
    kind: tuple[str, ...] | Callable[[str], Any]
    default: Any
    help: str
    nargs: str | int | None = None
    metavar: str | tuple[str, ...] | None = None
    required: bool = False
    const: str = ""
    repeatable: bool = False

    def add_to(self, parser: Container) -> None:
        """Declare the option in a parser, or in a group of one."""
        parser.add_argument(f"--{self.name}", **self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Arguments of ``ArgumentParser.add_argument``, after the name."""
        if self.kind is bool:
            return {"action": "store_true", "help": self.help}
        if self.repeatable:
            settings = {"default": self.default, "metavar": self.metavar, "help": self.help}
            return {"action": "append", **settings}
        metavar = self.metavar
        if isinstance(self.kind, Number):
            metavar = metavar or ("N" if self.kind.kind is int else "X")
        is_choice = isinstance(self.kind, tuple)
        choices: tuple[str, ...] | None = self.kind if isinstance(self.kind, tuple) else None
        if choices and self.name in OPEN:
            choices = OpenChoices(choices)
        return {
            "type": str if is_choice else self.kind,
            "choices": choices,
            "default": self.default,
            "nargs": self.nargs,
            "const": self.const if self.nargs == "?" else None,
            "metavar": metavar,
            "help": self.help,
            "required": self.required,
        }

"""Programs, their options, and cases, each with an ID that repeats it."""

from __future__ import annotations

import math
import shlex
from argparse import Action
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.maintenance.fuzzing.values import kind_of, odd_values


@dataclass(frozen=True)
class Program:
    """A program with small inputs.

    Attributes:
        name: name in the table and in the IDs of cases.
        script: path from the project's folder.
        words: the untouched command line.
        needs: files and folders of the fixture that are copied to the scratch folder.
        work: options whose value is an amount of work: with a large one the program may still run
            when the time is up.
        effective: options whose other values must change what is written.
        only: fuzz just these options (they are new in this variation of a program); None: all.
        slow: a case is stopped after two seconds, and counts as accepted if it still works.
        positional: the word that values of a positional argument replace.
        files: inputs to damage, {path: kind}.
    """

    name: str
    script: str
    words: str
    needs: tuple[str, ...] = ()
    work: str = ""
    effective: str = ""
    only: str | None = None
    slow: bool = False
    positional: str = ""
    files: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Option:
    """An option that a program declares: its values are numbers, texts, or none (switch)."""

    dest: str
    flag: str  # "" for a positional argument
    kind: str
    values: tuple[str, ...]
    unlimited: bool = False  # infinity is the default and means "no limit"
    more: tuple[str, ...] = ()  # the further values of an option of several


def option_of(action: Action) -> Option:
    """Return what the fuzzer needs of an option."""
    flag = max(action.option_strings, key=len, default="")
    unlimited = action.default == math.inf
    more = ("70000",) * (action.nargs - 1) if isinstance(action.nargs, int) else ()
    return Option(action.dest, flag, kind_of(action), tuple(odd_values(action)), unlimited, more)


@dataclass(frozen=True)
class Case:
    """One thing to try.

    Attributes:
        id: unique name.
        program: the program.
        option, value: the odd value of an option, if that is what is odd.
        more: further words of the command line.
        damaged: the path that was damaged, if that is what is odd.
        exact: the program must either fail, or name the damaged file, or write the same.
        before: changes the scratch folder.
        inside: runs in the child before the program.
        during: called with the process ID, the folder and the record; a generator whose steps are
            taken while the program runs.
        ends: signals that may end the program.
        quiet: the program cannot print errors, so none are expected.
        memory: bytes beyond those of the warm process, 0 for the usual limit.
        wait: seconds until the case counts as a hang, 0 for the usual limit.
    """

    id: str
    program: Program
    option: Option | None = None
    value: str = ""
    more: tuple[str, ...] = ()
    damaged: str = ""
    exact: bool = True
    before: Callable[[Path], None] | None = None
    inside: Callable[[], None] | None = None
    during: Callable[[int, Path, Path], Iterator[None]] | None = None
    ends: tuple[int, ...] = ()
    quiet: bool = False
    memory: int = 0
    wait: float = 0.0

    def arguments(self) -> list[str]:
        """Return the command line without the program."""
        words = [*shlex.split(self.program.words), *self.more]
        if self.option is None:
            return words
        if not self.option.flag:
            return [self.value if word == self.program.positional else word for word in words]
        return [*words, f"{self.option.flag}={self.value}", *self.option.more]

    def command(self) -> str:
        """Return the command line for a shell; odd characters appear as in ``$'...'``."""
        words = ["python", self.program.script, *map(shown, self.arguments())]
        return " ".join(words)


def shown(word: str) -> str:
    """Return a word of a command line for a shell, in one line and shortened."""
    if len(word) > 120:
        word = f"{word[:100]}...({len(word)} characters)"
    if word.isprintable():
        return shlex.quote(word)
    return "$" + repr(word.encode("utf-8", "surrogateescape"))[1:]


def seconds(program: Program, option: Option) -> float:
    """Return the time limit of an option's cases, 0 for the usual one."""
    return 1.5 if program.slow else 6.0 if option.dest in program.work.split() else 0.0


def option_cases(program: Program, options: list[Option]) -> list[Case]:
    """Return the cases of all options of a program."""
    only = None if program.only is None else program.only.split()
    return [
        Case(
            f"{program.name}:{option.dest}:{i}",
            program,
            option,
            value,
            wait=seconds(program, option),
        )
        for option in options
        if only is None or option.dest in only
        if option.flag or program.positional
        for i, value in enumerate(option.values)
    ]

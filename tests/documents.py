"""The code of README.md, CONTRIBUTING.md and the pages in docs: blocks, commands and their marks.

A comment that a reader sees marks a command as one that the tests do not run::

    # needs the internet                          (alone: all lines below it in the block)
    python train.py ... --fast    # needs a GPU   (after a command: this command)

In Python code it is the first line. Within a sentence it follows the command in parentheses.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS = ("the internet", "a GPU", "several GPUs", "several machines", "ffmpeg", "onnx", "the file")
TAKES = ("minutes", "hours", "days")
MARK = re.compile(f"needs ({'|'.join(NEEDS)})|takes ({'|'.join(TAKES)})")
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
SHELL = ("bash", "console")
STARTERS = ("python", "python3", "py", "make", "torchrun", "bash", "sh", "pip", "uv", "conda")
STARTERS += ("git", "ffmpeg", "ffprobe", "tensorboard", "wandb", "srun")
SHELL_WORDS = {"do", "done", "then", "fi", "else"}
ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page (relative to the project), first line, language and code."""

    page: str
    line: int
    language: str
    code: str

    @property
    def mark(self) -> str:
        """The mark of Python code, in a comment before it; "" without one."""
        found = MARK.search(self.code.splitlines()[0]) if self.code.startswith("#") else None
        return found[0] if found else ""

    def commands(self) -> list[Command]:
        """The commands of shell code; those of a console's transcript follow "$ "."""
        code = self.code
        if self.language == "console":
            code = "\n".join(x[2:] if x.startswith("$ ") else "" for x in code.splitlines())
        found, general, before, variables = [], "", "", dict[str, str]()
        for number, part in enumerate(code.splitlines(), self.line + 1):
            if part.endswith("\\"):
                before += part[:-1]
                continue
            text, comment = split_comment(before + part)
            before = ""
            mark = MARK.search(comment)
            if text.strip():
                own = mark[0] if mark else general
                command = Command(self.page, number, text, own, variables=dict(variables))
                variables |= command.assigned()
                found.append(command)
            elif mark:
                general = mark[0]
        return found


@dataclass(frozen=True)
class Command:
    """A line of shell code: where it is, its text, and its mark ("" without one).

    Attributes:
        variables: shell variables that are set before it in its block, with their first values.
    """

    page: str
    line: int
    text: str
    mark: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def parts(self) -> Iterator[list[str]]:
        """Yield the words of each of its commands, which operators such as && separate."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        words: list[str] = []
        for token in [*lexer, ";"]:
            if set(token) <= set(";&|()"):
                if words:
                    yield words
                words = []
            elif words or token not in SHELL_WORDS:
                words.append(token)

    def assigned(self) -> dict[str, str]:
        """The variables that the line sets; those of a loop get their first value."""
        values = {}
        for words in self.parts():
            if words[0] == "for":
                values[words[1]] = words[3]
            elif all(map(ASSIGNMENT.fullmatch, words)):
                values |= dict(word.split("=", 1) for word in words)
        return values

    def simple(self) -> Iterator[list[str]]:
        """Yield the words of each program that it calls, with the values of variables."""
        for words in self.parts():
            while words and ASSIGNMENT.fullmatch(words[0]):
                words = words[1:]
            if words and words[0] != "for":
                known = [self.expanded(word) for word in words]
                yield [word for word in known if word]

    def expanded(self, word: str) -> str:
        """Return a word with the values of the block's variables."""
        for name, value in self.variables.items():
            word = word.replace(f"${name}", "" if value == "$" else value)
        return word


def split_comment(line: str) -> tuple[str, str]:
    """Return a line of shell code without its comment, and the comment."""
    quoted = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "q" * len(found[0]), line)
    found = re.search(r"(^|\s)#", quoted)
    return (line[: found.start()].rstrip(), line[found.start() :]) if found else (line, "")


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
    return [
        Block(name, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def shell_words(page: Path) -> Iterator[list[str]]:
    """Yield the words of all commands in the fenced blocks of a page."""
    for block in blocks(page):
        for command in block.commands() if block.language in SHELL else ():
            yield from command.simple()


def spans(page: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line and text of all code within the sentences and tables of a page, and what follows.

    A line end within it counts as a space.
    """
    text = page.read_text(encoding="utf-8")
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in SPAN.finditer(text):
        after = text[found.end() : found.end() + 80]
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[1].split()), after


def is_command(text: str) -> bool:
    """True if code within a sentence is a command, not only the name of a program."""
    words = text.split()
    while words and ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    return len(words) > 1 and (words[0] in STARTERS or words[0].endswith(".py"))


def inline_commands(page: Path) -> list[Command]:
    """The commands within the sentences and tables of a page."""
    name = page.relative_to(ROOT).as_posix()
    found = []
    for line, text, after in spans(page):
        if is_command(text):
            aside = re.match(r"\s*\(([^)]*)\)", after)
            mark = MARK.search(" ".join(aside[1].split())) if aside else None
            found.append(Command(name, line, text, mark[0] if mark else ""))
    return found

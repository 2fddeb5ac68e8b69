"""Commands of the documents checked without running them: by the real parsers of the programs."""

from __future__ import annotations

import itertools
import re
import runpy
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from conftest import ROOT
from documents import Command
from parsing import PROGRAMS

from util.errors import UsageError

ANY = ("...", "…")  # stand for other options, or for a value
WITH_VALUE = ("--dataroot", "--real")  # options that have such a value
LISTS = ("requirements.txt", "requirements-dev.txt", "requirements-extra.txt", "pyproject.toml")
RUN_FILE = re.compile(r"\.(zip|onnx|pt|safetensors)$")  # of pack_run.py and export.py
SYSTEM = {
    ".", "[", "cd", "conda", "echo", "export", "ffmpeg", "ffprobe", "git", "head", "mkdir",
    "scontrol", "tensorboard", "unzip", "wandb",
}  # fmt: skip
# Packages that are in none of our lists: of displays, and to build visdom (see the Makefile)
OPTIONAL = {"tensorboard", "wandb", "setuptools", "wheel"}


class Wrong(Exception):
    """A command of the documents does not work; the text says why."""


def require(condition: object, problem: str) -> None:
    if not condition:
        raise Wrong(problem)


def check(command: Command) -> None:
    """Raise Wrong unless the programs that ``command`` calls exist and take its words."""
    for words in command.simple():
        try:
            check_words(words)
        except (Wrong, UsageError) as error:
            where = f"{command.page}:{command.line}"
            raise Wrong(f"{where}: {command.text.strip()}\n{error}") from None


def check_words(words: list[str]) -> None:
    name, *rest = words
    if name.endswith(".py"):
        check_program(name, rest, fragment=True)
    elif name in CHECKS:
        CHECKS[name](rest)
    else:
        require(name in SYSTEM, f"{name} is in no table of tests/{Path(__file__).name}")


def python(words: list[str]) -> None:
    first, *rest = words
    if first == "-m":
        optional = rest[0] == "visdom.server"
        require(optional or find_spec(rest[0].split(".")[0]), f"no module {rest[0]}")
    elif first == "-c":
        compile(rest[0], "-c", "exec")
    elif first != "PROGRAM":
        check_program(first, rest)


def torchrun(words: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    parser = get_args_parser()
    words = ["1" if word == "N" or word.startswith("$") else word for word in words]
    at = next((i for i, word in enumerate(words) if word.endswith(".py")), len(words))
    require(at < len(words), "torchrun without a program")
    try:
        parser.parse_args(words[: at + 1])
    except SystemExit:
        raise Wrong(f"torchrun does not take {words[:at]}") from None
    check_program(words[at], words[at + 1 :])


def make(words: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    require(set(words) <= set(targets), f"the Makefile has {targets}")


def shell_script(words: list[str]) -> None:
    require((ROOT / words[0]).is_file(), f"no file {words[0]}")


def pip(words: list[str]) -> None:
    """Check that packages, files and extras occur in our lists of packages."""
    text = "\n".join((ROOT / name).read_text() for name in LISTS)
    for word in words[1:] if words[0] == "install" else ():
        extras = re.fullmatch(r"\.\[([\w,]+)\]", word)
        for extra in extras[1].split(",") if extras else ():
            check_extra(extra)
        package = re.split(r"[<>=]", word)[0]
        if word.endswith(".txt"):
            require(word in LISTS, f"no file {word}")
        elif re.match(r"\w", word) and package not in OPTIONAL:
            require(re.search(rf"\b{package}\b", text), f"{package} is in none of {LISTS}")


def check_extra(name: str) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    require(re.search(rf"^{name} = \[", text, re.MULTILINE), f"no extra {name}")


def uv(words: list[str]) -> None:
    if words[:1] == ["run"]:
        check_program(words[1], words[2:])
    for name, value in zip(words, words[1:], strict=False):
        if name == "--extra":
            check_extra(value)


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "python": python, "python3": python, "py": python, "torchrun": torchrun, "make": make,
    "bash": shell_script, "sh": shell_script, "pip": pip, "uv": uv,
    "srun": check_words,
}  # fmt: skip


def check_program(program: str, words: list[str], fragment: bool = False) -> None:
    """Parse the options of one of our programs; those after "--" are options of train.py.

    Args:
        fragment: True if the command need not be complete.
    """
    require((ROOT / program).is_file(), f"no program {program}")
    at = words.index("--") if "--" in words else len(words)
    parse(program, tuple(words[:at]), fragment or not {*ANY, "--help"}.isdisjoint(words))
    if words[at:] and program.startswith("scripts/paper"):
        parse("train.py", tuple(words[at + 1 :]))


@cache
def parse(program: str, words: tuple[str, ...], fragment: bool = True) -> None:
    """Parse ``words`` as a program does. Raises UsageError: it does not accept them."""
    known = [
        "x" if word in ANY else word
        for before, word in zip(("", *words), words, strict=False)
        if word != "--help" and (word not in ANY or before in WITH_VALUE)
    ]
    if program in ("train.py", "test.py"):
        options = PROGRAMS[program.removesuffix(".py")]()
        needed = {"--dataroot", "--config", "--continue_train"}
        require(fragment or needed & {*known}, f"{program} without --dataroot")
        # A run that exists would add its options; here is none, and no packed or exported one
        given = [RUN_FILE.sub("", word) for word in known if word != "--continue_train"]
        options.gather_options(given)
    elif program == "scripts/check_data.py":
        parse("train.py", words)
    else:
        others = own_parser(program, fragment).parse_known_args(known)[1]
        if program in ("scripts/translate.py", "scripts/export.py"):
            parse("test.py", ("--model", "test", *others))
        elif program in ("scripts/demo.py", "scripts/check_logging.py"):
            parse("train.py", tuple(others))
        elif program != "scripts/tests.py":
            require(not others, f"{program} does not take {others}")


@cache
def own_parser(program: str, fragment: bool) -> ArgumentParser:
    """The parser of a program in scripts or datasets; that of a fragment requires no option."""
    names = runpy.run_path(str(ROOT / program))
    parser = (names if "build_parser" in names else names["main"].__globals__)["build_parser"]()
    chosen = [a.choices.values() for a in parser._actions if isinstance(a, _SubParsersAction)]
    for part in (parser, *itertools.chain(*chosen)) if fragment else ():
        for item in (*part._actions, *part._mutually_exclusive_groups):
            item.required = False
    return parser

"""The options that a fork's programs read, declare and pass, and those that exist here."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator

from options.flags import RENAMED, SHARED, TEST, TRAIN
from scripts.fork.modules import Module, dotted, last_name, targets
from scripts.fork.project import our_files, our_module
from util.named_values import OPEN, names
from util.plugins import did_you_mean

DERIVED = {"isTrain", "explicit_options", "changed", "device", "gpu_ids"}
RUNS = {"system", "run", "Popen", "call", "check_call", "check_output"}
PROGRAM = re.compile(r"(?:^|[\s/\"'])(?:train|test)\.py(?=\s|$)")


def declared(module: Module) -> set[str]:
    """The options that a module declares with ``add_argument``, or sets in ``opt``."""
    found = set()
    for node in module.nodes:
        if isinstance(node, ast.Call):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            texts += [
                k.value.value
                for k in node.keywords
                if k.arg == "dest" and isinstance(k.value, ast.Constant)
            ]
            words = [str(text) for text in texts if isinstance(text, str)]
            if last_name(node) == "Flag":
                found |= set(words[:1])
            elif last_name(node) == "add_argument" or (words and words[0].startswith("--")):
                found |= {word.lstrip("-").replace("-", "_") for word in words}
            elif last_name(node) == "setattr":
                found |= set(words)
        for target in targets(node):
            if isinstance(target, ast.Attribute) and is_opt(target.value):
                found.add(target.attr)
    return found


def is_opt(node: ast.AST) -> bool:
    """True for ``opt`` and ``self.opt``."""
    return dotted(node).split(".")[-1] == "opt"


def ours() -> dict[str, tuple[str, ...]]:
    """Every option of train.py and test.py, with its choices."""
    tables = (*SHARED.values(), *TRAIN.values(), *TEST.values())
    found = {
        flag.name: flag.kind if isinstance(flag.kind, tuple) else ()
        for table in tables
        for flag in table
    }
    for name in our_files():
        if name.startswith(("models.", "data.")) and name.endswith(("_model", "_dataset")):
            module = our_module(name)
            found = dict.fromkeys(declared(module) if module else (), ()) | found
    return found


def attributes(module: Module, known: set[str]) -> Iterator[tuple[int, str]]:
    """Line and advice for each ``opt.NAME`` that no option gives."""
    given: set[object] = {*known, *DERIVED}
    for node in module.nodes:
        if isinstance(node, ast.Call) and last_name(node) in ("hasattr", "getattr"):
            given |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    for node in module.nodes:
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and is_opt(node.value)
        ):
            name = node.attr
            if name in given or name.startswith("_"):
                continue
            if name in RENAMED:
                today = RENAMED[name].split()[0].lstrip("-")
                yield node.lineno, f"opt.{name} is of before 2019: use opt.{today}"
            else:
                hint = did_you_mean(name, sorted(known))
                yield node.lineno, f"opt.{name}: no option of that name is declared{hint}"


def commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line and words of each call of train.py and test.py in a shell script."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        while line.rstrip().endswith("\\") and number + 1 < len(lines):
            number += 1
            line = line.rstrip()[:-1] + " " + lines[number]
        number += 1
        match = PROGRAM.search(line)
        if match and not line.lstrip().startswith("#"):
            rest = line[match.end() :]
            try:
                words = shlex.split(rest, comments=True)
            except ValueError:
                words = rest.split()
            yield start + 1, words


def in_strings(module: Module) -> Iterator[tuple[int, list[str]]]:
    """The same for commands in a program's texts, e.g. of ``os.system``."""
    for node in module.nodes:
        if not isinstance(node, ast.Call) or last_name(node) not in RUNS:
            continue
        for part in node.args:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from ((part.lineno, words) for _, words in commands(part.value))


def quoted(modules: Iterable[Module]) -> list[str]:
    """The texts in the code of modules, in quotes: values of options that it may name."""
    nodes = (node for module in modules for node in module.nodes)
    return [
        f"'{node.value}'"
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def refused(
    words: Iterable[str], known: dict[str, tuple[str, ...]], own: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the faults of the options of a command.

    Args:
        own: what the code of the fork quotes, see :func:`quoted`.
    """
    flag = ""
    for word in words:
        name, equals, value = word.partition("=")
        if re.match(r"--\w", word):
            flag = name[2:].replace("-", "_")
            full = [option for option in known if option.startswith(flag)]
            flag = full[0] if flag not in known and len(full) == 1 else flag
            if flag in RENAMED and flag not in known:
                yield f"{name} is of before 2019: use {RENAMED[flag]}"
            elif flag not in known:
                meant = did_you_mean(flag, sorted(known)).replace("mean ", "mean --")
                yield f"{name}: unknown option{meant}"
            word = value if equals else ""
        if word and known.get(flag) and not re.search(r"[$`{]", word):
            if word not in known[flag] and not (flag in OPEN and names(own, flag, word)):
                yield f"--{flag} {word}: should be one of {', '.join(known[flag])}"
            flag = ""

"""Write docs/options.md, the reference of all options, from the tables of options.

python scripts/maintenance/write_options.py
"""

from __future__ import annotations

import argparse
import runpy
import sys
from argparse import Action, ArgumentParser
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "datasets")]  # programs in datasets import each other
from options.flags import SHARED, TEST, TRAIN  # noqa: E402
from options.test_options import TestOptions  # noqa: E402
from options.train_options import TrainOptions  # noqa: E402
from scripts.arguments import Arguments  # noqa: E402
from util import plugins  # noqa: E402
from util.console import run_main, say  # noqa: E402
from util.files import write_atomically  # noqa: E402
from util.limits import Number  # noqa: E402
from util.tables import markdown  # noqa: E402

PAGE = ROOT / "docs" / "options.md"
HEADER = """# All options

<!-- Made from the tables of options by scripts/maintenance/write_options.py -->

`python train.py --help` shows the same in a terminal, and `--model NAME --help` adds the options of
that model. A number has the range that its column names; other values are refused. "–" means that
there is no default value: what happens then is in the last column, or nothing does. test.py reads
most options from the run, so its defaults apply only to weights without `train_opt.json`.
`--config FILE` takes options from a file ([configuration.md](configuration.md)).
"""
HEAD = ("Option", "Values", "Default", "Meaning")


def build_parser() -> Arguments:
    return Arguments(__doc__)


def values(action: Action) -> str:
    """Return what an option takes, in a few words."""
    if action.nargs == 0:
        return "switch"
    kind = action.type
    if isinstance(kind, Number):
        text = "whole number" if kind.kind is int else "number"
        text += f", {kind.lowest:,.12g} to {min(kind.highest, kind.below):,.12g}"
        text += " (excluded)" * (kind.below < kind.highest)
        text += ", or 0" * kind.zero + ", or inf" * kind.unlimited
    elif action.choices:
        text = ", ".join(f"`{choice}`" for choice in action.choices)
    else:
        name = action.metavar or {int: "whole number", float: "number"}.get(kind, "text")  # type: ignore[call-overload, arg-type]
        text = name if isinstance(name, str) else " ".join(name)
    several = action.nargs in ("+", "*") or isinstance(action.nargs, int)
    return f"{text}; several" if several else text


def default(action: Action, parser: ArgumentParser) -> str:
    """Return the default of an option, "–" if it has none."""
    value = parser.get_default(action.dest)
    if action.required:
        return "required"
    if value in (None, "", argparse.SUPPRESS) or (action.nargs == 0 and not value):
        return "–"
    if isinstance(value, Path) and value.is_relative_to(ROOT):  # the same in every clone
        value = value.relative_to(ROOT).as_posix()
    if isinstance(value, list):
        value = " ".join(map(str, value)) or "–"
    return f"`{value:.12g}`" if isinstance(value, float) else f"`{value}`"


def rows(actions: list[Action], parser: ArgumentParser) -> Iterator[tuple[str, ...]]:
    """Yield a row of a table for each option but --help."""
    for action in actions:
        if action.dest == "help" or isinstance(action, argparse._SubParsersAction):
            continue
        name = f"`{(action.option_strings or [action.metavar or action.dest])[-1]}`"  # type: ignore[list-item]
        meaning = " ".join((action.help or "").replace("%%", "%").split())
        yield name, values(action), default(action, parser), meaning


def table(actions: list[Action], parser: ArgumentParser) -> list[str]:
    found = list(rows(actions, parser))
    return [*markdown(HEAD, found), ""] if found else []


def groups(parser: ArgumentParser) -> dict[str, list[Action]]:
    """Return the options of each group of a parser, by its title."""
    found: dict[str, list[Action]] = {}
    for group in parser._action_groups:
        found.setdefault(group.title or "", []).extend(group._group_actions)
    return found


def of_main_programs() -> Iterator[str]:
    """Yield the lines about train.py and test.py, and those about models and datasets."""
    parsers = {}
    for program, options in (("train.py", TrainOptions()), ("test.py", TestOptions())):
        options.gather_options(["--model", "cycle_gan"])
        parsers[program] = options.parser
    train, test = parsers["train.py"], parsers["test.py"]
    for program, tables in (("train.py and test.py", SHARED), ("train.py", TRAIN)):
        for title in tables:
            yield from (f"## {program}: {title}", "", *table(groups(train)[title], train))
    differing = {
        action.dest: default(action, test)
        for title in SHARED
        for action in groups(test)[title]
        if default(action, test) != default(action, train)
    }
    yield from ("Other defaults in test.py:", "")
    yield from (f"- `--{name}`: {value}" for name, value in sorted(differing.items()))
    yield ""
    for title in TEST:
        yield from (f"## test.py: {title}", "", *table(groups(test)[title], test))
    for flag in ("model", "dataset_mode"):
        kind = "model" if flag == "model" else "dataset"
        for name in plugins.available(kind):
            for program, options in (("train.py", TrainOptions()), ("test.py", TestOptions())):
                if (program, name) == ("train.py", "test"):
                    continue  # a model that only translates
                options.gather_options([f"--{flag}", name])
                lines = table(groups(options.parser)[f"{kind} {name}"], options.parser)
                if lines:
                    yield from (f"## {program} --{flag} {name}", "", *lines)


def programs() -> Iterator[tuple[str, ArgumentParser]]:
    """Yield each other program for users, and each of its sub-programs, with its parser."""
    for path in sorted([*ROOT.glob("scripts/*.py"), *ROOT.glob("datasets/*.py")]):
        if "__main__" not in path.read_text(encoding="utf-8"):
            continue
        names = runpy.run_path(str(path))
        build = names.get("build_parser") or names["main"].__globals__.get("build_parser")
        if build:
            parser, name = build(), path.relative_to(ROOT).as_posix()
            yield name, parser
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    yield from ((f"{name} {sub}", own) for sub, own in action.choices.items())


def page() -> str:
    """Return the text of the page."""
    lines = [HEADER, *of_main_programs()]
    for name, parser in programs():
        if found := table(parser._actions, parser):
            lines += [f"## {name}", "", *found]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    build_parser().parse_args()
    write_atomically(PAGE, page().encode())
    say(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    run_main(main)

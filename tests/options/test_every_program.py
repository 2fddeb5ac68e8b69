"""The command lines of all programs: limits of numbers, files to write, and errors in one line."""

from __future__ import annotations

import math
import re
import runpy
import sys
from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Programs
from parsing import PROGRAMS

from options.parser import Parser
from scripts.arguments import Arguments, Output, check_output
from util import plugins
from util.console import PIPE_CLOSED
from util.errors import UsageError, UserError
from util.limits import Number, real, whole

# Programs without options of their own: started by another program, or with those of train.py.
OTHERS = {"scripts/maintenance/benchmark_worker.py", "scripts/check_data.py"}
NO_PROGRAMS = {"scripts/maintenance/fuzzing/child.py"}  # mentions __main__
# Another process refuses the options; see tests/scripts/test_demo.py.
PASSES_ON = {"scripts/demo.py", "scripts/tests.py"}


def programs() -> Iterator[str]:
    """Every program in scripts and datasets, without those that only call another one."""
    for path in sorted([*ROOT.glob("scripts/**/*.py"), *ROOT.glob("datasets/*.py")]):
        text = path.read_text()
        if 'if __name__ == "__main__"' in text:
            name = path.relative_to(ROOT).as_posix()
            if not text.startswith('"""Command line of ') and name not in OTHERS | NO_PROGRAMS:
                yield name


def with_subparsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


def parsers() -> Iterator[tuple[str, ArgumentParser]]:
    """The parsers of every program; train.py and test.py with every model and dataset."""
    for program in programs():
        for parser in with_subparsers(runpy.run_path(str(ROOT / program))["build_parser"]()):
            yield program, parser
    for program, options in PROGRAMS.items():
        chosen = [("model", name) for name in plugins.available("model")]
        chosen += [("dataset_mode", name) for name in plugins.available("dataset")]
        for flag, name in chosen:
            if (program, name) != ("train", "test"):
                chosen_options = options()
                chosen_options.gather_options([f"--{flag}", name])
                yield f"{program}.py --{flag} {name}", chosen_options.parser


sys.path.append(str(ROOT / "datasets"))  # its programs import each other
ALL = list(parsers())


def without_limits(parser: ArgumentParser) -> list[str]:
    """The options of ``parser`` with numbers that may be infinite or have no bound."""
    return [action.dest for action in parser._actions if not is_limited(action)]


def is_limited(action: Action) -> bool:
    if not isinstance(action.type, Number):
        examples = action.default if isinstance(action.default, list) else [action.default]
        numbers = [x for x in examples if isinstance(x, (int, float)) and not isinstance(x, bool)]
        return action.type not in (int, float, complex) and not numbers
    number = action.type
    return math.isfinite(number.lowest) and math.isfinite(min(number.highest, number.below))


@pytest.mark.parametrize(("name", "parser"), ALL, ids=[name for name, _ in ALL])
def test_help_fits_a_terminal(
    name: str, parser: ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = parser.format_help()
    assert "default: None" not in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_every_program_is_covered() -> None:
    names = {name for name, _ in ALL}
    assert {"scripts/evaluate.py", "datasets/edges.py", "scripts/paper.py"} <= names
    assert {"datasets/make_atlas.py", "scripts/maintenance/check_house.py"} <= names
    assert len(names) > 25


@pytest.mark.parametrize(("name", "parser"), ALL, ids=[f"{name}" for name, _ in ALL])
def test_every_number_has_limits(name: str, parser: ArgumentParser) -> None:
    """A number without a lowest and a highest fails here, in any program."""
    assert without_limits(parser) == []
    assert isinstance(parser, Parser), "errors of this parser take ten lines"


def test_numbers_without_limits_are_found() -> None:
    parser = Arguments("", [])
    parser.add_argument("--a", type=int)
    parser.add_argument("--b", type=float)
    parser.add_argument("--c", default=[3])
    parser.add_argument("--d", type=real(0))
    parser.add_argument("--e", type=whole(0, 9), default=3)
    parser.add_argument("--f", action="store_true")
    assert without_limits(parser) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("program", programs())
def test_odd_numbers_are_refused_by_name(program: str) -> None:
    for parser in with_subparsers(runpy.run_path(str(ROOT / program))["build_parser"]()):
        for action in parser._actions:
            if not isinstance(action.type, Number):
                continue
            for text in (
                "nan",
                "-inf",
                "1e999",
                "1e-999",
                "",
                "x",
                "1" * 5000,
                str(action.type.lowest - max(2, abs(action.type.lowest))),
            ):
                flag = action.option_strings[0]
                more = [text] * (action.nargs - 1 if isinstance(action.nargs, int) else 0)
                shown = re.escape(text[:40])
                with pytest.raises(UsageError, match=rf"^{flag} {shown}.*: should be .+"):
                    parser.parse_args([f"{flag}={text}", *more])


WRITES = {"out", "output", "json", "output_dir", "fold_AB", "work"}


@pytest.mark.parametrize("program", programs())
def test_outputs_are_tried_before_the_work(program: str, tmp_path: Path) -> None:
    """Every option that names a file or folder to write is checked by one function."""
    for parser in with_subparsers(runpy.run_path(str(ROOT / program))["build_parser"]()):
        for group in parser._mutually_exclusive_groups:
            group.required = False
        for action in parser._actions:
            action.required = False
            if not action.option_strings and not isinstance(action, _SubParsersAction):
                action.nargs = "?"
        for action in parser._actions:
            if action.dest in WRITES and program != "scripts/translate.py":
                assert isinstance(action.type, Output), action.dest
            if isinstance(action.type, Output):
                ending = action.type.endings[0] if action.type.endings else ""
                (tmp_path / "file").touch()
                bad = tmp_path / "file" / f"x{ending}"
                name = (action.option_strings or [action.dest])[0]
                positional = [a.dest for a in parser._actions if not a.option_strings]
                is_flag = name not in positional
                words = [name] if is_flag else positional[: positional.index(name)]
                with pytest.raises(UserError, match=f"^{name} {bad}: cannot be written"):
                    parser.parse_args([*words, str(bad)])


@pytest.mark.parametrize(
    ("path", "folder", "reason"),
    [
        ("/dev/full", False, "is no regular file"),
        ("/proc/x/y", False, "cannot be written: "),
        ("/proc/x", True, "cannot be written: "),
        (".", False, "is a folder, should be a file"),
        ("file", True, "is a file, should be a folder"),
        ("file/x", True, "cannot be written: Not a directory"),
        ("x" * 250, False, "cannot be written: File name too long"),
        ("x" * 5000, False, "cannot be written: File name too long"),
    ],
)
def test_outputs(path: str, folder: bool, reason: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=re.escape(f"--out {path}: {reason}")):
        check_output("--out", Path(path), folder)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    check_output("--out", Path("new/folder/name"), folder)
    check_output("--out", Path("." if folder else "file"), folder)


@pytest.mark.parametrize("program", sorted({*programs(), *OTHERS} - PASSES_ON))
def test_errors_have_one_line(program: str, run: Programs) -> None:
    main = runpy.run_path(str(ROOT / program))["main"]
    run.call(main, program, "--nothing", "--lr", "x").refused(2)
    assert run.files() == set()


def test_exit_codes_are_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    codes = set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))
    assert codes == {"0", "130", *map(str, (UserError.status, UsageError.status, PIPE_CLOSED))}


def test_documented_limits_are_those_of_the_tables() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| (`--.*?`) \| ([\d.]+).*? \| ([\d.,]+)", text, re.MULTILINE)
    numbers = {
        action.dest: action.type
        for _, parser in ALL
        for action in parser._actions
        if isinstance(action.type, Number)
    }
    assert len(rows) > 8
    for names, lowest, highest in rows:
        for name in re.findall(r"--(\w+)", names):
            limits = numbers[name].lowest, numbers[name].highest
            assert limits == (float(lowest), float(highest.rstrip(",").replace(",", ""))), name

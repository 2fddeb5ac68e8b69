"""Warnings of libraries beside a progress bar, and errors of the system that name no file."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from conftest import Programs
from test_console import attach

from scripts import sheet
from util import errors
from util.console import Progress, run_main, warn
from util.errors import UsageError, UserError


def test_warnings_of_libraries_are_on_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, before = attach(monkeypatch), warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        progress = Progress(10, "Reading")
        progress.update(5)
        warnings.showwarning("soon gone", FutureWarning, "library.py", 3)
        assert terminal.lines()[0] == "warning: FutureWarning: soon gone"
        assert terminal.lines()[1].startswith("Reading:  50%|")
        progress.close()
    assert warnings.showwarning is before


def test_an_error_without_a_file_says_where(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """A write to a full disk raises an error that names no file."""

    def full() -> None:
        raise OSError(28, "No space left on device")

    def main() -> None:
        with errors.naming(tmp_path / "log.txt"):
            full()

    for program, words in (
        (full, "a file used by tests/scripts/test_error_lines.py, line "),
        (main, "log.txt: "),
    ):
        with pytest.raises(SystemExit) as end:
            run_main(program)
        error = capsys.readouterr().err
        assert end.value.code == 1 and words in error and error.count("\n") == 1
        assert error.endswith("No space left on device\n")


def test_long_values_are_cut_in_errors(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        raise UsageError(f"--name {'x' * 5000}: should be shorter than {'y' * 400}")

    with pytest.raises(SystemExit):
        run_main(main)
    error = capsys.readouterr().err
    assert error.startswith("error: --name xxx") and len(error) < 700 and "y" * 400 in error


def test_a_mistyped_option_that_is_required(run: Programs) -> None:
    """The mistyped word is named, not the option that it should have been."""
    words = ("sheet.py", "--labels", "real_A", "--output", "out.png")
    result = run.call(sheet.main, *words, "--imgaes", "images")
    result.refused(2, "unknown option --imgaes", "did you mean --images?")
    run.call(sheet.main, *words).refused(2, "required: --images")
    run.call(sheet.main, *words, "--images", "x", "--ends").refused(2, "option --ends (--help")


def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Of a message only the first word is coloured, and nothing in a file or with NO_COLOR."""

    def main() -> None:
        warn("two")
        error = UserError("no host")
        error.lines = ["no\x1b[31mhost", "a: down", "b: gone"]
        raise error

    def shown() -> str:
        with pytest.raises(SystemExit):
            run_main(main)
        return getattr(sys.stderr, "getvalue", lambda: capsys.readouterr().err)()

    plain = "warning: two\nerror: no\\x1b[31mhost\na: down\nb: gone\n"
    assert shown() == plain
    attach(monkeypatch, colours=True)
    coloured = plain.replace("warning:", "\x1b[33mwarning:\x1b[0m")
    assert shown() == coloured.replace("error:", "\x1b[31merror:\x1b[0m")
    attach(monkeypatch, colours=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown() == plain
    attach(monkeypatch, colours=False)
    assert shown() == plain

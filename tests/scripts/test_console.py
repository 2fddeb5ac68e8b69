"""The progress bar and the messages beside it, on a terminal, in a file and without tqdm."""

from __future__ import annotations

import io
import sys

import pytest

from util.console import Progress, run_main, say, warn
from util.errors import UserError


class Terminal(io.StringIO):
    """Text as a terminal gets it, control characters included."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """The lines that a user sees: after a carriage return, text replaces what stood there."""
        shown = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for text in line.split("\r"):
                cells[: len(text)] = text
            shown.append("".join(cells).rstrip())
        return shown


def attach(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make a terminal of stdout and stderr. Not a fixture: pytest replaces both before the test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_messages_are_on_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    progress = Progress(10, "Reading", done=4)
    progress.update(1, "a.png")
    say("one")
    assert terminal.lines()[0] == "one"
    assert terminal.lines()[1].startswith("Reading:  50%|") and "left, a.png" in terminal.lines()[1]
    warn("two")
    progress.close()
    say("three")
    assert terminal.lines() == ["one", "warning: two", "three", ""] and progress.done == 5


def test_an_error_removes_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)

    def main() -> None:
        Progress(10, "Reading").update()
        raise UserError("no such folder")

    with pytest.raises(SystemExit) as end:
        run_main(main)
    assert end.value.code == 1 and terminal.lines() == ["error: no such folder", ""]


@pytest.mark.parametrize("case", ["a file", "rank 1", "no tqdm"])
def test_silence(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    if case == "a file":
        monkeypatch.setattr(sys, "stderr", io.StringIO())
    elif case == "rank 1":
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
        monkeypatch.setenv("RANK", "1")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    progress = Progress(2, "Reading")
    progress.update()
    progress.close()
    assert progress.done == 1 and terminal.getvalue() == ""

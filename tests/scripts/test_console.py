"""The progress bar and the messages beside it, on a terminal, in a file and without tqdm."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs

from util import console
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


def test_the_percentage_stays_beyond_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    progress = Progress(10, "Reading")
    progress.update(12)
    say("12 images")  # redraws the bar
    assert terminal.lines()[-1].startswith("Reading: 100%|") and progress.done == 12
    progress.close()


def test_a_training_with_short_batches_ends_at_its_total(
    run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The progress counts the last batch of an epoch as a full one, as ``--print_freq`` does."""
    bars = []

    class Recorder(Progress):
        def __init__(self, total: int, label: str = "", done: int = 0) -> None:
            super().__init__(total, label, done)
            bars.append((self, done))

    monkeypatch.setattr("models.training.run.Progress", Recorder)
    command = ("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--batch_size", "3")
    run.train(*command).ok()
    run.train("--continue_train", "--name", "x", "--n_epochs", "2").ok()
    assert [(bar.total, bar.done, done) for bar, done in bars] == [(6, 6, 0), (12, 12, 6)]


def test_a_message_while_another_thread_closes_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    progress = Progress(10, "Reading")
    close = progress.bar.close
    monkeypatch.setattr(progress.bar, "close", lambda: (say("from a thread"), close()))
    progress.close()
    assert "from a thread" in terminal.getvalue()


def test_without_tqdm_tenths_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    progress = Progress(40, "Reading", done=3)
    for number in range(3, 41):
        progress.update(1, f"{number}.png")
    progress.close()
    lines = terminal.lines()
    assert lines[0] == "Reading 4 of 40 3.png" and lines[-2:] == ["Reading 40 of 40 39.png", ""]
    assert len(lines) == 11 and progress.done == 41
    unknown = Progress(0)
    unknown.update()
    assert terminal.lines() == lines


def test_errors_are_importable_from_here() -> None:
    """Custom models of earlier versions do so."""
    assert issubclass(console.UsageError, console.UserError)


@pytest.mark.parametrize("case", ["a file", "rank 1"])
def test_silence(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = attach(monkeypatch)
    if case == "a file":
        monkeypatch.setattr(sys, "stderr", io.StringIO())
    else:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
        monkeypatch.setenv("RANK", "1")
    progress = Progress(2, "Reading")
    progress.update()
    progress.close()
    assert progress.done == 1 and terminal.getvalue() == ""


def test_messages_escape_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters and line ends in names reach no terminal, nor do they in the bar."""
    terminal = attach(monkeypatch)
    say("1 a\nb", "2 \x1b[2J")
    warn("c\r\nd")
    assert terminal.getvalue() == "1 a\\nb\n2 \\x1b[2J\nwarning: c\\r\\nd\n"
    progress = Progress(2, "e\x1b[2J")
    progress.update(1, "f\ng")
    say("redraws the bar")
    assert terminal.lines()[-1].startswith(r"e\x1b[2J:  50%|") and r"f\ng" in terminal.lines()[-1]
    progress.close()

"""Messages and the progress bar on a terminal, in a file, without tqdm, and without any output."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, QUIET, ROOT, TINY, Programs

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


def attach(monkeypatch: pytest.MonkeyPatch, colours: bool = False) -> Terminal:
    """Make a terminal of stdout and stderr. Not a fixture: pytest replaces both before the test."""
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color" if colours else "dumb")
    monkeypatch.delenv("NO_COLOR", raising=False)
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


# A program with a help text, three lines, a warning, and lines of other libraries.
PROGRAM = """if True:
    import sys
    from options.parser import Parser
    from util.console import Progress, run_main, say, warn

    def main():
        Parser().parse_args()
        for i in range(3):
            say(f"line {i} \\udcff\\u2192")
            warn("careful")
        print("from elsewhere")

    run_main(main)
"""


def shell(command: str, *args: str, **environment: str) -> subprocess.CompletedProcess:
    """Run PROGRAM as ``$PROGRAM`` in a shell command; its own exit status is printed on stderr."""
    program = f'"{sys.executable}" -c "$CODE" {" ".join(args)}'
    return subprocess.run(
        ["bash", "-c", command.replace("$PROGRAM", f"{{ {program}; echo status $? >&3; }}")],
        env={**os.environ, "CODE": PROGRAM, "PYTHONUNBUFFERED": "", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="backslashreplace",
    )


FULL = "error: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("args", [(), ("--help",)])
@pytest.mark.parametrize(
    ("command", "status", "err"),
    [
        ("$PROGRAM 3>&1 >&-", 0, None),
        ("$PROGRAM 3>&1 2>&-", 0, ""),
        ("$PROGRAM 3>&1 >&- 2>&- <&-", 0, ""),
        ("$PROGRAM 3>&1 >/dev/full", 1, FULL),
        ("$PROGRAM 3>&1 2>/dev/full", 0, ""),
        ("$PROGRAM 3>&1 >/dev/full 2>/dev/full", 1, ""),
        ("exec 3>&1; $PROGRAM 2>/dev/null | true", 141, ""),
        ("exec 3>&1; $PROGRAM 2>&1 | true", 141, ""),
    ],
)
def test_output_that_cannot_be_written(
    args: tuple[str, ...], command: str, status: int, err: str | None
) -> None:
    """No traceback; a full disk is an error, and a closed pipe ends the program quietly."""
    result = shell(command, *args)
    assert f"status {status}" in result.stdout, (result.stdout, result.stderr)
    assert "Traceback" not in result.stderr and "Exception" not in result.stderr
    if err is not None:
        assert result.stderr == err


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C.UTF-8"},
    ],
)
def test_text_that_a_terminal_cannot_show(environment: dict[str, str]) -> None:
    result = shell("$PROGRAM 3>/dev/null", **environment)
    arrow = "→" if environment == {"LC_ALL": "C.UTF-8"} else r"\u2192"
    assert result.stdout.splitlines()[0] == rf"line 0 \udcff{arrow}"
    assert result.stderr == "warning: careful\n" * 3


class Gone(Terminal):
    """A terminal that closes after ``left`` writes, as with a lost connection."""

    left = 1000

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_a_terminal_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar and warnings vanish; messages elsewhere stay."""
    terminal, closing = attach(monkeypatch), Gone()
    monkeypatch.setattr(sys, "stderr", closing)
    progress = Progress(10, "Reading")
    closing.left = 0
    progress.update(3)
    warn("nobody reads this")
    say("still here")
    progress.close()
    assert terminal.lines() == ["still here", ""] and progress.done == 3


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory."), OSError(errno.ENOMEM, "no")]
)
def test_too_little_memory(error: Exception, run: Programs) -> None:
    def main() -> None:
        raise error

    run.call(main).refused(1, "out of memory; to use less: smaller images")


def test_a_library_that_turns_ctrl_c_into_an_error(run: Programs) -> None:
    """As NumPy does while it is imported."""

    def main() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            raise ImportError("cannot load module more than once per process") from interrupt

    result = run.call(main)
    assert (result.status, result.out, result.err) == (130, "", "")


def test_other_errors_are_not_hidden(run: Programs) -> None:
    def main() -> None:
        raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes"):
        run.call(main)


def test_too_little_memory_for_a_test(
    run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """test.py and translate.py name the options that need less."""
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--no_html").ok()
    monkeypatch.setattr("models.base_model.BaseModel.test", lambda model: [0] * (1 << 60))
    import test
    from scripts import translate

    for main, less, *args in (
        (test.main, "--batch_size 1", "--dataroot", unaligned),
        (translate.main, "--load_size", "--input", unaligned / "testA", "--output", run.folder),
    ):
        text = (ROOT / f"{main.__module__.replace('.', '/')}.py").read_text()
        assert less in text.split("run_main(main, ")[1]
        run.call(main, "x", *args, "--name", "x", *QUIET[:2]).refused(1, "out of memory")

"""Terminal output: messages, one-line errors, and a progress bar."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from util import distributed
from util.errors import (  # noqa: F401  custom models import UsageError from here
    UsageError,
    UserError,
    is_out_of_memory,
    norm_problem,
    printable,
)
from util.gpu import memory_of_others
from util.named_values import refused_value

PIPE_CLOSED = 141  # exit status in shells of a program that SIGPIPE has ended
RED, YELLOW = 31, 33  # not bright, so that both are readable on white and on black
_on_screen: Progress | None = None  # its bar must not be mixed with messages
_kept: ContextVar[list[str] | None] = ContextVar("_kept", default=None)  # set by quiet()


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """Inside, what this thread says is added to the list and not printed; warnings still are."""
    kept: list[str] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def say(*lines: object) -> None:
    """Print lines on stdout, an empty one by default; on several ranks only rank 0 prints."""
    if (kept := _kept.get()) is not None:
        kept.extend(map(printable, lines))
    elif distributed.is_main():
        _print(lines, sys.stdout)


def warn(message: str) -> None:
    """Print a warning on stderr, on every rank."""
    _print([_brief(message)], sys.stderr, _head("warning", YELLOW))


def _error(*lines: object) -> None:
    """Print an error on stderr."""
    _print(map(_brief, lines), sys.stderr, _head("error", RED))


def _head(word: str, colour: int) -> str:
    """Return the start of a message, in colour if stderr is a terminal that shows colours.

    Only this word is coloured: the text keeps the colour that the user has chosen.
    """
    text, environment = f"{word}{_rank()}:", os.environ
    shows = environment.get("TERM", "dumb") != "dumb" or environment.get("WT_SESSION")  # of Windows
    if shows and sys.stderr.isatty() and not environment.get("NO_COLOR"):
        text = f"\x1b[{colour}m{text}\x1b[0m"
    return f"{text} "


def _brief(message: object) -> str:
    """Return ``message`` with the middle of words of 500 and more characters left out."""
    return re.sub(r"\S{500,}", lambda m: f"{m[0][:100]}...{m[0][-100:]}", str(message))


def _print(lines: Iterable[object], stream: TextIO, head: str = "") -> None:
    """Print on lines of their own: an open progress bar is cleared before and redrawn after them.

    Unprintable characters are escaped, also line ends: the name of a file cannot imitate a message.

    Args:
        head: text before the first line, which may have colours.
    """
    text = head + "\n".join(map(printable, lines))
    bar = getattr(_on_screen, "bar", None)  # read once, because another thread may close it
    with contextlib.nullcontext() if bar is None else bar.get_lock():
        if bar is not None:
            _draw(bar.clear)
        try:
            print(text, file=stream, flush=True)
        except OSError as error:
            _lost(stream, error)
        if bar is not None:
            _draw(bar.refresh)


def _warn_beside_bar(message: Any, category: type[Warning], *place: Any) -> None:
    """Print a warning of a library like one of ours, so that it does not end the bar's line."""
    warn(f"{category.__name__}: {message}")


def _draw(draw: Callable[[], object]) -> None:
    """Call a method of the bar, which writes to stderr."""
    try:
        draw()
    except OSError as error:
        _lost(sys.stderr, error)


def _lost(stream: TextIO, error: OSError) -> None:
    """Silence a stream that cannot be written; without stdout, call ``on_lost_output(error)``."""
    with contextlib.suppress(OSError):  # a stream of a test has no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    if stream is sys.stdout:
        on_lost_output(error)


def _end_without_output(error: OSError) -> None:
    """End the program: without a word if the reader of a pipe has gone, as in ``| head -1``."""
    if isinstance(error, BrokenPipeError):
        sys.exit(PIPE_CLOSED)
    _error(f"cannot write to stdout: {error.strerror}")
    sys.exit(1)


on_lost_output = _end_without_output  # a training replaces it, to save first


def note_progress(note: str) -> None:
    """Show ``note`` behind the open progress bar, if there is one, within an item."""
    bar = getattr(_on_screen, "bar", None)
    if bar is not None:
        _draw(lambda: bar.set_postfix_str(printable(note)))


def _rank() -> str:
    return f" (rank {distributed.rank()})" if distributed.world_size() > 1 else ""


def run_main(main: Callable[[], None], less_memory: str = "smaller images") -> None:
    """Run a program; a :class:`UserError` or an unusable file ends it with one line on stderr.

    The exit status is the error's ``status``, 1 for an unusable file, too little memory or an
    unwritable stdout, 130 after Ctrl-C, and 141 if stdout is a pipe that nobody reads any more.

    Args:
        less_memory: the program's options that need less memory.
    """
    global on_lost_output
    on_lost_output = _end_without_output
    _open_streams()
    try:
        with distributed.watch_launcher(_stop_without_launcher):
            main()
    except UserError as error:
        _error(*(error.lines or [str(error)]))
        sys.exit(error.status)
    except SystemExit:
        raise
    except BaseException as error:
        if _is_interrupt(error):
            sys.exit(130)
        if is_out_of_memory(error):
            reason = f"out of memory{memory_of_others()}; to use less: {less_memory}"
        elif isinstance(error, OSError) and error.strerror:  # a full disk, a vanished folder, ...
            where = error.filename or "a file used by {}, line {}".format(*place_of(error))
            reason = f"{where}: {error.strerror}"
        elif not (reason := norm_problem(error) or refused_value(error, sys.argv[1:])):
            raise
        _error(reason)
        sys.exit(2 if isinstance(error, NotImplementedError) else 1)
    finally:
        if _on_screen:
            _on_screen.close()
        distributed.abandon()
        _flush()


def _is_interrupt(error: BaseException | None) -> bool:
    """True for Ctrl-C, also where a library raises its own error for it.

    NumPy does so while it is imported. An exit status that was set after Ctrl-C stays.
    """
    if error is None or isinstance(error, SystemExit):
        return False
    chained = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt) or _is_interrupt(chained)


def _stop_without_launcher() -> None:
    """Stop like after SIGTERM: at once before the training begins, later after a save."""
    warn("torchrun has ended, so this process stops as well")
    os.kill(os.getpid(), signal.SIGTERM)


def _open_streams() -> None:
    """Prepare stdout and stderr for any text, also if they were closed before the start."""
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:  # else the next file becomes stdout
        pass
    os.close(null)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):  # file names may hold any bytes
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write what is still buffered, for example a help text."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            _lost(stream, error)


def place_of(error: BaseException) -> tuple[str, int]:
    """Return the file and the line of this project that raised the error."""
    root = Path(__file__).resolve().parent.parent
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame
        for frame in frames
        if root in Path(frame.filename).resolve().parents and "site-packages" not in frame.filename
    ]
    frame = (ours or frames)[-1]
    name = Path(os.path.relpath(frame.filename, root)).as_posix()
    return name, frame.lineno or 0


def duration(seconds: float) -> str:
    """Seconds as text: ``0:03:07``, ``3 days, 4:00:00``."""
    return str(timedelta(seconds=round(seconds)))


class Progress:
    """Counts items and draws a tqdm bar with the remaining time on stderr.

    Without tqdm, a line is printed after every tenth of the items. Nothing is shown when stderr is
    no terminal, and on ranks other than 0.

    Args:
        total: number of items, 0 if unknown.
        label: text before the bar.
        done: items that were finished before, for example by the run that is resumed.
    """

    def __init__(self, total: int, label: str = "", done: int = 0) -> None:
        global _on_screen
        self.total, self.label, self.done = total, printable(label), done
        self.bar: Any = None
        self.tenth = 0  # number of items after which a line is printed, 0 with a bar
        if not (sys.stderr.isatty() and distributed.is_main()):
            return
        try:
            from tqdm import tqdm  # here, because --help should not wait for the import
        except ImportError:
            self.tenth = -(-total // 10)
            return
        layout = "{l_bar}{bar}| {remaining} left{postfix}"
        self.bar = tqdm(
            total=total, desc=self.label, initial=done, leave=False, bar_format=layout, miniters=1
        )
        _on_screen, self.show_warning = self, warnings.showwarning
        warnings.showwarning = _warn_beside_bar  # type: ignore[assignment]

    def update(self, count: int = 1, note: str = "") -> None:
        """Count ``count`` more items as finished, and show ``note`` behind the bar."""
        before, self.done = self.done, self.done + count
        if self.bar is not None:
            shown = min(self.done, self.total or self.done)  # beyond the total, tqdm shows no %
            self.bar.set_postfix_str(printable(note), refresh=False)
            _draw(lambda: self.bar.update(shown - self.bar.n))
        elif self.tenth and self.done // self.tenth > before // self.tenth:
            say(f"{self.label} {self.done} of {self.total} {note}".strip())

    def close(self) -> None:
        """Remove the bar from the terminal."""
        global _on_screen
        if self.bar is not None:
            bar, self.bar, _on_screen = self.bar, None, None
            _draw(bar.close)
            warnings.showwarning = self.show_warning

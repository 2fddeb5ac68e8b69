"""Terminal output: messages, one-line errors, and a progress bar."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TextIO

from util import distributed
from util.errors import UsageError, UserError  # noqa: F401  custom models import both from here

_on_screen: Progress | None = None  # its bar must not be mixed with messages


def say(message: str = "") -> None:
    """Print ``message`` on stdout; on several ranks only rank 0 prints."""
    if distributed.is_main():
        _print(message, sys.stdout)


def warn(message: str) -> None:
    """Print a warning on stderr, on every rank."""
    _print(f"warning{_rank()}: {message}", sys.stderr)


def _print(message: str, stream: TextIO) -> None:
    """Print on a line of its own: an open progress bar is cleared before and redrawn after it."""
    bar = getattr(_on_screen, "bar", None)  # read once, because another thread may close it
    with contextlib.nullcontext() if bar is None else bar.external_write_mode(stream):
        print(message, file=stream, flush=True)


def _rank() -> str:
    return f" (rank {distributed.rank()})" if distributed.world_size() > 1 else ""


def run_main(main: Callable[[], None]) -> None:
    """Run a program; a :class:`UserError` or an unusable file ends it with one line on stderr.

    The exit status is the error's ``status``, 1 for an unusable file, and 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):  # file names may hold any bytes
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except UserError as error:
        _print(f"error{_rank()}: {error}", sys.stderr)
        sys.exit(error.status)
    except OSError as error:  # for example a full disk, or a folder that vanished
        if not error.strerror:
            raise
        _print(f"error{_rank()}: {error.filename or 'a file'}: {error.strerror}", sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if _on_screen:
            _on_screen.close()


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
        self.total, self.label, self.done = total, label, done
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
            total=total, desc=label, initial=done, leave=False, bar_format=layout, miniters=1
        )
        _on_screen = self

    def update(self, count: int = 1, note: str = "") -> None:
        """Count ``count`` more items as finished, and show ``note`` behind the bar."""
        before, self.done = self.done, self.done + count
        if self.bar is not None:
            shown = min(self.done, self.total or self.done)  # beyond the total, tqdm shows no %
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(shown - self.bar.n)
        elif self.tenth and self.done // self.tenth > before // self.tenth:
            say(f"{self.label} {self.done} of {self.total} {note}".strip())

    def close(self) -> None:
        """Remove the bar from the terminal."""
        global _on_screen
        if self.bar is not None:
            bar, self.bar, _on_screen = self.bar, None, None
            bar.close()

"""What the user reads in the terminal: messages, one-line errors, a progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from util import distributed
from util.errors import UserError


def say(message: str = "") -> None:
    """Print one message on stdout, clearing a progress bar that may stand on the line. Of several ranks the first speaks."""
    if distributed.is_main():
        print(f"\r\033[K{message}" if sys.stdout.isatty() else message, flush=True)


def warn(message: str) -> None:
    print(f"warning{_who()}: {message}", file=sys.stderr, flush=True)


def _who() -> str:
    return f" (rank {distributed.rank()})" if distributed.world_size() > 1 else ""


def run_main(main: Callable[[], None]) -> None:
    """Run a program: a :class:`UserError`, or a file that cannot be used, ends it with one line and a status that is not 0."""
    for stream in (sys.stdout, sys.stderr):  # file names may hold anything
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except UserError as error:
        print(f"error{_who()}: {error}", file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:  # a full disk, a folder that vanished
        if not error.strerror:
            raise
        sys.exit(f"error{_who()}: {error.filename or 'a file'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``3:07``, ``2:03:07``, ``3 d 4 h``."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60}:{s % 60:02d}"
    return (
        f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}"
        if s < 86400
        else f"{s // 86400} d {s % 86400 // 3600} h"
    )


class Progress:
    """A bar with the time left on stderr, drawn only where that is a terminal and at most ten times a second."""

    def __init__(self, total: int, label: str = "", done: int = 0) -> None:
        self.total, self.label, self.done, self.first = max(1, total), label, done, done
        self.start = time.monotonic()
        self.drawn = 0.0
        self.live = sys.stderr.isatty() and distributed.is_main()

    def update(self, count: int = 1, note: str = "") -> None:
        """Count ``count`` more items as done; ``note`` stands behind the label."""
        self.done += count
        now = time.monotonic()
        if not self.live or (now - self.drawn < 0.1 and self.done < self.total):
            return
        self.drawn = now
        share = min(1.0, self.done / self.total)
        left = (now - self.start) / max(1, self.done - self.first) * max(0, self.total - self.done)
        bar = "█" * int(share * 24) + "·" * (24 - int(share * 24))
        sys.stderr.write(f"\r\033[K{self.label} {note} {bar} {share:4.0%}, {duration(left)} left")
        sys.stderr.flush()

    def close(self) -> None:
        if self.live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

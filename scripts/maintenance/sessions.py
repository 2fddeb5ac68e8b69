"""Processes that lead a session of their own, print into a file, and end with their children."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from util.console import run_main
from util.errors import UserError


def forkserver(modules: list[str]) -> Any:
    """Return a context whose processes start as copies of one that has imported ``modules``.

    Returns None where processes cannot be copied, as on Windows.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(modules)
    return context


def need_fork(program: str, launcher: Any) -> None:
    """Raise UserError if ``launcher`` is None."""
    if launcher is None:
        raise UserError(f"{program} needs Linux or macOS: it starts its processes as copies")


def redirect(output: Path) -> None:
    """Append everything that this process prints to a file."""
    multiprocessing.set_start_method(None, force=True)  # type: ignore[arg-type]  # the default
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.dup2(file, 1), 2)
    sys.stdout = sys.stderr = os.fdopen(file, "w", buffering=1)  # tests replace both streams


def run_here(main: Callable[[], None], words: list[str]) -> None:
    """Run a program in this process.

    Args:
        main: the function ``main`` of the program.
        words: its command line, with its name first.
    """
    sys.argv = words
    run_main(main)


def kill(process) -> None:
    """Send SIGKILL to the session of ``process`` and wait for its end."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # the process has no session yet, or has ended
        process.kill()
    process.join()

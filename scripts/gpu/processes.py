"""Runs checks and programs in processes of their own, with a time limit and a file for output."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.gpu.checks import ERROR, FAILED, ROOT, SKIPPED, Check, Setup, Verdict
from util.console import run_main
from util.errors import first_line

# Processes start as copies of one that has imported PyTorch but has not used a GPU
launcher: Any = multiprocessing.get_context("forkserver")
launcher.set_forkserver_preload(["torch._dynamo", "scripts.gpu.registry"])


def run(check: Check, setup: Setup, patience: float = 1) -> dict[str, Any]:
    """Run a check; returns its row: check, status, seconds, line and figures.

    Args:
        patience: factor of the time limit.
    """
    if check.needs_gpu and not setup.full:
        return row(check, Verdict(SKIPPED, "needs a GPU"), 0)
    setup.folder.mkdir(parents=True)
    result, log = setup.folder / "verdict.json", setup.folder / "output.txt"
    begin, limit = time.monotonic(), check.seconds * patience
    process = launcher.Process(target=_perform, args=(check, setup, result, log))
    process.start()
    try:
        process.join(limit)
        ended = process.exitcode is not None
    finally:
        _kill(process)
    seconds = time.monotonic() - begin
    if result.is_file():
        return row(check, Verdict(**json.loads(result.read_text())), seconds)
    end = f"ended with {process.exitcode}" if ended else f"no end within {limit:.0f} s"
    return row(check, Verdict(ERROR, f"{end}; its last line: {last(log)}"), seconds)


def row(check: Check, verdict: Verdict, seconds: float) -> dict[str, Any]:
    return {"check": check.title, "seconds": round(seconds, 1), **verdict._asdict()}


def last(log: Path) -> str:
    """Return the last line of a file of output."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else "no output"


def _perform(check: Check, setup: Setup, result: Path, log: Path) -> None:
    """Run a check as the leader of a session, and write its verdict."""
    os.setsid()
    _redirect(log)
    try:
        verdict = check.function(setup, *check.args)
    except (Exception, SystemExit) as error:  # any kind: it is the result of this check
        traceback.print_exc()
        verdict = Verdict(ERROR, f"{place_of(error)}: {type(error).__name__}: {first_line(error)}")
    result.with_suffix(".part").write_text(json.dumps(verdict._asdict()))
    result.with_suffix(".part").rename(result)


def place_of(error: BaseException) -> str:
    """Return the file and line of this project that raised the error."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame
        for frame in frames
        if frame.filename.startswith(str(ROOT)) and "site-packages" not in frame.filename
    ]
    frame = (ours or frames)[-1]
    return f"{frame.filename.removeprefix(f'{ROOT}{os.sep}')}:{frame.lineno}"


def _redirect(log: Path) -> None:
    """Send everything that this process prints into a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.dup2(file, 1), 2)
    sys.stdout = sys.stderr = os.fdopen(file, "w", buffering=1)
    multiprocessing.set_start_method(None, force=True)  # type: ignore[arg-type]  # the default


def _kill(process: Any) -> None:
    """Kill what is left of the session of ``process``, also the programs that a check started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # the process has no session yet, or everything in it has ended
        process.kill()
    process.join()


def start_program(main: Callable[[], None], words: list[str], log: Path) -> Any:
    """Start a program as a copy of this process, which should not have used a GPU yet.

    Args:
        main: the function ``main`` of the program.
        words: its command line, with its name first.
        log: file for its output.
    """
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_program, args=(main, words, log))
    process.start()
    return process


def run_program(main: Callable[[], None], words: list[str], log: Path) -> int:
    """Run a program like :func:`start_program`, and return its exit status."""
    process = start_program(main, words, log)
    process.join()
    return process.exitcode


def _program(main: Callable[[], None], words: list[str], log: Path) -> None:
    _redirect(log)
    sys.argv = words
    run_main(main)


def failure(status: int, log: Path) -> Verdict:
    """Return the verdict on a program that should have ended with status 0."""
    return Verdict(FAILED, f"status {status}: {last(log)}")

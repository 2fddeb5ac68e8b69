"""Runs checks and programs in processes of their own, with a time limit and a file for output."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.gpu.checks import ERROR, FAILED, OK, ROOT, SKIPPED, Check, Setup, Verdict
from scripts.maintenance.sessions import forkserver, kill, need_fork, redirect, run_here
from util.console import place_of
from util.errors import first_line

# Processes start as copies of one that has imported PyTorch but has not used a GPU
launcher = forkserver(["torch._dynamo", "scripts.gpu.registry"])


def run(check: Check, setup: Setup, patience: float = 1) -> dict[str, Any]:
    """Run a check; returns its row: check, status, seconds, line and figures.

    Args:
        patience: factor of the time limit.

    Raises:
        UserError: processes cannot be copied here, as on Windows.
    """
    if check.needs_gpu and not setup.full:
        return row(check, Verdict(SKIPPED, "needs a GPU"), 0)
    need_fork("check_gpu.py", launcher)
    setup.folder.mkdir(parents=True)
    result, log = setup.folder / "verdict.json", setup.folder / "output.txt"
    begin, limit = time.monotonic(), check.seconds * patience
    process = launcher.Process(target=_perform, args=(check, setup, result, log))
    process.start()
    try:
        process.join(limit)
        ended = process.exitcode is not None
    finally:
        kill(process)  # also the programs that the check started
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
    redirect(log)
    try:
        verdict = check.function(setup, *check.args)
    except (Exception, SystemExit) as error:  # any kind: it is the result of this check
        traceback.print_exc()
        place = ":".join(map(str, place_of(error)))
        verdict = Verdict(ERROR, f"{place}: {type(error).__name__}: {first_line(error)}")
    result.with_suffix(".part").write_text(json.dumps(verdict._asdict()))
    result.with_suffix(".part").rename(result)


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
    redirect(log)
    run_here(main, words)


def run_python(words: list[str], environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Run Python with ``words`` in the project's root and print its output.

    Returns:
        OK or FAILED, and the last line of the output.
    """
    command = [sys.executable, *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
    print(*lines, sep="\n")
    return FAILED if done.returncode else OK, lines[-1]


def failure(status: int, log: Path) -> Verdict:
    """Return the verdict on a program that should have ended with status 0."""
    return Verdict(FAILED, f"status {status}: {last(log)}")

"""Run our programs: one after the other, or several trainings at a time on the cores or GPUs."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from options.flags.flag import Flag
from util.console import say
from util.errors import UserError, naming
from util.limits import whole

ROOT = Path(__file__).resolve().parents[2]
CORES = 4  # of a training on the CPU, by default
HINT = "; fix the reason above and run the same command again to resume here"
INTERRUPTED = {128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM}
JOBS = Flag(
    "jobs",
    whole(1, 256),
    None,
    f"trainings at a time (default: one for each GPU, or for {CORES} cores)",
)
running: set[subprocess.Popen] = set()
stopping = threading.Event()  # set by Ctrl-C and SIGTERM: no further program begins
_printing = threading.Lock()


class Interrupted(UserError):
    """A program was ended by Ctrl-C or SIGTERM; it resumes when it is started again."""


class Place(NamedTuple):
    """Where a program runs.

    Attributes:
        environment: variables that it gets in addition to ours.
        log: a file for its output, or None.
        shown: True if its output appears in the terminal, too.
    """

    environment: dict[str, str] = {}
    log: Path | None = None
    shown: bool = True


HERE = Place()


def announce(text: str) -> None:
    """Print a line; several jobs may do so at a time."""
    with _printing:
        say(text)


def places(jobs: int | None) -> list[Place]:
    """Return ``jobs`` places: GPUs in turn, or equal shares of the cores."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    gpus = gpus if torch.cuda.is_available() else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    jobs = jobs or len(gpus) or max(1, cores // CORES)
    if jobs == 1:
        return [HERE]
    threads = {"OMP_NUM_THREADS": str(max(1, cores // jobs))} if not gpus else {}
    if "OMP_NUM_THREADS" in os.environ:
        threads = {}
    return [
        Place(
            threads | ({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}), None, False
        )
        for i in range(jobs)
    ]


def run_all(work: Sequence[Callable[[Place], None]], places: Sequence[Place]) -> None:
    """Call each function with the place that it may use, as many at a time as there are places.

    After the first exception nothing new begins, and it is raised once the others have ended.
    SIGTERM ends the programs that run, which save first.
    """
    stopping.clear()
    with ending_programs():
        if len(places) == 1:
            for task in work:
                task(places[0])
            return
        free: queue.SimpleQueue[Place] = queue.SimpleQueue()
        for place in places:
            free.put(place)

        def begin(task: Callable[[Place], None]) -> None:
            place = free.get()
            try:
                task(place)
            finally:
                free.put(place)

        pool = ThreadPoolExecutor(len(places))
        try:
            for future in as_completed([pool.submit(begin, task) for task in work]):
                future.result()
        except KeyboardInterrupt:
            stopping.set()
            announce("Ctrl-C: the programs that run save first; press Ctrl-C again to quit now")
            raise
        finally:
            with killing_programs():
                pool.shutdown(cancel_futures=True)


@contextmanager
def killing_programs() -> Iterator[None]:
    """Kill the programs that run if Ctrl-C is pressed inside the context."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # no third one: nothing is left to wait for
        for process in list(running):
            process.kill()
        raise


@contextmanager
def ending_programs() -> Iterator[None]:
    """Pass SIGTERM on to the programs that run, inside the context."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: Any) -> None:
        stopping.set()
        for process in list(running):
            process.terminate()
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def execute(argv: Sequence[str | Path], place: Place = HERE) -> None:
    """Run one of our programs.

    Raises:
        Interrupted: it was ended by Ctrl-C or SIGTERM.
        UserError: it failed; it has printed the reason, which is also in the message if it has a
            log.
    """
    interrupted = Interrupted(f"{argv[0]} was interrupted; the same command continues")
    if stopping.is_set():
        raise interrupted
    if place.shown:
        say("", "$ " + shown(argv))
    begin = place.log.stat().st_size if place.log and place.log.exists() else 0
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if place.log else {}
    command = [sys.executable, *map(str, argv)]
    environment = os.environ | place.environment
    process = subprocess.Popen(command, cwd=ROOT, env=environment, **output)  # type: ignore[call-overload]
    running.add(process)
    try:
        if place.log:
            copy_output(process.stdout, place.log, place.shown)
        process.wait()
    except (KeyboardInterrupt, SystemExit):  # the program got the signal, too, and saves
        if place.log:
            copy_output(process.stdout, place.log, place.shown)
        raise
    finally:
        if process.stdout:  # if the log cannot be written, nobody reads the program's output
            process.stdout.close()
        status = process.wait()
        running.discard(process)
    if status in INTERRUPTED or (status and stopping.is_set()):
        raise interrupted
    if status:
        reason = last_line(place.log, begin) if place.log else ""
        raise UserError(
            f"{argv[0]} ended with status {status}"
            + (f": {reason}" if reason else "")
            + ("" if place.log else HINT)
        )


def copy_output(output: IO[bytes], log: Path, show: bool) -> None:
    """Append what a program prints to ``log``, and print it if ``show``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with naming(log), open(log, "ab") as file:
        while part := output.read1(65536):  # type: ignore[attr-defined]
            file.write(part)
            file.flush()
            if show:
                sys.stdout.write(part.decode(errors="backslashreplace"))
                sys.stdout.flush()


def last_line(log: Path, begin: int) -> str:
    """Return the last line with text that was written to ``log`` after byte ``begin``."""
    text = log.read_bytes()[begin:].decode(errors="backslashreplace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else ""


def shown(argv: Sequence[str | Path]) -> str:
    """Return a command line to be typed in the project's folder."""
    return shlex.join(["python", *map(str, argv)]).replace(f"{ROOT}/", "")

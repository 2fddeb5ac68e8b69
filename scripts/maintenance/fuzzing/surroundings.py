"""Cases of odd surroundings: streams, limits, read-only folders, signals, and links."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scripts.maintenance.fuzzing.cases import Case, Program

MAIN: tuple[str, ...] = (
    "train",
    "resume",
    "test",
    "check_data",
    "translate",
    "evaluate",
    "evaluate-sets",
    "plot",
)
MAIN += ("sheet", "train_segmenter", "segment_scores", "edges", "combine", "cityscapes", "download")
MAIN += ("timelapse", "share_page", "pack_run")
TRAININGS = ("train", "train-val", "train-pix2pix", "resume")
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM")


def surrounding_cases(program: Program) -> Iterator[Case]:
    """Yield the cases of a program; most programs share one way to print and to write."""
    if program.name not in MAIN + TRAININGS:
        return
    make = partial(Case, program=program)
    for name, (inside, quiet) in STREAMS.items():
        ends = (signal.SIGPIPE,) if "read" in name or "head" in name else ()
        yield make(f"{program.name}:streams:{name}", inside=inside, quiet=quiet, ends=ends)
    for name, limit in LIMITS.items():
        quiet = name == "files of 0 bytes"  # its own output, which goes into files, too
        yield make(f"{program.name}:limit:{name}", inside=partial(set_limits, limit), quiet=quiet)
    for size in (16, 64, 200, 400):
        yield make(f"{program.name}:memory:{size} MB", memory=size << 20)
    for name, before in FOLDERS.items():
        exact = name not in ("strange names", "loop upwards")  # these add images
        yield make(f"{program.name}:folder:{name}", before=before, exact=exact)
    for name, values in VARIABLES.items():
        exact = "rank" not in name
        yield make(
            f"{program.name}:variable:{name}", inside=partial(set_variables, values), exact=exact
        )
    for name in SIGNALS:
        for moment in ("at the start", "after a line"):
            number = getattr(signal, name)
            yield make(
                f"{program.name}:signal:{name} {moment}",
                during=partial(send, number, moment),
                ends=(number,),
                exact=False,
                quiet=True,
            )
    if program.name in TRAININGS:
        for name, more in (
            ("processes", ("--num_threads", "2")),
            ("many", ("--num_threads", "64")),
        ):
            yield make(f"{program.name}:limit:no {name}", inside=no_processes, more=more)
        yield make(f"{program.name}:folder:moved", during=move_run, exact=False)


def set_limits(bounds: dict[int, int]) -> None:
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, resource.getrlimit(kind)[1]))


def no_processes() -> None:
    """Let os.fork fail as it does where the number of processes is limited."""

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    os.fork = fork


def set_variables(values: dict[str, str]) -> None:
    os.environ |= values


def close(*numbers: int) -> None:
    """Close standard streams as ``>&-`` in a shell does."""
    for number in numbers:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def onto(path: str, *numbers: int) -> None:
    """Let streams write to ``path``."""
    for number in numbers:
        os.dup2(os.open(path, os.O_WRONLY), number)
        reopen(number)


def reopen(number: int, encoding: str = "utf-8") -> None:
    """Replace a standard stream by one of the same file descriptor, which has another file now."""
    stream = open(number, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    setattr(sys, ("stdin", "stdout", "stderr")[number], stream)


def pipe(lines: int, *numbers: int) -> None:
    """Let streams write to a pipe whose reader ends after ``lines`` lines, as ``| head`` does."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as stream:
            for _ in range(lines):
                while stream.read(1) not in (b"\n", b""):
                    pass
        os._exit(0)
    os.close(reading)
    for number in numbers:
        os.dup2(writing, number)
        reopen(number)
    os.close(writing)
    if lines == 0:
        os.wait()  # so that the reader has certainly gone


def encode(encoding: str) -> None:
    """Print in an encoding that does not have every character."""
    reopen(1, encoding)
    reopen(2, encoding)


STREAMS: dict[str, tuple[Callable[[], None], bool]] = {  # quiet: no errors can be seen
    "stdin closed": (partial(close, 0), False),
    "stdout closed": (partial(close, 1), False),
    "stderr closed": (partial(close, 2), True),
    "all closed": (partial(close, 0, 1, 2), True),
    "stdout full": (partial(onto, "/dev/full", 1), False),
    "stderr full": (partial(onto, "/dev/full", 2), True),
    "both full": (partial(onto, "/dev/full", 1, 2), True),
    "head -1": (partial(pipe, 1, 1), True),
    "nobody reads": (partial(pipe, 0, 1), True),
    "nobody reads both": (partial(pipe, 0, 1, 2), True),
    "ascii": (partial(encode, "ascii"), False),
    "latin-1": (partial(encode, "latin-1"), False),
}
LIMITS = {  # with fewer files than 12, Python's own asyncio prints a traceback
    "12 files": {resource.RLIMIT_NOFILE: 12},
    "24 files": {resource.RLIMIT_NOFILE: 24},
    "files of 0 bytes": {resource.RLIMIT_FSIZE: 0},
    "files of 1 KB": {resource.RLIMIT_FSIZE: 1000},
    "files of 20 KB": {resource.RLIMIT_FSIZE: 20_000},
}
VARIABLES = {
    "no temporary folder": {"TMPDIR": "/nothere"},
    "full temporary folder": {"TMPDIR": "/dev/full"},
    "no home": {"HOME": "/nothere"},
    "no columns": {"COLUMNS": "0"},
    "C locale": {"LC_ALL": "C", "LANG": "C"},
    "odd locale": {"LC_ALL": "xx_YY.nothing"},
    "rank x": {"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
    "rank -1": {"RANK": "-1", "WORLD_SIZE": "1", "LOCAL_RANK": "-1", "LOCAL_WORLD_SIZE": "1"},
    "rank 5 of 2": {"RANK": "5", "WORLD_SIZE": "2", "LOCAL_RANK": "5", "LOCAL_WORLD_SIZE": "2"},
    "no ranks": {"WORLD_SIZE": "0"},
    "rank empty": {"RANK": "", "WORLD_SIZE": ""},
}


def forbid(name: str, place: Path) -> None:
    """Make a folder read-only, and make it first if there is none."""
    (place / name).mkdir(parents=True, exist_ok=True)
    for path in [place / name, *(place / name).rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


def blocked(name: str, place: Path) -> None:
    """Put a file where a folder is to be made."""
    if not (place / name).exists():
        (place / name).write_text("a file\n")


def linked(name: str, target: str, place: Path) -> None:
    """Put a link into every folder of images, or where a program writes."""
    for folder in [place / name] if name else [p for p in (place / "in").rglob("*") if p.is_dir()]:
        if folder.is_dir():
            (folder / "loop").symlink_to(target)


def crossed(place: Path) -> None:
    for folder in [p for p in (place / "in").rglob("*") if p.is_dir()]:
        for a, b in (("one", "two"), ("two", "one")):
            (folder / a).mkdir()
            (folder / a / "link").symlink_to(f"../{b}")


def planted(place: Path) -> None:
    """Put links to a file of the user where a training writes its own."""
    for run in ("r", "run"):
        folder = place / "checkpoints" / run
        (folder / "web").mkdir(parents=True, exist_ok=True)
        for name in (".lock", "loss_log.txt", "metrics.jsonl", "web/data.js", "train_opt.txt"):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(
                os.path.relpath(place / "odd/file.txt", (folder / name).parent)
            )


def strange_names(place: Path) -> None:
    """Add images whose names hold odd characters."""
    for path in list((place / "in").rglob("a.png")):
        for name in ("new\nline.png", "\udcff.png", "\x1b[31m.png", " .png", "-x.png", "%s{}.png"):
            os.link(path, path.with_name(name))


FOLDERS: dict[str, Callable[[Path], Any]] = {
    "all read-only": partial(forbid, "."),
    "checkpoints read-only": partial(forbid, "checkpoints"),
    "out read-only": partial(forbid, "out"),
    "results read-only": partial(forbid, "results"),
    "checkpoints a file": partial(blocked, "checkpoints"),
    "out a file": partial(blocked, "out"),
    "results a file": partial(blocked, "results"),
    "loop": partial(linked, "", "."),
    "loop upwards": partial(linked, "", ".."),
    "loop to itself": partial(linked, "", "loop"),
    "crossed links": crossed,
    "planted links": planted,
    "strange names": strange_names,
}


def send(number: int, moment: str, pid: int, place: Path, record: Path) -> Iterator[None]:
    """Send a signal to the program, at once or after its first line."""
    output = record.with_suffix(".out")
    awaited = record if moment == "at the start" else output
    while not (awaited.exists() and awaited.stat().st_size):
        yield
    for _ in range(8):  # the first lines of a script are outside of its main function
        yield
    os.kill(pid, number)


def move_run(pid: int, place: Path, record: Path) -> Iterator[None]:
    """Move the run folder away as soon as it has a log."""
    while True:
        for run in (place / "checkpoints").glob("r*"):
            if (run / "loss_log.txt").exists():
                run.rename(place / "moved")
                return
        yield

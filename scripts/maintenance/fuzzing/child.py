"""One case in a process of its own: forked from the warm one, limited, recorded, and cleaned up."""

from __future__ import annotations

import argparse
import atexit
import json
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.maintenance.fuzzing.cases import Case, Option, option_of
from scripts.maintenance.fuzzing.limits import drop_privileges, end_all, limit, own_children
from scripts.maintenance.fuzzing.scratch import Files, prepare, snapshot

ROOT = Path(__file__).resolve().parents[3]
WAIT = 25.0  # seconds until a case counts as a hang
GRACE = 5.0  # seconds to end after SIGTERM
KEPT = 200_000  # characters of the output
RECORD = 250  # file descriptor of the child's notes


@dataclass
class Outcome:
    """The end of a case.

    Attributes:
        status: exit status; negative for the signal that ended the process.
        out, err: its output.
        parsed: options right after parsing. final: options at the end.
        exception: a traceback that nobody caught.
        hung: True if it had to be killed.
        files: what lay in the scratch folder before and after.
    """

    status: int = 0
    out: str = ""
    err: str = ""
    parsed: dict[str, Any] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)
    options: list[Option] = field(default_factory=list)
    exception: str = ""
    hung: bool = False
    terminated: bool = False
    seconds: float = 0.0
    before: Files = field(default_factory=dict)
    after: Files = field(default_factory=dict)


class Become(BaseException):
    """Unwinds the fuzzer's stack in a forked child, which then runs the program in its place."""

    def __init__(self, case: Case, place: Path, actions: bool) -> None:
        self.case, self.place, self.actions = case, place, actions

    def run(self) -> None:
        """Run the program, and end as an interpreter does, but without freeing every object."""
        notes = Notes(self.actions)
        case, script = self.case, ROOT / self.case.program.script
        sys.argv = [str(script), *case.arguments()]
        sys.path[0] = str(script.parent)
        status: int | str | None = 0
        try:
            os.write(RECORD, b" ")  # the program starts
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
            if case.inside:
                case.inside()
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            status = end.code
        except BaseException:
            notes.exception = traceback.format_exc()
            status = 1
        notes.write()
        end_program(status, notes.exception)


def end_program(status: int | str | None, exception: str) -> None:
    """Wait for threads, run what is registered for the end, flush, and exit with ``status``."""
    with suppress(Exception):
        print(exception or (status if isinstance(status, str) else ""), end="", file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    code = status if isinstance(status, int) else int(status is not None)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError) as error:  # as the interpreter does
            code = 120
            with suppress(Exception):
                print(f"Exception ignored in: {stream}: {error}", file=sys.stderr)
    os._exit(code & 0xFF)


class Notes:
    """Notes the options that the program's parsers return, and an exception that it lets through.

    The file is opened before the limits apply.
    """

    def __init__(self, with_actions: bool) -> None:
        self.exception = ""
        self.namespaces: list[argparse.Namespace] = []
        self.parsed: dict[str, Any] = {}
        self.options: dict[str, Option] = {}
        original = argparse.ArgumentParser.parse_known_args

        def parse_known_args(parser: argparse.ArgumentParser, *args: Any, **more: Any) -> Any:
            result = original(parser, *args, **more)
            self.namespaces.append(result[0])
            self.parsed |= plain(vars(result[0]))
            if with_actions:
                self.options |= {a.dest: option_of(a) for a in parser._actions if a.dest != "help"}
            self.write()  # it may be killed
            return result

        argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore

    def write(self) -> None:
        final: dict[str, Any] = {}
        for namespace in self.namespaces:
            final |= plain(vars(namespace))
        notes: dict[str, Any] = {"exception": self.exception}
        notes |= {"parsed": self.parsed, "final": final}
        notes["options"] = [asdict(option) for option in self.options.values()]
        with suppress(Exception):
            content = json.dumps(notes).encode()
            os.ftruncate(RECORD, os.pwrite(RECORD, content, 0))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with anything but numbers as text; without what the program adds."""
    kept = (int, float, bool, type(None))
    return {
        str(k): v if isinstance(v, kept) and len(str(v)) < 400 else str(v)
        for k, v in values.items()
        if k not in ("explicit_options", "changed")
    }


def start(case: Case, place: Path, record: Path, actions: bool = False) -> int:
    """Fork a child that runs ``case`` in ``place``, and return its process ID."""
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        return pid
    try:
        enter(case, place, record)
    except BaseException:
        traceback.print_exc()
        os._exit(97)
    raise Become(case, place, actions)


def enter(case: Case, place: Path, record: Path) -> None:
    """Turn this forked process into one that a shell would start: streams, limits, user."""
    os.setsid()
    for default in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(default, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), RECORD)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        path = record.with_suffix(f".{name}")
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666), number)
    os.closerange(3, RECORD)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  lives as long as the process
    streams = {"encoding": "utf-8", "errors": "strict", "closefd": False}
    sys.stdout = open(1, "w", **streams)  # type: ignore[call-overload]  # noqa: SIM115
    sys.stderr = open(2, "w", **streams | {"errors": "backslashreplace"})  # type: ignore[call-overload]  # noqa: SIM115
    if os.geteuid() == 0:
        drop_privileges()
    os.umask(0o022)
    home, scratch = str(place.parent / "home"), str(place.parent / "tmp")
    os.environ |= {"HOME": home, "TMPDIR": scratch, "XDG_CACHE_HOME": home, "TORCH_HOME": home}
    os.environ |= {
        "MPLCONFIGDIR": home,
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1",
    }
    os.environ |= {"https_proxy": "http://127.0.0.1:9", "CUDA_VISIBLE_DEVICES": ""}
    tempfile.tempdir = None
    os.chdir(place)
    limit(case.memory)


def run_case(case: Case, slot: Path, fixture: Path, options: bool = False) -> Outcome:
    """Run ``case`` in ``slot``/place, a copy of what it needs of ``fixture``."""
    outcome, place, record = Outcome(), slot / "place", slot.with_suffix(".json")
    prepare(case, slot, place, fixture)
    outcome.before = snapshot(slot)
    others = set(own_children())
    pid = start(case, place, record, options)
    begin = time.monotonic()
    try:
        status = wait(pid, case.wait or WAIT, case, place, record)
        if status is None:
            outcome.terminated = True
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)
            status = wait(pid, GRACE)
        outcome.hung = status is None
    finally:
        end_all(pid, others)
    outcome.seconds = time.monotonic() - begin
    outcome.status = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    read_notes(outcome, record)
    outcome.after = snapshot(slot)
    return outcome


def wait(
    pid: int, seconds: float, case: Case | None = None, place: Path = ROOT, record: Path = ROOT
) -> int | None:
    """Return the status of the child once it has ended, None if it has not in ``seconds``."""
    end, pause = time.monotonic() + seconds, 0.002
    during = case.during(pid, place, record) if case and case.during else None
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if during is not None:
            next(during, None)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return None


def read_notes(outcome: Outcome, record: Path) -> None:
    """Read what the child printed and noted."""
    outcome.out, outcome.err = (
        record.with_suffix(suffix).read_bytes()[:KEPT].decode("utf-8", "backslashreplace")
        for suffix in (".out", ".err")
    )
    with suppress(ValueError, OSError):
        notes = json.loads(record.read_text().replace(str(record.with_suffix("")), "SLOT"))
        outcome.exception = notes["exception"]
        outcome.parsed, outcome.final = notes["parsed"], notes["final"]
        outcome.options = [Option(**option) for option in notes["options"]]

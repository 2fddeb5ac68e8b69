"""The process of a training: one per folder, stopped by signals, watched for stalls."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
from pathlib import Path
from types import FrameType

from util import distributed
from util.console import say, warn
from util.errors import UserError
from util.files import read_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Lock:
    """A lock on a run's folder, held by rank 0 until its process ends, even by a kill."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises UserError: another process trains in ``folder``, or it cannot be written.
        """
        self.path = folder / ".lock" if distributed.is_main() else Path(os.devnull)
        if not distributed.is_main():
            self.file = self.path.open()
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+")
            self._lock()
            self.file.seek(0)
            self.file.truncate()
            self.file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            self.file.flush()
        except OSError as error:
            raise UserError(
                f"--checkpoints_dir: cannot write {self.path}: {error.strerror}"
            ) from None

    def _lock(self) -> None:
        try:
            if fcntl:
                # Not flock: DataLoader workers would inherit that lock and keep it after a kill
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise UserError(
                f"another training runs in {self.path.parent}{self._owner()}; choose another "
                "--name, or stop that process"
            ) from None
        except OSError:  # the file system has no locks
            folder = self.path.parent
            warn(f"{folder} cannot be locked; make sure that no other training writes there")

    def _owner(self) -> str:
        """Return which process holds the lock, as it has written into the file."""
        try:
            owner = read_json(self.path, {"pid": int, "host": str})
        except UserError:  # it has not written yet, or something else has
            return ""
        return f": process {owner['pid']} on {owner['host']}"

    def close(self) -> None:
        """Release the lock."""
        self.file.close()


class SignalHandler:
    """Handles Ctrl-C and SIGTERM: the first one stops and saves, a second one quits now.

    With several ranks further signals are ignored, because torchrun forwards signals that the ranks
    have already got.

    Attributes:
        signal: the signal to stop for, 0 if none. Set by :meth:`poll`, so that all ranks stop after
            the same step.
    """

    def __init__(self) -> None:
        self.signal = self.received = 0
        self.process, self.ranks = os.getpid(), distributed.world_size()
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for stop_signal in STOP_SIGNALS:
            signal.signal(stop_signal, signal.SIG_DFL if self.ranks == 1 else signal.SIG_IGN)
        if os.getpid() == self.process:  # DataLoader workers get the signal too and keep running
            again = "; press Ctrl-C again to quit now" if self.ranks == 1 else ""
            say(f"{signal.Signals(number).name}: finishing this step and saving{again}")

    def poll(self) -> int:
        """Update ``signal`` with what any rank has received, and return it.

        All ranks must call this.
        """
        self.signal = int(*distributed.all_reduce(self.received, op="MAX"))
        return self.signal

    def leave(self) -> None:
        """End the process with the exit status of ``signal``."""
        signal.signal(self.signal, signal.SIG_DFL)
        signal.raise_signal(self.signal)


class Watchdog:
    """Writes the stacks of all threads to ``stall.log`` if no step ends for ``timeout`` seconds.

    A context manager; the first step counts too. Rank 1 writes ``stall_rank1.log``, and so on.
    Files without content are removed.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        """Start the timer. Args: timeout: in seconds; 0 switches the watchdog off."""
        self.timeout = timeout
        folder.mkdir(parents=True, exist_ok=True)  # missing on the machines of other ranks
        name = "stall.log" if distributed.is_main() else f"stall_rank{distributed.rank()}.log"
        self.file = (folder / name).open("a") if timeout > 0 else None
        self.step()

    def step(self) -> None:
        """Restart the timer at the end of a step."""
        if self.file:
            faulthandler.dump_traceback_later(self.timeout, repeat=True, file=self.file)

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *error: object) -> None:
        if self.file:
            faulthandler.cancel_dump_traceback_later()
            self.file.close()
            path = Path(self.file.name)
            if path.is_file() and not path.stat().st_size:
                path.unlink()

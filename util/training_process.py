"""The process of a training: stopped by signals, watched for stalls."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from pathlib import Path
from types import FrameType
from typing import IO

from util import console, distributed
from util.console import say, warn
from util.files import make_folder, no_link, remove_empty

# Ctrl-C, schedulers, a lost connection, and batch systems; Windows has the first two
STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]
QUITTING = (signal.SIGINT, signal.SIGTERM)  # after any other signal, these quit at once


def stop_signals() -> list[signal.Signals]:
    """Return ``STOP_SIGNALS`` without SIGHUP if that is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)
    ignored = hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN
    return [number for number in STOP_SIGNALS if number != hangup or not ignored]


class SignalHandler:
    """Handles the signals that end a training: the first one stops after the step and saves.

    Then a second Ctrl-C or SIGTERM quits now. With several ranks further signals are ignored,
    because torchrun forwards signals that the ranks have already got. A closed pipe behind stdout
    counts as SIGPIPE, and ends the training in the same way.

    Attributes:
        signal: the signal to stop for, 0 if none. Set by :meth:`poll`, so that all ranks stop after
            the same step.
    """

    def __init__(self) -> None:
        self.signal = self.received = 0
        self.process, self.ranks = os.getpid(), distributed.world_size()
        for number in stop_signals():
            signal.signal(number, self._handle)
        console.on_lost_output = self._lose_output

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for further in stop_signals():
            quits = further in QUITTING and self.ranks == 1
            signal.signal(further, signal.SIG_DFL if quits else signal.SIG_IGN)
        if os.getpid() == self.process:  # DataLoader workers get the signal too and keep running
            again = "again " if number == signal.SIGINT else ""
            hint = f"; press Ctrl-C {again}to quit now" if self.ranks == 1 else ""
            with contextlib.suppress(RuntimeError):  # the signal has interrupted another message
                say(f"{signal.Signals(number).name}: finishing this step and saving{hint}")

    def _lose_output(self, error: OSError) -> None:
        """Stop quietly if the reader of stdout has gone; with another error continue without."""
        if isinstance(error, BrokenPipeError):
            self.received = self.received or getattr(signal, "SIGPIPE", signal.SIGTERM)
        else:
            warn(
                f"cannot write to stdout: {error.strerror}; the training continues, and "
                "its losses still go to loss_log.txt"
            )

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

    The time until the first step counts too. Rank 1 writes ``stall_rank1.log``, and so on. Files
    without content are removed.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        """Start the timer. Args: timeout: in seconds; 0 switches the watchdog off."""
        self.timeout = timeout
        # Missing on the machines of other ranks, and here if rank 0 comes later
        self.created = make_folder(folder)
        name = "stall.log" if distributed.is_main() else f"stall_rank{distributed.rank()}.log"
        self.file: IO[str] | None = None
        if timeout > 0:
            # Stays open
            self.file = open(folder / name, "a", encoding="utf-8", opener=no_link)  # noqa: SIM115
        self.step()

    def step(self) -> None:
        """Restart the timer at the end of a step."""
        if self.file:
            faulthandler.dump_traceback_later(self.timeout, repeat=True, file=self.file)

    def close(self) -> None:
        """Stop the timer."""
        if self.file:
            faulthandler.cancel_dump_traceback_later()
            path, status = Path(self.file.name), os.fstat(self.file.fileno())
            self.file.close()
            if not status.st_size and path.exists() and os.path.samestat(path.stat(), status):
                path.unlink()
        remove_empty(self.created)  # after a start that failed

"""One training process per folder, stopping on a signal, and stacks of a training that stalls."""

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

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Lock:
    """Held by the process (of several ranks: rank 0) that trains in a folder.

    The system lets go of it when that process ends, however it ends.
    """

    def __init__(self, folder: Path) -> None:
        """Raises UserError: another process trains there."""
        self.path = folder / ".lock" if distributed.is_main() else Path(os.devnull)
        if not distributed.is_main():
            self.file = self.path.open()
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+")
            self._take()
            self.file.seek(0)
            self.file.truncate()
            self.file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            self.file.flush()
        except OSError as error:
            raise UserError(
                f"--checkpoints_dir: cannot write {self.path}: {error.strerror}"
            ) from None

    def _take(self) -> None:
        try:
            if fcntl:  # not flock: worker processes would inherit that, and hold it when this one is killed
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.file.seek(0)
            owner = json.loads(self.file.read() or "{}")
            raise UserError(
                f"another training runs in {self.path.parent}: process {owner.get('pid')} on {owner.get('host')}; "
                "choose another --name, or stop that one"
            ) from None
        except OSError:  # a file system without locks
            warn(
                f"{self.path.parent} cannot be locked; make sure that no other training writes there"
            )

    def close(self) -> None:
        self.file.close()


class SignalHandler:
    """Notes the first Ctrl-C or SIGTERM, so that the step can be finished and saved; a second one ends at once.

    ``signal``: the one to leave by, 0 if none: as of the last :meth:`poll`, so that all ranks leave after the same step.
    """

    def __init__(self) -> None:
        self.signal, self.noted, self.process, self.ranks = (
            0,
            0,
            os.getpid(),
            distributed.world_size(),
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted = number
        for each in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # torchrun hands on what the ranks may have got already
            signal.signal(each, signal.SIG_DFL if self.ranks == 1 else signal.SIG_IGN)
        if (
            os.getpid() == self.process
        ):  # not in those that load images, which get the signal too and are to go on
            say(
                f"{signal.Signals(number).name}: finishing this step and saving"
                f"{'; once more to leave at once' * (self.ranks == 1)}"
            )

    def poll(self) -> int:
        """Look whether any rank has noted a signal. To be called by all of them."""
        self.signal = int(*distributed.all_reduce(self.noted, op="MAX"))
        return self.signal

    def leave(self) -> None:
        """End with the signal's usual status."""
        signal.signal(self.signal, signal.SIG_DFL)
        signal.raise_signal(self.signal)


class Watchdog:
    """Writes the stacks of all threads to a file when no step ends for some time, the first one included.

    It is ``stall.log`` in the folder, of other ranks ``stall_rank1.log``, ...
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        self.timeout = timeout
        folder.mkdir(
            parents=True, exist_ok=True
        )  # on the machines of other ranks it may be missing
        name = "stall.log" if distributed.is_main() else f"stall_rank{distributed.rank()}.log"
        self.file = (folder / name).open("a") if timeout > 0 else None
        self.step()

    def step(self) -> None:
        """A step has ended: start waiting again."""
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

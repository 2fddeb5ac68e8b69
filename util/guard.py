"""Keeps a training safe: one process per folder, leaving on a signal, stalls, numbers that are not finite."""
from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch

from util.console import UserError, say, warn

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Lock:
    """Held by the process that trains in a folder; the system lets go of it when that process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError: another process trains there."""
        self.path = folder / ".lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+")
            self._take()
            self.file.seek(0)
            self.file.truncate()
            self.file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            self.file.flush()
        except OSError as error:
            raise UserError(f"--checkpoints_dir: cannot write {self.path}: {error.strerror}") from None

    def _take(self) -> None:
        try:
            if fcntl:  # not flock: worker processes would inherit that, and hold it when this one is killed
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.file.seek(0)
            owner = json.loads(self.file.read() or "{}")
            raise UserError(f"another training runs in {self.path.parent}: process {owner.get('pid')} on {owner.get('host')}; "
                            "choose another --name, or stop that one") from None
        except OSError:  # a file system without locks
            warn(f"{self.path.parent} cannot be locked; make sure that no other training writes there")

    def close(self) -> None:
        self.file.close()


class Leaving:
    """Notes the first Ctrl-C or SIGTERM, so that the step can be finished and saved; a second one ends at once."""

    def __init__(self) -> None:
        self.signal, self.process = 0, os.getpid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        if os.getpid() == self.process:  # not in those that load images, which get the signal too and are to go on
            say(f"{signal.Signals(number).name}: finishing this step and saving; once more to leave at once")

    def leave(self) -> None:
        """End with the signal's usual status."""
        signal.raise_signal(self.signal)


class Watchdog:
    """Writes the stacks of all threads to ``stall.log`` when no step ends for some time, the first one included."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.timeout = timeout
        self.file = (folder / "stall.log").open("a") if timeout > 0 else None
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


class NonFinite(Exception):
    """A gradient is infinite or not a number."""


def watch_gradients(optimizers: list[torch.optim.Optimizer], skip: bool, images: Callable[[], list[str]]) -> None:
    """Check gradients before each optimizer sees them: raise :class:`NonFinite`, or with ``skip`` drop them and say so.

    ``images`` tells the paths of the batch.
    """
    def check(optimizer: torch.optim.Optimizer, *unused: object) -> None:
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms = torch._foreach_norm([p.grad for p in params], torch.inf) if params else []  # largest values: cannot overflow
        if not params or torch.stack([norm.float() for norm in norms]).isfinite().all():
            return
        if not skip:
            raise NonFinite
        warn(f"a gradient is not finite at {', '.join(images())}: this step is left out")
        for p in params:
            p.grad = None  # which optimizers pass over

    for optimizer in optimizers:
        optimizer.register_step_pre_hook(check)

"""Keeps a training safe: one process per folder, leaving on a signal, stalls, numbers that are not finite."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
from pathlib import Path
from types import FrameType

import torch

from util import distributed
from util.console import UserError, say, warn

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


class Leaving:
    """Notes the first Ctrl-C or SIGTERM, so that the step can be finished and saved; a second one ends at once.

    ``signal``: the one to leave by, 0 if none: as of the last :meth:`poll`, so that all ranks leave after the same step.
    """

    def __init__(self) -> None:
        self.signal, self.noted, self.process, self.ranks = 0, 0, os.getpid(), distributed.world()
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
        self.signal = int(*distributed.combine(self.noted, op="MAX"))
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


class NonFinite(Exception):
    """A gradient is infinite or not a number. The message names the images."""


class Guard:
    """Keeps gradients that are not finite from the weights.

    Whether there are any is a tensor on the device, which a fused optimizer reads itself; this process looks at it in
    :meth:`check`, so that a step does not wait for the GPU. Other optimizers are told before their step.
    """

    def __init__(self, skip: bool, patience: int = 0) -> None:
        """With ``patience`` so many bad steps of an optimizer in a row are passed over in silence."""
        self.skip, self.patience = skip, patience
        self.ones: dict[torch.device, torch.Tensor] = {}
        self.found: list[
            tuple[torch.Tensor, int, list[str]]
        ] = []  # (1 if not finite, optimizer, paths of the images)
        self.in_a_row: dict[int, int] = {}

    def watch(self, optimizer: torch.optim.Optimizer, images: list[str]) -> None:
        """To be called before ``optimizer.step()``, which then leaves the weights alone if a gradient is not finite."""
        params = [p for p in weights_of(optimizer) if p.grad is not None]
        if not params:
            return
        device = params[0].device
        if device not in self.ones:
            self.ones[device] = torch.ones((), device=device)
        bad = torch.zeros((), device=device)
        for dtype in {p.dtype for p in params}:  # one pass over all of them
            torch._amp_foreach_non_finite_check_and_unscale_(
                [p.grad for p in params if p.dtype == dtype], bad, self.ones[device]
            )
        self.found.append((bad, id(optimizer), images))
        if fused(optimizer):
            optimizer.found_inf = bad  # type: ignore[attr-defined]  # as torch.amp.GradScaler hands it over
        elif bad.item():
            for p in params:
                p.grad = None  # which optimizers pass over

    def check(self) -> None:
        """Look at the steps since the last time. Raises NonFinite, or with ``skip`` says which were left out."""
        found, self.found = self.found, []
        flags = torch.stack([bad for bad, *_ in found]).tolist() if found else []
        for flag, (_, optimizer, images) in zip(flags, found, strict=True):
            self.in_a_row[optimizer] = self.in_a_row.get(optimizer, 0) + 1 if flag else 0
            if self.in_a_row[optimizer] <= self.patience:
                continue
            if not self.skip:
                raise NonFinite(", ".join(images))
            warn(f"a gradient is not finite at {', '.join(images)}: this step is left out")


def weights_of(optimizer: torch.optim.Optimizer) -> list:
    return [p for group in optimizer.param_groups for p in group["params"]]


def fuse(optimizer: torch.optim.Optimizer) -> None:
    """Let an Adam of PyTorch step all its weights in one operation, where it can and nothing else was asked for."""
    params = weights_of(optimizer)
    able = type(optimizer) in (torch.optim.Adam, torch.optim.AdamW) and all(
        p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps") for p in params
    )
    for group in optimizer.param_groups if able else ():
        if not (group["foreach"] or group["capturable"] or group["differentiable"]):
            group["fused"] = True


def fused(optimizer: torch.optim.Optimizer) -> bool:
    return all(group.get("fused") for group in optimizer.param_groups)

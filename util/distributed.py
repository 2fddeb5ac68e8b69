"""Data-parallel training in several processes ("ranks") started by torchrun: docs/several_gpus.md.

In a single process every function is a no-op or returns its input.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from util.errors import UserError, first_line

if TYPE_CHECKING:
    import torch

TIMEOUT = timedelta(minutes=30)  # how long a collective waits for a rank that hangs
MEETING = timedelta(minutes=3)  # how long the ranks wait for each other at the start
_single_rank = False
shared_seed: int | None = None  # rank 0's, in a script of one's own after util.util.init_ddp()


def _from_torchrun(variable: str, default: int) -> int:
    """Return an integer set by torchrun; ``default`` when not under torchrun.

    Other programs, such as cluster schedulers, set variables of the same names.
    """
    return int(os.environ[variable]) if "TORCHELASTIC_RUN_ID" in os.environ else default


def rank() -> int:
    """Return the index of this process among all of the training."""
    return _from_torchrun("RANK", 0)


def local_rank() -> int:
    """Return the index of this process among those of this machine."""
    return _from_torchrun("LOCAL_RANK", 0)


def local_world_size() -> int:
    """Return the number of processes of this training on this machine."""
    return _from_torchrun("LOCAL_WORLD_SIZE", 1)


def world_size() -> int:
    """Return the number of ranks; 1 inside of :func:`single_rank`."""
    return 1 if _single_rank else _from_torchrun("WORLD_SIZE", 1)


def is_main() -> bool:
    """True on rank 0, which prints and writes for all ranks."""
    return rank() == 0


@contextlib.contextmanager
def single_rank() -> Iterator[None]:
    """Collectives are no-ops inside: only this rank runs the code."""
    global _single_rank
    before, _single_rank = _single_rank, True
    try:
        yield
    finally:
        _single_rank = before


@contextlib.contextmanager
def _lost_rank_as_user_error() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this training has ended or does not answer; its own error says why "
            f"({first_line(error)[:120]})"
        ) from None


def start(device: torch.device | str) -> None:
    """Initialise the process group: gloo for CPU tensors, NCCL for those on CUDA.

    Raises UserError: the ranks have not found each other within the time ``MEETING``.
    """
    if world_size() == 1:
        return
    import torch
    import torch.distributed.nn  # must come first: it would keep the group alive after stop()

    ranks = world_size()
    backend = "cpu:gloo,cuda:nccl" if str(device).startswith("cuda") else "gloo"
    try:
        store, *_ = next(torch.distributed.rendezvous("env://", timeout=MEETING))
        store.set(f"rank {rank()} has come", "")
        store.wait([f"rank {other} has come" for other in range(ranks)], MEETING)
        store.set_timeout(TIMEOUT)
        torch.distributed.init_process_group(
            backend, store=store, rank=rank(), world_size=ranks, timeout=TIMEOUT
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the {ranks} processes of this training have not found each other within {MEETING}: "
            f"one has ended, or cannot be reached ({first_line(error)[:120]})"
        ) from None


@contextlib.contextmanager
def watch_launcher(stop: Callable[[], None]) -> Iterator[None]:
    """Under torchrun, call ``stop`` in a thread if torchrun ends while the code inside runs."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    launcher, finished = os.getppid(), threading.Event()

    def watch() -> None:
        while not finished.wait(1):
            if os.getppid() != launcher:  # orphans get another parent
                stop()
                return

    threading.Thread(target=watch, daemon=True, name="launcher").start()
    try:
        yield
    finally:
        finished.set()


def stop() -> None:
    """Wait for all ranks, then destroy the process group.

    No reference to the group may remain: gloo's threads would live on and could abort the program
    at its end.
    """
    if world_size() > 1:
        import torch

        last = torch.zeros(1)
        all_reduce_(last)
        abandon()
        del last  # see abandon: until here, no thread of gloo has the last reference to it


def abandon() -> None:
    """Destroy the process group without waiting for other ranks, if there is one.

    With PyTorch 2.4, destroying the group holds Python's lock while it joins gloo's threads; one
    that still has to drop the last reference to a tensor waits for the lock for ever. The pause
    gives the threads the time to do so.
    """
    torch = sys.modules.get("torch")
    if torch and torch.distributed.is_available() and torch.distributed.is_initialized():
        time.sleep(0.1)
        torch.distributed.destroy_process_group()


def all_reduce(*values: float, op: str = "SUM") -> list[float]:
    """Return each value's sum (or MIN, MAX) over the ranks. Waits for the ranks, not for GPUs."""
    if world_size() == 1:
        return list(values)
    import torch

    result = torch.tensor(values, dtype=torch.float64)
    with _lost_rank_as_user_error():
        torch.distributed.all_reduce(result, getattr(torch.distributed.ReduceOp, op))
    return result.tolist()


def all_reduce_(tensor: torch.Tensor) -> None:
    """Replace ``tensor`` by its sum over the ranks."""
    if world_size() > 1:
        import torch

        with _lost_rank_as_user_error():
            torch.distributed.all_reduce(tensor)


def broadcast_object(value: Any) -> Any:
    """Return rank 0's value on every rank."""
    if world_size() == 1:
        return value
    import torch

    box = [value]
    with _lost_rank_as_user_error():
        torch.distributed.broadcast_object_list(box, 0)
    return box[0]


def gather(value: Any) -> list:
    """Return the values of all ranks on rank 0 and [] on the others. Tensors must be on the CPU."""
    if world_size() == 1:
        return [value]
    import torch

    values = [None] * world_size() if is_main() else None
    with _lost_rank_as_user_error():
        torch.distributed.gather_object(value, values)
    return values or []


def broadcast_(tensors: Iterable[torch.Tensor]) -> None:
    """Overwrite the tensors with those of rank 0."""
    if world_size() == 1:
        return
    import torch

    for tensor in tensors:
        with _lost_rank_as_user_error():
            torch.distributed.broadcast(tensor.detach(), 0)

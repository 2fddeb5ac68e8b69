"""Several processes ("ranks") that train one model, started by torchrun: docs/several_gpus.md. Alone, this does nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PATIENCE = timedelta(minutes=30)  # that ranks wait for one that neither comes nor dies
_alone = False


def _told(name: str, alone: int) -> int:
    """A number that torchrun tells; other programs use the same names for other things."""
    return int(os.environ[name]) if "TORCHELASTIC_RUN_ID" in os.environ else alone


def rank() -> int:
    return _told("RANK", 0)


def local_rank() -> int:
    """Among the processes of this machine."""
    return _told("LOCAL_RANK", 0)


def local_world_size() -> int:
    """How many processes of this training run on this machine."""
    return _told("LOCAL_WORLD_SIZE", 1)


def world_size() -> int:
    """How many ranks act together."""
    return 1 if _alone else _told("WORLD_SIZE", 1)


def is_main() -> bool:
    """Whether this process speaks and writes for all."""
    return rank() == 0


@contextlib.contextmanager
def single_rank() -> Iterator[None]:
    """Inside, this rank does something without the others, who know nothing of it."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from util.errors import UserError

    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this training has ended or does not answer; its own error tells why "
            f"({str(error).splitlines()[0][:120]})"
        ) from None


def start(device: str) -> None:
    """Meet the other ranks."""
    if world_size() == 1:
        return
    import torch
    import torch.distributed.nn  # its functions keep the group that there is when they are imported, see stop

    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    with _explained():
        torch.distributed.init_process_group(backend, timeout=PATIENCE)


def stop() -> None:
    """Part, once all have come here.

    Nothing may keep the group: gloo's threads would live on, and abort a program that ends while one lets go of a tensor.
    """
    if world_size() > 1:
        import torch

        all_reduce(0)
        torch.distributed.destroy_process_group()


def all_reduce(*values: float, op: str = "SUM") -> list[float]:
    """Each value's sum (or MAX, ...) over the ranks. Their programs wait for each other, not for their GPUs."""
    if world_size() == 1:
        return list(values)
    import torch

    result = torch.tensor(values, dtype=torch.float64)
    with _explained():
        torch.distributed.all_reduce(result, getattr(torch.distributed.ReduceOp, op))
    return result.tolist()


def broadcast_object(value: Any) -> Any:
    """The value that rank 0 has."""
    if world_size() == 1:
        return value
    import torch

    box = [value]
    with _explained():
        torch.distributed.broadcast_object_list(box, 0)
    return box[0]


def gather(value: Any) -> list:
    """The values of all ranks on rank 0, [] on the others. Tensors are to be on the CPU."""
    if world_size() == 1:
        return [value]
    import torch

    values = [None] * world_size() if is_main() else None
    with _explained():
        torch.distributed.gather_object(value, values)
    return values or []


def broadcast_(tensors: Iterable[torch.Tensor]) -> None:
    """Make them equal to those of rank 0, in place."""
    import torch

    for tensor in tensors if world_size() > 1 else ():
        with _explained():
            torch.distributed.broadcast(tensor.detach(), 0)

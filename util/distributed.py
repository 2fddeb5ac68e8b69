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


def local_world() -> int:
    """How many processes of this training run on this machine."""
    return _told("LOCAL_WORLD_SIZE", 1)


def world() -> int:
    """How many ranks act together."""
    return 1 if _alone else _told("WORLD_SIZE", 1)


def is_main() -> bool:
    """Whether this process speaks and writes for all."""
    return rank() == 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside, this rank does something without the others, who know nothing of it."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from util.console import UserError

    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this training has ended or does not answer; its own error tells why "
            f"({str(error).splitlines()[0][:120]})"
        ) from None


def start(device: str) -> None:
    """Meet the other ranks."""
    if world() == 1:
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
    if world() > 1:
        import torch

        combine(0)
        torch.distributed.destroy_process_group()


def combine(*values: float, op: str = "SUM") -> list[float]:
    """Each value's sum (or MAX, ...) over the ranks. Their programs wait for each other, not for their GPUs."""
    if world() == 1:
        return list(values)
    import torch

    result = torch.tensor(values, dtype=torch.float64)
    with _explained():
        torch.distributed.all_reduce(result, getattr(torch.distributed.ReduceOp, op))
    return result.tolist()


def same(value: Any) -> Any:
    """The value that rank 0 has."""
    if world() == 1:
        return value
    import torch

    box = [value]
    with _explained():
        torch.distributed.broadcast_object_list(box, 0)
    return box[0]


def gather(value: Any) -> list:
    """The values of all ranks on rank 0, [] on the others. Tensors are to be on the CPU."""
    if world() == 1:
        return [value]
    import torch

    values = [None] * world() if is_main() else None
    with _explained():
        torch.distributed.gather_object(value, values)
    return values or []


def spread(tensors: Iterable[torch.Tensor]) -> None:
    """Make them equal to those of rank 0, in place."""
    import torch

    for tensor in tensors if world() > 1 else ():
        with _explained():
            torch.distributed.broadcast(tensor.detach(), 0)


class Mean:
    """``mean(parameters, share)`` gives them the mean gradients of all images, of which this rank had ``share``.

    One flat sum over the ranks for each type of numbers, in memory that is kept and that the gradients lie in afterwards.
    """

    def __init__(self) -> None:
        self.sums: dict[
            tuple[int, ...], tuple[Sum, list[torch.nn.Parameter]]
        ] = {}  # by the ids of parameters that live

    def __call__(self, params: list[torch.nn.Parameter], share: float) -> None:
        """A parameter that has no gradient on a rank counts as 0 there."""
        params = [p for p in params if p.requires_grad or p.grad is not None]
        if world() == 1 or not params:
            return
        import torch

        for dtype in dict.fromkeys(p.dtype for p in params):
            some = [p for p in params if p.dtype == dtype]
            key = tuple(map(id, some))
            if key not in self.sums:
                self.sums[key] = Sum(torch.cat([p.detach().flatten() for p in some])), some
            whole = self.sums[key][0]
            if share:
                for p, view in zip(some, _views(whole.own, some), strict=True):
                    view.zero_() if p.grad is None else view.copy_(p.grad)
                whole.own.mul_(share)
            else:  # without an image even what is not finite counts for nothing
                whole.own.zero_()
            whole()
            for p, view in zip(some, _views(whole.total, some), strict=True):
                p.grad = view


def _views(flat: torch.Tensor, params: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Parts of ``flat`` that are laid out as the parameters are, where these have no gaps."""

    def dense(p: torch.nn.Parameter) -> bool:
        return (
            sum((size - 1) * stride for size, stride in zip(p.shape, p.stride(), strict=True)) + 1
            == p.numel()
        )

    return [
        part.as_strided(p.shape, p.stride()) if dense(p) else part.view(p.shape)
        for p, part in zip(params, flat.split([p.numel() for p in params]), strict=True)
    ]


class Sum:
    """Called when all ranks have put numbers into ``own``, gives their sum in ``total``; then ``own`` may be another place.

    Processes of one machine without GPUs add in memory that they share. gloo would send it through sockets, which takes a
    sixth of a small step.
    """

    def __init__(self, like: torch.Tensor) -> None:
        """Args: like: as many numbers as there are (1-D)."""
        import torch

        self.turn, self.total = 0, torch.empty_like(like)
        near = like.device.type == "cpu" and world() == local_world()
        shared = _shared(2 * world() * like.numel(), like.dtype) if near else None
        self.places = None if shared is None else shared.view(2, world(), -1)

    @property
    def own(self) -> torch.Tensor:
        return self.total if self.places is None else self.places[self.turn, rank()]

    def __call__(self) -> None:
        import torch

        if self.places is None:
            with _explained():
                torch.distributed.all_reduce(self.total)
            return
        combine(
            0
        )  # all are there. Who is early writes to the other places next, which all have read before they came here
        torch.add(*self.places[self.turn, :2], out=self.total)
        for part in self.places[self.turn, 2:]:
            self.total.add_(part)
        self.turn ^= 1


def _shared(size: int, dtype: torch.dtype) -> torch.Tensor | None:
    """So many numbers in memory that all ranks see; None where the system has no such thing."""
    import torch

    file = -1
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: not on this system
        file = os.memfd_create("gradients") if is_main() else -1
    path, found = same(f"/proc/{os.getpid()}/fd/{file}"), None
    with contextlib.suppress(RuntimeError):
        found = torch.from_file(path, shared=True, size=size, dtype=dtype)
    (known,) = combine(found is not None, op="MIN")
    if file >= 0:
        os.close(file)
    return found if known else None

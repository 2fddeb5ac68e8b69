"""Gradients between the backward pass and the optimizer: not finite, fused steps, means over ranks."""

from __future__ import annotations

import contextlib
import os

import torch

from util import distributed
from util.console import warn
from util.errors import UserError


class NonFinite(Exception):
    """A gradient is infinite or not a number. The message names the images."""


class NonFiniteGuard:
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
        params = [p for p in parameters_of(optimizer) if p.grad is not None]
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


class LossScaler(torch.amp.GradScaler):
    """The loss scale of ``--amp fp16``.

    ``GradScaler`` checks each optimizer once between two calls of ``update``. This class also lets
    a model step the same optimizer several times, and refuses backward passes without the scale.
    """

    def __init__(self, device: str, **options) -> None:
        super().__init__(device, **options)
        self.running = False  # inside of backward
        self.unscaled: set[torch.optim.Optimizer] = set()  # since the last update

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of ``loss`` times the scale to the parameters."""
        self.running = True
        try:
            self.scale(loss).backward()
        finally:
            self.running = False

    def refuse_unscaled(self, optimizer: torch.optim.Optimizer) -> None:
        """Make a backward pass that reaches ``optimizer``'s parameters outside of :meth:`backward` raise UserError."""
        for parameter in parameters_of(optimizer):
            if parameter.requires_grad and parameter.is_leaf:
                parameter.register_post_accumulate_grad_hook(self._require_running)

    def _require_running(self, parameter: torch.Tensor) -> None:
        if not self.running:
            raise UserError(
                "--amp fp16: this model calls loss.backward(), which does not scale the loss; "
                "call self.backward(loss) instead, or use --amp bf16"
            )

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients of ``optimizer`` by the scale."""
        gradients = [p.grad for p in parameters_of(optimizer) if p.grad is not None]
        if optimizer in self.unscaled:
            inverse = 1 / self.scale(torch.ones((), device=gradients[0].device))
            for gradient in gradients:
                gradient.mul_(inverse)
        elif gradients:
            super().unscale_(optimizer)
            self.unscaled.add(optimizer)

    def update(self, new_scale: float | torch.Tensor | None = None) -> None:
        """Adapt the scale to the overflows since the last update; nothing without an optimizer's step."""
        if self.unscaled:
            super().update(new_scale)
            self.unscaled.clear()


def parameters_of(optimizer: torch.optim.Optimizer) -> list:
    return [p for group in optimizer.param_groups for p in group["params"]]


def fuse(optimizer: torch.optim.Optimizer) -> None:
    """Let an Adam of PyTorch step all its weights in one operation, where it can and nothing else was asked for."""
    params = parameters_of(optimizer)
    able = type(optimizer) in (torch.optim.Adam, torch.optim.AdamW) and all(
        p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps") for p in params
    )
    for group in optimizer.param_groups if able else ():
        if not (group["foreach"] or group["capturable"] or group["differentiable"]):
            group["fused"] = True


def fused(optimizer: torch.optim.Optimizer) -> bool:
    return all(group.get("fused") for group in optimizer.param_groups)


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
        if distributed.world_size() == 1 or not params:
            return

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

        self.turn, self.total = 0, torch.empty_like(like)
        near = (
            like.device.type == "cpu" and distributed.world_size() == distributed.local_world_size()
        )
        shared = _shared(2 * distributed.world_size() * like.numel(), like.dtype) if near else None
        self.places = None if shared is None else shared.view(2, distributed.world_size(), -1)

    @property
    def own(self) -> torch.Tensor:
        return self.total if self.places is None else self.places[self.turn, distributed.rank()]

    def __call__(self) -> None:

        if self.places is None:
            with distributed._explained():
                torch.distributed.all_reduce(self.total)
            return
        distributed.all_reduce(
            0
        )  # all are there. Who is early writes to the other places next, which all have read before they came here
        torch.add(*self.places[self.turn, :2], out=self.total)
        for part in self.places[self.turn, 2:]:
            self.total.add_(part)
        self.turn ^= 1


def _shared(size: int, dtype: torch.dtype) -> torch.Tensor | None:
    """So many numbers in memory that all ranks see; None where the system has no such thing."""

    file = -1
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: not on this system
        file = os.memfd_create("gradients") if distributed.is_main() else -1
    path, found = distributed.broadcast_object(f"/proc/{os.getpid()}/fd/{file}"), None
    with contextlib.suppress(RuntimeError):
        found = torch.from_file(path, shared=True, size=size, dtype=dtype)
    (known,) = distributed.all_reduce(found is not None, op="MIN")
    if file >= 0:
        os.close(file)
    return found if known else None

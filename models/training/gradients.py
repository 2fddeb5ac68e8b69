"""Gradients between backward pass and optimizer: loss scale, mean over ranks, finiteness."""

from __future__ import annotations

import torch

from util.console import warn
from util.errors import UserError
from util.rank_gradients import parameters_of

# Devices where one operation checks many tensors, and where a fused optimizer obeys ``found_inf``.
# On MPS, PyTorch up to 2.7 has neither.
CHECKED_AT_ONCE = ("cpu", "cuda")


class NonFinite(Exception):
    """A gradient is infinite or not a number. The message names the images."""


class NonFiniteGuard:
    """Keeps gradients that are not finite from the weights.

    The check writes a flag on the device. A fused optimizer reads the flag itself (``found_inf``),
    so a step does not wait for the GPU; other optimizers find their gradients removed. The process
    reads the flags in :meth:`check`.
    """

    def __init__(self, skip: bool, patience: int = 0) -> None:
        """Create a guard.

        Args:
            skip: warn about bad steps instead of raising.
            patience: how many bad steps in a row of one optimizer are ignored silently.
        """
        self.skip, self.patience = skip, patience
        self.ones: dict[torch.device, torch.Tensor] = {}
        # (1 if a gradient is not finite, the optimizer's id, paths of the images) of each step
        self.flags: list[tuple[torch.Tensor, int, list[str]]] = []
        self.bad_in_a_row: dict[int, int] = {}

    def watch(self, optimizer: torch.optim.Optimizer, images: list[str]) -> None:
        """Make the next ``optimizer.step()`` do nothing if a gradient is not finite."""
        parameters = [p for p in parameters_of(optimizer) if p.grad is not None]
        if not parameters:
            return
        device = parameters[0].device
        if device not in self.ones:
            self.ones[device] = torch.ones((), device=device)
        bad = torch.zeros((), device=device)
        if device.type in CHECKED_AT_ONCE:
            for dtype in {p.dtype for p in parameters}:
                # No public function checks many tensors in one pass without waiting for the device
                torch._amp_foreach_non_finite_check_and_unscale_(
                    [p.grad for p in parameters if p.dtype == dtype], bad, self.ones[device]
                )
        else:
            finite = [p.grad.isfinite().all() for p in parameters]  # type: ignore[union-attr]
            bad = 1 - torch.stack(finite).all().float()
        self.flags.append((bad, id(optimizer), images))
        if is_fused(optimizer):
            optimizer.found_inf = bad  # type: ignore[attr-defined]  # GradScaler does the same
        elif bad.item():
            for p in parameters:
                p.grad = None  # optimizers skip parameters without a gradient

    def check(self) -> None:
        """Read the flags of all steps since the last call; this waits for the device.

        Raises:
            NonFinite: a step was bad. With ``skip`` a warning names its images instead.
        """
        flags, self.flags = self.flags, []
        values = torch.stack([bad for bad, *_ in flags]).tolist() if flags else []
        for bad, (_, optimizer, images) in zip(values, flags, strict=True):
            self.bad_in_a_row[optimizer] = self.bad_in_a_row.get(optimizer, 0) + 1 if bad else 0
            if self.bad_in_a_row[optimizer] <= self.patience:
                continue
            if not self.skip:
                raise NonFinite(", ".join(images))
            warn(f"a gradient is not finite at {', '.join(images)}: this step is skipped")


class LossScaler(torch.amp.GradScaler):
    """The loss scale of ``--amp fp16``.

    ``GradScaler`` unscales each optimizer once between two calls of ``update``. This class also
    lets a model step an optimizer several times, and refuses backward passes without the scale.
    Only the gradients of each optimizer's first step adapt the scale.
    """

    def __init__(self, device: str, **options) -> None:
        super().__init__(device, **options)
        self.running = False  # True inside of backward
        self.unscaled: set[torch.optim.Optimizer] = set()  # since the last update

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of ``loss`` times the scale to the parameters."""
        self.running = True
        try:
            self.scale(loss).backward()
        finally:
            self.running = False

    def refuse_unscaled(self, optimizer: torch.optim.Optimizer) -> None:
        """Raise UserError in backward passes outside of :meth:`backward` to these parameters."""
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
        if not gradients:
            return
        if optimizer in self.unscaled:
            inverse = 1 / self.scale(torch.ones((), device=gradients[0].device))
            for gradient in gradients:
                gradient.mul_(inverse)
        else:
            super().unscale_(optimizer)
            self.unscaled.add(optimizer)

    def update(self, new_scale: float | torch.Tensor | None = None) -> None:
        """Adapt the scale to the overflows since the last update, if any optimizer has stepped."""
        if self.unscaled:
            super().update(new_scale)
            self.unscaled.clear()


def fuse(optimizer: torch.optim.Optimizer) -> None:
    """Use PyTorch's fused Adam or AdamW, unless the model asked for another implementation."""
    able = type(optimizer) in (torch.optim.Adam, torch.optim.AdamW) and all(
        p.is_floating_point() and p.device.type in CHECKED_AT_ONCE for p in parameters_of(optimizer)
    )
    for group in optimizer.param_groups if able else ():
        if not (group["foreach"] or group["capturable"] or group["differentiable"]):
            group["fused"] = True


def is_fused(optimizer: torch.optim.Optimizer) -> bool:
    """True if one fused operation steps all parameters."""
    return all(group.get("fused") for group in optimizer.param_groups)

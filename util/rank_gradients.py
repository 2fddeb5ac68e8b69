"""The parameters of an optimizer, and the mean of their gradients over the ranks."""

from __future__ import annotations

import torch

from util import distributed


def parameters_of(optimizer: torch.optim.Optimizer) -> list:
    """Return the parameters of all groups."""
    return [p for group in optimizer.param_groups for p in group["params"]]


@torch.no_grad()
def average_gradients(parameters: list[torch.nn.Parameter], weight: float) -> None:
    """Replace the gradients by their mean over the images of all ranks, in place.

    Args:
        parameters: the same on all ranks. A missing gradient counts as 0.
        weight: this rank's part of the images. With 0, gradients that are not finite count as 0.
    """
    parameters = [p for p in parameters if p.requires_grad or p.grad is not None]
    if distributed.world_size() == 1:
        return
    for dtype in dict.fromkeys(p.dtype for p in parameters):
        group = [p for p in parameters if p.dtype == dtype]
        for p in group:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        flat = torch.cat([p.grad.flatten() for p in group])  # type: ignore[union-attr]
        flat = flat.mul_(weight) if weight else flat.zero_()
        distributed.all_reduce_(flat)
        for p, mean in zip(group, flat.split([p.numel() for p in group]), strict=True):
            if p.is_contiguous():
                p.grad = mean.view_as(p)  # no copy
            else:  # --channels_last: a fused optimizer needs the strides of the weight
                p.grad.copy_(mean.view_as(p))  # type: ignore[union-attr]

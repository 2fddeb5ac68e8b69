"""Gradient accumulation: one step on several micro-batches, as if they were one large batch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from models import set_batch
from models.base_model import BaseModel
from util.errors import UserError
from util.rank_gradients import parameters_of


def require_gradient_methods(model: BaseModel) -> None:
    """Raise UserError if the model's own list of methods does not describe its training step."""
    kind = type(model)
    step_class = next(c for c in kind.__mro__ if "optimize_parameters" in vars(c))
    listed_class = next(c for c in kind.__mro__ if "gradient_methods" in vars(c))
    named = {getattr(model, name, None) for name in model.gradient_methods}
    up_to_date = "gradient_methods" in vars(model) or issubclass(listed_class, step_class)
    if named != set(model.optimizers) or not up_to_date:
        raise UserError(
            f"--accumulate: {kind.__name__} does not list in gradient_methods which methods "
            "compute the gradients of its optimizers (see models/base_model.py)"
        )


def accumulated_step(model: BaseModel, batch: dict, size: int) -> None:
    """Train on ``batch`` in micro-batches of ``size`` images.

    Each optimizer steps with the mean gradients of all images. Afterwards ``model`` has the images
    of the first micro-batch, the mean losses of all, and the paths of all.
    """
    weights, micro_batches = split(batch, size, model.opt.min_batch)
    copies = [copy.copy(model) for _ in micro_batches]
    for part, micro_batch in zip(copies, micro_batches, strict=True):
        set_batch(part, micro_batch)
    image_paths = [path for part in copies for path in part.get_image_paths()]
    batch_paths = [path for part in copies for path in part.get_batch_paths()]
    for name, method in model.gradient_methods.items():
        optimizer: torch.optim.Optimizer = getattr(model, name)
        sums: dict[torch.nn.Parameter, torch.Tensor] = {}
        for part, weight in zip(copies, weights, strict=True):
            clear_gradients(model)
            getattr(part, method)()
            for p in parameters_of(optimizer):
                if p in sums and p.grad is not None:
                    sums[p].add_(p.grad, alpha=weight)
                elif p.grad is not None:
                    sums[p] = p.grad.mul_(weight)
        clear_gradients(model)
        for p, gradient in sums.items():
            p.grad = gradient
        # The non-finite guard names all images of the step.
        vars(model).update(vars(copies[0]) | {"image_paths": batch_paths})
        optimizer.step()
    model.image_paths = image_paths
    set_mean_losses(model, copies, weights)


def set_mean_losses(model: BaseModel, copies: list[BaseModel], weights: list[float]) -> None:
    """Set each loss of ``model`` to the weighted mean of those of its ``copies``."""
    for name in (f"loss_{name}" for name in model.loss_names):
        losses = [torch.as_tensor(getattr(part, name)).detach() for part in copies]
        weighted = [loss * weight for loss, weight in zip(losses, weights, strict=True)]
        setattr(model, name, torch.stack(weighted).sum())


def clear_gradients(model: BaseModel) -> None:
    for optimizer in model.optimizers:
        optimizer.zero_grad()


def split(batch: dict, size: int, minimum: int = 1) -> tuple[list[float], list[dict]]:
    """Cut what ``default_collate`` makes into micro-batches of ``size`` images.

    Fewer than ``minimum`` images at the end join the micro-batch before.

    Returns:
        For each micro-batch its share of the images, and itself.
    """

    def strings(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    def cut(value: Any, begin: int, end: int) -> Any:
        return value[begin:end] if isinstance(value, (list, torch.Tensor)) else value

    count = next(len(value) for value in tree_leaves(batch) if isinstance(value, torch.Tensor))
    begins = list(range(0, count, size))
    if len(begins) > 1 and count - begins[-1] < minimum:
        begins.pop()
    parts = list(zip(begins, [*begins[1:], count], strict=True))
    return [(end - begin) / count for begin, end in parts], [
        tree_map(lambda value, part=part: cut(value, *part), batch, is_leaf=strings)
        for part in parts
    ]

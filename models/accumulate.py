"""Several small batches as one large one, for models that know nothing of it."""
from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import torch

from models import feed
from models.base_model import BaseModel


class Part(threading.Thread):
    """One small batch in the model's own step, which stops at each ``optimizer.step()`` until all parts are there.

    Only one thread runs at a time: :meth:`go_on` returns when the part has stopped again.
    """

    def __init__(self, model: BaseModel, batch: dict) -> None:
        super().__init__(daemon=True)
        self.model, self.batch = copy.copy(model), batch  # its own images and losses, the same networks and optimizers
        self.error: BaseException | None = None
        self.reached: torch.optim.Optimizer | None = None  # the optimizer at which it has stopped; None at the end
        self.started, self.stopped = threading.Semaphore(0), threading.Semaphore(0)

    def run(self) -> None:
        self.started.acquire()
        try:
            feed(self.model, self.batch)
            self.model.optimize_parameters()
        except BaseException as error:
            self.error = error
        self.reached = None
        self.stopped.release()

    def wait(self, optimizer: torch.optim.Optimizer) -> None:
        self.reached = optimizer
        self.stopped.release()
        self.started.acquire()

    def go_on(self) -> torch.optim.Optimizer | None:
        self.started.release()
        self.stopped.acquire()
        if self.error:
            raise self.error
        return self.reached


def step(model: BaseModel, batch: dict, size: int) -> None:
    """``model``'s step on ``batch``, ``size`` images at a time: each optimizer gets the mean gradients of all images.

    What the model keeps from before an ``optimizer.step()`` to after it is kept for all parts at once.
    """
    count = max(len(value) for value in batch.values() if isinstance(value, (list, torch.Tensor)))
    parts = [Part(model, {key: value[i : i + size] if isinstance(value, (list, torch.Tensor)) else value
                          for key, value in batch.items()}) for i in range(0, count, size)]
    shares = [min(size, count - i) / count for i in range(0, count, size)]
    steps = {id(each): each.step for each in model.optimizers}
    for each in model.optimizers:
        each.step = _pause(each)  # type: ignore[method-assign, assignment]
    try:
        for part in parts:
            part.start()
        while optimizer := _run_to_step(parts, shares):
            vars(model).update(vars(parts[0].model) | {
                "image_paths": [path for part in parts for path in part.model.get_batch_paths()]})  # which the guard names
            steps[id(optimizer)]()
    finally:
        for each in model.optimizers:
            each.step = steps[id(each)]  # type: ignore[method-assign]
    _adopt(model, [part.model for part in parts], shares)


def _pause(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    def pause(*unused: Any) -> None:
        thread = threading.current_thread()
        assert isinstance(thread, Part)
        thread.wait(optimizer)
    return pause


def _run_to_step(parts: list[Part], shares: list[float]) -> torch.optim.Optimizer | None:
    """Run all parts to their next ``optimizer.step()``, and give that optimizer their weighted gradients."""
    sums: dict[torch.nn.Parameter, torch.Tensor] = {}
    optimizer: torch.optim.Optimizer | None = None
    for part, share in zip(parts, shares, strict=True):
        optimizer = part.go_on()
        for p in [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None] if optimizer else ():
            sums[p] = sums[p].add_(p.grad, alpha=share) if p in sums else p.grad.mul_(share)
            p.grad = None
    for p, value in sums.items():
        p.grad = value
    return optimizer


def _adopt(model: BaseModel, copies: list[BaseModel], shares: list[float]) -> None:
    """The images of the first part, and the mean losses of all, become those of ``model``."""
    vars(model).update(vars(copies[0]) | {"image_paths": [path for each in copies for path in each.get_image_paths()]})
    model.set_mean_losses(copies, shares)

"""Several small batches as one large one, for models that know nothing of it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from models import set_batch
from models.base_model import BaseModel
from models.training.gradients import parameters_of
from util.errors import UserError

_thread = threading.local()  # .part: what it runs


class GivenUp(BaseException):
    """Ends a part that is not to go on."""


class Part:
    """One small batch in the model's own step, which stops at each ``optimizer.step()`` until all parts are there."""

    def __init__(self, model: BaseModel, batch: dict) -> None:
        self.model, self.batch = (
            copy.copy(model),
            batch,
        )  # its own images and losses, the same networks and optimizers
        self.error: BaseException | None = None
        self.reached: torch.optim.Optimizer | None = (
            None  # the optimizer at which it has stopped; None at the end
        )
        self.gradients: dict[
            torch.nn.Parameter, torch.Tensor
        ] = {}  # that it has left for other optimizers
        self.started, self.stopped, self.given_up = (
            threading.Semaphore(0),
            threading.Semaphore(0),
            False,
        )

    def run(self) -> None:
        _thread.part = self
        try:
            self._start()
            set_batch(self.model, self.batch)
            self.model.optimize_parameters()
        except BaseException as error:
            self.error = error
        self.reached = None
        self.stopped.release()

    def _start(self) -> None:
        self.started.acquire()
        if self.given_up:
            raise GivenUp

    def wait(self, optimizer: torch.optim.Optimizer) -> None:
        self.reached = optimizer
        self.stopped.release()
        self._start()

    def go_on(self) -> torch.optim.Optimizer | None:
        """Let it run until it has stopped again; only one part runs at a time."""
        for p, value in self.gradients.items():
            p.grad = value
        self.started.release()
        self.stopped.acquire()
        if self.error:
            raise self.error
        return self.reached

    def give_up(self) -> None:
        self.given_up = True
        self.started.release()


class Accumulation:
    """Makes ``model``'s steps. The threads of its parts live on, for cuDNN notes in each how to compute a convolution best."""

    def __init__(self, model: BaseModel) -> None:
        self.model = model
        device = (
            (torch.cuda.set_device, (model.device,)) if model.device.type == "cuda" else ()
        )  # a thread begins with cuda:0
        self.threads = ThreadPoolExecutor(1 << 20, "part", *device)

    def step(self, batch: dict, size: int) -> None:
        """The model's step on ``batch``, ``size`` images at a time: each optimizer gets the mean gradients of all images.

        What the model keeps from before an ``optimizer.step()`` to after it is kept for all parts at once.

        Raises:
            UserError: the parts do not come to the same optimizers in the same order.
        """
        model, count, batches = self.model, *split(batch, size)
        parts = [Part(model, each) for each in batches]
        shares = [min(size, count - i) / count for i in range(0, count, size)]
        steps = {id(each): each.step for each in model.optimizers}
        for each in model.optimizers:
            each.step = _pause(each)  # type: ignore[method-assign, assignment]
        try:
            for part in parts:
                self.threads.submit(part.run)
            while optimizer := self._run_to_step(parts, shares):
                vars(model).update(
                    vars(parts[0].model)
                    | {
                        "image_paths": [
                            path for part in parts for path in part.model.get_batch_paths()
                        ]
                    }
                )  # which the guard names
                steps[id(optimizer)]()
        finally:
            for each in model.optimizers:
                each.step = steps[id(each)]  # type: ignore[method-assign]
            for part in parts:
                part.give_up()
        _adopt(model, [part.model for part in parts], shares)

    def _run_to_step(self, parts: list[Part], shares: list[float]) -> torch.optim.Optimizer | None:
        """Run all parts to their next ``optimizer.step()``, and give that optimizer their weighted gradients."""
        sums: dict[torch.nn.Parameter, torch.Tensor] = {}
        reached = set()
        for part, share in zip(parts, shares, strict=True):
            reached.add(optimizer := part.go_on())
            due = set(parameters_of(optimizer)) if optimizer else set()
            left = {
                p: p.grad
                for each in self.model.optimizers
                for p in parameters_of(each)
                if p.grad is not None
            }
            part.gradients = {p: value for p, value in left.items() if p not in due}
            for p, value in left.items():
                p.grad = None
                if p in due:
                    sums[p] = sums[p].add_(value, alpha=share) if p in sums else value.mul_(share)
        if len(reached) > 1:
            raise UserError(
                "--accumulate: this model does not step the same optimizers for all images"
            )
        for p, value in sums.items():
            p.grad = value
        return reached.pop()


def split(batch: dict, size: int) -> tuple[int, list[dict]]:
    """How many images there are, and batches of ``size`` of them; a batch is what ``default_collate`` makes."""

    def strings(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)

    def cut(value: Any, begin: int) -> Any:
        return value[begin : begin + size] if isinstance(value, (list, torch.Tensor)) else value

    count = next(len(value) for value in tree_leaves(batch) if isinstance(value, torch.Tensor))
    return count, [
        tree_map(lambda value, begin=begin: cut(value, begin), batch, is_leaf=strings)
        for begin in range(0, count, size)
    ]


def _pause(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    return lambda *unused: _thread.part.wait(optimizer)


def _adopt(model: BaseModel, copies: list[BaseModel], shares: list[float]) -> None:
    """The images of the first part, and the mean losses of all, become those of ``model``."""
    vars(model).update(
        vars(copies[0])
        | {"image_paths": [path for each in copies for path in each.get_image_paths()]}
    )
    model.set_mean_losses(copies, shares)

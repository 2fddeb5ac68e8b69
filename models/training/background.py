"""One job at a time beside the training, such as writing a checkpoint."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_map

from models.training.gradients import parameters_of
from util.image_pool import ImagePool

if TYPE_CHECKING:
    from models.base_model import BaseModel


class Background:
    """Runs jobs in a thread, in order. What a job raises comes out of the next call; the program's end waits for the last job."""

    def __init__(self) -> None:
        self.thread = threading.Thread()
        self.error: BaseException | None = None
        self.seconds = 0.0  # that the last job took

    def start(self, job: Callable[[], None]) -> None:
        """Wait for the last job, then begin this one."""
        self.wait()
        self.thread = threading.Thread(target=self._run, args=(job,), name="background")
        self.thread.start()

    @property
    def busy(self) -> bool:
        return self.thread.is_alive()

    def _run(self, job: Callable[[], None]) -> None:
        begin = time.monotonic()
        try:
            job()
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - begin

    def check(self) -> None:
        """Raise what a job has raised."""
        error, self.error = self.error, None
        if error:
            raise error

    def join(self) -> None:
        """Wait for the last job, and raise nothing."""
        if self.thread.ident:
            self.thread.join()

    def wait(self) -> None:
        self.join()
        self.check()


class Lending:
    """Weights and moments that a job reads as they are while the next step is computed, where a step takes so long.

    If the job still goes on when their optimizer is to change them, it keeps what there is, and they move to new memory.
    """

    def __init__(self) -> None:
        self.optimizers: dict[int, torch.optim.Optimizer] = {}
        self.stepped = self.step = (
            0.0  # when an optimizer last stepped; how long a step of the training takes, in seconds
        )

    def begin(self, model: BaseModel, job: float) -> list[torch.Tensor]:
        """What is lent: on GPUs, and of models that may change their weights anywhere, nothing.

        Args: job: how long it takes, in seconds.
        """
        from models.base_model import is_stock

        self.optimizers = {}
        if model.device.type != "cpu" or self.step <= 2 * job or not is_stock(model):
            return []
        self.optimizers = {id(optimizer): optimizer for optimizer in model.optimizers}
        histories = [
            image
            for pool in vars(model).values()
            if type(pool) is ImagePool
            for image in pool.images
        ]  # never changed
        return histories + [
            tensor
            for optimizer in model.optimizers
            for p in parameters_of(optimizer)
            for tensor in (p, *optimizer.state.get(p, {}).values())
            if isinstance(tensor, torch.Tensor)
        ]

    def end(self, optimizer: torch.optim.Optimizer, busy: bool) -> None:
        """To be called before ``optimizer`` steps. Args: busy: whether what is lent is still needed."""
        now = time.monotonic()
        if self.stepped:  # the longest pause lately, for a step may have several optimizers
            self.step = max(now - self.stepped, self.step / 2)
        self.stepped = now
        if self.optimizers.pop(id(optimizer), None) and busy:
            for p in parameters_of(optimizer):
                p.data = p.data.clone()
                state = optimizer.state.get(p, {})
                state.update(
                    {
                        key: value.clone()
                        for key, value in state.items()
                        if isinstance(value, torch.Tensor)
                    }
                )


def snapshot(values: Any, lent: Iterable[torch.Tensor] = ()) -> Any:
    """A copy, in the computer's memory, that later steps do not change; but for ``lent`` tensors, which are not copied."""
    kept = {tensor.data_ptr() for tensor in lent}

    def copied(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return copy.deepcopy(value)
        return value.detach() if value.data_ptr() in kept else value.detach().to("cpu", copy=True)

    return tree_map(copied, values)

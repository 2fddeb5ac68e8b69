"""One job at a time beside the training, such as writing a checkpoint."""
from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map


class Background:
    """Runs jobs in a thread, in order. What a job raises comes out of the next call; the program's end waits for the last job."""

    def __init__(self) -> None:
        self.thread = threading.Thread()
        self.error: BaseException | None = None

    def start(self, job: Callable[[], None]) -> None:
        """Wait for the last job, then begin this one."""
        self.wait()
        self.thread = threading.Thread(target=self._run, args=(job,), name="background")
        self.thread.start()

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self.error = error

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


def snapshot(values: Any) -> Any:
    """A copy, in the computer's memory, that later steps do not change."""
    return tree_map(lambda v: v.detach().to("cpu", copy=True) if isinstance(v, torch.Tensor) else copy.deepcopy(v), values)

"""Writing checkpoints in a thread while the training continues."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Callable
from typing import Any

import torch


class BackgroundWriter:
    """Runs one job at a time in a thread.

    An exception of a job is raised once, by the next call of ``check``, ``wait`` or ``start``.
    Python waits for a running job before it exits.
    """

    def __init__(self) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(1, "writer")
        self.job: concurrent.futures.Future | None = None

    def start(self, job: Callable[[], object]) -> None:
        """Wait for the previous job, then run ``job`` in the thread."""
        self.wait()
        self.job = self.pool.submit(job)

    def check(self) -> None:
        """Raise the exception of the last job if it has failed; do not wait for a running job."""
        if self.job and self.job.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the running job and raise its exception, if any."""
        job, self.job = self.job, None
        if job:
            job.result()

    def join(self) -> None:
        """Wait for the running job; its exception stays for ``check`` and ``wait``."""
        if self.job:
            concurrent.futures.wait([self.job])


def snapshot(value: Any) -> Any:
    """Return a copy of nested dicts, lists and tuples whose tensors are copied to the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [snapshot(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return copy.deepcopy(value)

"""Seeding the generators that models and datasets draw from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch


def derived_seed(*key: int | str) -> int:
    """A seed of 64 bits that depends on every part of ``key``.

    The key of an item is (seed, epoch, index), the key of a training step is ("step", seed, rank, images seen).
    """
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big")


def seed_everything(seed: int, gpu: bool = True, deterministic: bool = False) -> None:
    """Seed Python's, numpy's and torch's global generators; ``gpu`` False leaves those of GPUs alone.

    ``deterministic`` makes PyTorch choose only algorithms that give equal bits in every run.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    random.seed(seed)
    np.random.seed(seed % 2**32)
    (torch.manual_seed if gpu else torch.default_generator.manual_seed)(seed)


@contextlib.contextmanager
def preserve_rng() -> Iterator[None]:
    """What is drawn or seeded inside leaves the generators of the caller as they were."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def device_generator(device: torch.device) -> Any:
    """What has ``get_rng_state`` and ``set_rng_state`` of the GPU that this process drives; None where there is none."""
    return None if device.type == "cpu" else torch.get_device_module(device)


def uncompiled() -> contextlib.AbstractContextManager:
    """Inside, networks run as if there were no ``--compile``: PyTorch has no second derivatives of what it has compiled, each
    new size or way of use takes minutes, and CUDA graphs would be recorded for each image in turn."""
    compiled = "torch._dynamo" in sys.modules  # else the compiler is not even imported
    return torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()


@contextlib.contextmanager
def as_before(modules: Iterable[torch.nn.Module], device: torch.device) -> Iterator[None]:
    """Afterwards the buffers of ``modules`` (statistics of norms) and all generators, the device's too, are as they were."""
    buffers = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    own = device_generator(device)
    state = own.get_rng_state() if own else None
    with preserve_rng(), uncompiled():
        try:
            yield
        finally:
            for buffer, value in buffers:
                buffer.data.copy_(value)
            if own:
                own.set_rng_state(state)

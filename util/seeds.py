"""Seeding the random number generators that models and datasets draw from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Iterator

import numpy as np
import torch


def derived_seed(*key: int | str) -> int:
    """A seed of 64 bits that depends on every part of ``key``.

    The key of an item is (seed, epoch, index), or (seed, epoch, index, attempt) for its substitutes
    with ``--on_bad_image skip``. The key of a training step is ("step", seed, rank, images seen).
    """
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big")


def seed_everything(seed: int, gpu: bool = True, deterministic: bool = False) -> None:
    """Seed the global generators of Python, numpy and torch.

    Args:
        seed: a non-negative number of up to 64 bits.
        gpu: also seed the generators of all GPUs.
        deterministic: let PyTorch use only algorithms that give equal bits in every run.
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
    """Restore the global generators of Python, numpy and torch (CPU) on exit."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)

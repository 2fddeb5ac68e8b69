"""Seeding the random number generators that models and datasets draw from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


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
        # No operation here reads memory that it has not written
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
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


class LocalGenerators(TorchFunctionMode):
    """Inside, this thread draws dropout and noise from generators of its own.

    ``nn.Dropout`` and the functions in ``FILLS`` and ``IN_PLACE`` leave the process's generators
    alone, so threads do not influence each other. On a CPU the numbers are those that
    :func:`seed_everything` gives. Other random functions still draw from the process's generators.
    """

    FILLS: dict[Callable, tuple[Callable, Callable]] = {
        torch.rand: (torch.empty, torch.Tensor.uniform_),
        torch.randn: (torch.empty, torch.Tensor.normal_),
        torch.rand_like: (torch.empty_like, torch.Tensor.uniform_),
        torch.randn_like: (torch.empty_like, torch.Tensor.normal_),
    }
    IN_PLACE: set[Callable] = {fill for _, fill in FILLS.values()} | {torch.Tensor.bernoulli_}

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[override]
        options = kwargs or {}
        if function is F.dropout:
            return self._dropout(*args, **options)
        if "generator" not in options and function in self.FILLS:
            make, fill = self.FILLS[function]
            x = make(*args, **options)
            return fill(x, generator=self._of(x))
        if "generator" not in options and function in self.IN_PLACE:
            return function(*args, **options, generator=self._of(args[0]))
        return function(*args, **options)

    def _of(self, x: torch.Tensor) -> torch.Generator:
        """Return this thread's generator for the device of ``x``."""
        if x.device not in self.generators:
            self.generators[x.device] = torch.Generator(x.device).manual_seed(self.seed)
        return self.generators[x.device]

    def _dropout(
        self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training or p == 0:
            return input
        mask = torch.empty_like(input).bernoulli_(1 - p, generator=self._of(input))
        mask = mask.div_(1 - p) if p < 1 else mask
        return input.mul_(mask) if inplace else input * mask

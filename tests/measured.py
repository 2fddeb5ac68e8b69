"""What tests have scripts/benchmark.py measure, in processes that need not import PyTorch."""

from __future__ import annotations

import os
from pathlib import Path

from util.errors import UserError


def noted(log: Path, name: str, seconds: float = 0.25):
    """A case that writes its name whenever it is measured, and says how long that took."""

    def once() -> dict[str, float]:
        with log.open("a") as file:
            file.write(name)
        return {"seconds": seconds, "images": 2}

    return once, {"operations": 7}


def refused():
    raise UserError("--ngf 0: should be at least 1")


def dying():
    os._exit(3)


def failing():
    """Whose second measurement fails."""
    calls: list[int] = []

    def once() -> dict[str, float]:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("not this time")
        return {"images": 1}

    return once, {}


def killed():
    return lambda: os._exit(5), {}

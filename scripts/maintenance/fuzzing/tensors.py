"""Crafted weight files and training states."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

Change = Callable[[Path], None]


class Evil:
    """Creates a file when it is unpickled by a loader that runs code."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was_executed",)


VALUES: dict[str, Any] = {
    "none": None, "text": "x", "minus": -1, "nan": float("nan"), "inf": float("inf"), "list": [],
    "dict": {"a": 1}, "huge": 10**30, "true": True, "half": 0.5, "zero": 0,
}  # fmt: skip


def tensor_values(like: torch.Tensor) -> dict[str, Any]:
    """Return tensors that cannot take the place of ``like``."""
    full = torch.ones_like(like, dtype=torch.float32)
    return {
        "nan": full * float("nan"),
        "wrong shape": torch.ones(3),
        "transposed": torch.ones(tuple(reversed(like.shape)) + (1,)),
        "scalar": torch.tensor(1.0),
        "no numbers": torch.ones(0),
        "whole numbers": full.to(torch.int64),
        "complex": full.to(torch.complex64),
        "bool": full.to(torch.bool),
        "half": full.to(torch.float16),
        "sparse": full.to_sparse(),
        "meta": full.to("meta"),
        "expanded": torch.ones(1).expand(10**6, 10**5),
        "inf": full * float("inf"),
        "none": None,
        "text": "x",
        "list": [1.0],
    }


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    torch.save(change(torch.load(path, map_location="cpu", weights_only=True)), path)


def crafted_weights() -> Iterator[tuple[str, Change]]:
    """Yield state dicts with one odd tensor, and files that hold something else."""
    for name in tensor_values(torch.ones(2)):
        yield f"tensor {name}", partial(rewrite, change=partial(one_tensor, name=name))
    changes: dict[str, Callable[[Any], Any]] = {
        "no keys": lambda w: {},
        "missing key": lambda w: dict(list(w.items())[1:]),
        "other key": lambda w: w | {"nothere.weight": torch.ones(1)},
        "number key": lambda w: w | {5: torch.ones(1)},
        "prefixed": lambda w: {f"module.{k}": v for k, v in w.items()},
        "nested": lambda w: {"state_dict": w},
        "only a tensor": lambda w: torch.ones(1),
        "a list": lambda w: list(w.values()),
        "a text": lambda w: "weights",
        "none": lambda w: None,
        "code": lambda w: Evil(),
        "code beside": lambda w: w | {"x": Evil()},
        "all zero": lambda w: {k: v * 0 for k, v in w.items()},
        "many channels": lambda w: {k: v.repeat(3, *[1] * (v.dim() - 1)) for k, v in w.items()},
    }
    for name, change in changes.items():
        yield name, partial(rewrite, change=change)
    yield "old format", old_format


def old_format(path: Path) -> None:
    weights = torch.load(path, weights_only=True)
    torch.save(weights, path, _use_new_zipfile_serialization=False)


def one_tensor(weights: dict[str, Any], name: str) -> dict[str, Any]:
    key = next(iter(weights))
    return weights | {key: tensor_values(weights[key])[name]}


def crafted_state() -> Iterator[tuple[str, Change]]:
    """Yield states with one odd value; the places are those that the state of a file has."""
    for place in range(60):
        for name in [*VALUES, "wrong shape", "missing"]:
            yield f"value {place} {name}", partial(rewrite, change=partial(one_value, place, name))
    for name, odd in (("a list", []), ("none", None), ("no keys", {}), ("code", Evil())):
        yield name, partial(rewrite, change=partial(give, odd=odd))


def give(state: Any, odd: Any) -> Any:
    return odd


def one_value(place: int, name: str, state: Any) -> Any:
    """Return ``state`` with an odd value in its place of this number, if it has so many."""
    state = copy.deepcopy(state)
    places = list(walk(state, ()))
    if place >= len(places):
        return state
    *path, last = places[place]
    holder = state
    for key in path:
        holder = holder[key]
    if name == "missing":
        del holder[last]
    else:
        holder[last] = torch.ones(3) if name == "wrong shape" else VALUES[name]
    return state


def walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value; of the many tensors of an optimizer only the first's."""
    if isinstance(value, dict):
        numbered = [key for key in value if isinstance(key, int)]
        items = [(k, v) for k, v in value.items() if k not in numbered[1:]]
    elif isinstance(value, list):
        items = list(enumerate(value))[:1]
    else:
        return
    for key, inner in items:
        yield (*path, key)
        yield from walk(inner, (*path, key))

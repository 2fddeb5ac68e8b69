"""The check of ``state.pth`` before any of it is used: a state may be damaged or from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils._pytree import tree_leaves

from models.training.model_state import stateful_schedulers, unlisted, unlisted_parameters
from models.training.optimizer_check import (
    LARGEST,
    finite,
    is_dense,
    not_negative,
    problem_of_optimizer,
    problem_of_settings,
)
from models.training.position import Position
from util import checkpoint
from util.errors import UserError
from util.files import Maybe, mismatch, parse_json
from util.image_pool import ImagePool, pools_of
from util.words import amount

LONGEST = 1e12  # seconds; datetime.timedelta ends soon after


def check_state(state: Any, model: Any, path: Path, networks_only: bool = False) -> None:
    """Check that the content of a state file can be restored into a run with ``model``.

    Args:
        model: a BaseModel.
        networks_only: compare only the networks; ``setup()`` of a custom model may add other parts.

    Raises UserError: it cannot. The message names ``path`` and the first part that is wrong.
    """
    problem = mismatch(state, STATE, "the state")
    if not problem:
        of_ranks = [{}, *(rank["model"] for rank in state.get("ranks", []))]
        check = _problem_of_saved_networks if networks_only else _problem_of_model
        problems = (check(state["model"] | part, model) for part in of_ranks)
        problem = next(filter(None, problems), "") or _problem_of_tensors(state)
    if problem:
        raise UserError(f"{path} does not fit this run: {problem}")


# Kinds of plain values, see mismatch() in util/files.py.


def whole(value: Any, name: str) -> str:
    """A whole number that is not negative."""
    right = not mismatch(value, int) and 0 <= value < LARGEST
    return "" if right else f"{name} should be a whole number from 0"


def seconds(value: Any, name: str) -> str:
    """A duration that can be printed."""
    right = not not_negative(value, name) and value < LONGEST
    return "" if right else f"{name} should be a number of seconds from 0"


def pair(*kinds: Any) -> Callable[[Any, str], str]:
    """Two values, each of its own kind."""

    def check(value: Any, name: str) -> str:
        problem = mismatch(value, [object], name)
        if not problem and len(value) != len(kinds):
            problem = f"{name} should be {len(kinds)} values"
        parts = () if problem else enumerate(zip(value, kinds, strict=True))
        problems = (mismatch(part, kind, f"{name}[{i}]") for i, (part, kind) in parts)
        return problem or next(filter(None, problems), "")

    return check


def position(value: Any, name: str) -> str:
    """The fields of :class:`Position`."""
    if problem := mismatch(value, POSITION, name):
        return problem
    if unknown := value.keys() - {field.name for field in fields(Position)}:
        return f"{name} has the unknown part {ascii(min(unknown, key=str))[:40]}"
    possible = value["epoch"] > 0 and value.get("seen", 0) <= value.get("total", LARGEST)
    return "" if possible else f"{name} is impossible"


def validations(value: Any, name: str) -> str:
    """Nothing, or (epoch, value of the metric) of the last and of the best validation."""
    problem = mismatch(value, [[finite]], name)
    sizes = [] if problem else [len(pair) for pair in value]
    return problem or ("" if sizes in ([], [2, 2]) else f"{name} should be two pairs")


def page(value: Any, name: str) -> str:
    """The memory of the page: a point is its place in four numbers, and a value for each key."""
    if problem := mismatch(value, PAGE, name):
        return problem
    points, width = value.get("points", []), 4 + len(value.get("keys", []))
    if any(len(point) != width for point in points):
        return f"{name}.points should have {width} numbers each"
    placed = all(None not in point[:4] for point in points)
    return "" if placed else f"{name}.points should begin with four numbers"


def empty(value: Any, name: str) -> str:
    return "" if value == {} else f"{name} should be empty"


def options(value: Any, name: str) -> str:
    """The options of the run as JSON."""
    try:
        parse_json(value, {"lr": not_negative}, name)
    except (UserError, TypeError) as error:
        return str(error)
    return ""


POSITION = {
    "epoch": whole,
    "seen": Maybe(whole),
    "total": Maybe(whole),
    "shown": Maybe(bool),
    "printed": Maybe(bool),
    "elapsed": Maybe(seconds),
    "validated": Maybe(validations),
    "best": Maybe(({"epoch": whole, "metric": str, "value": finite}, empty)),
}
PAGE = {
    "size": Maybe(whole),
    "keys": Maybe([str]),
    "losses": Maybe([str]),
    "points": Maybe([[(float, None)]]),
    "bin": Maybe([whole]),
    "at": Maybe(finite),
    "last": Maybe(str),
    "shown": Maybe({int: {str: str}}),
    "panel": Maybe({str: pair(str, str)}),
}
HEALTH = {"averages": Maybe({str: pair(finite, whole)}), "given": Maybe([str]), "last": Maybe(int)}
LOGS = {
    "log": whole,
    "metrics": whole,
    "the page": Maybe(page),
    "health": Maybe(HEALTH),
    "Weights & Biases": Maybe({"id": str}),
}
MODEL = {
    "networks": {str: dict},
    "optimizers": [{"state": dict, "param_groups": [dict]}],
    "schedulers": [{str: object}],
    "pools": {str: list},
    "scaler": Maybe({str: object}),
    "unlisted": Maybe(
        {
            "optimizers": {str: {"state": dict, "param_groups": [dict]}},
            "schedulers": {str: {str: object}},
            "parameters": [object],
        }
    ),
    "plateau_epoch": whole,
    "metric": (float, None),
}
STATE = {
    "position": position,
    "options": options,
    "model": MODEL,
    "visualizer": LOGS,
    "skipped": whole,
    "data": Maybe({str: pair(int, str)}),
    "ranks": Maybe([{"model": {str: object}, "skipped": whole}]),
}


def _problem_of_tensors(state: dict[str, Any]) -> str:
    """Describe a tensor that is not plain, in parts that nothing else has checked."""
    tensors = [leaf for leaf in tree_leaves(state) if isinstance(leaf, torch.Tensor)]
    plain = all(map(checkpoint.is_plain, tensors))
    return "" if plain else "it has tensors that are sparse, or not in memory"


# The parts of a model


def _problem_of_saved_networks(saved: dict[str, Any], model: Any) -> str:
    return mismatch(saved, MODEL, "model") or _problem_of_networks(
        saved["networks"], model.get_networks()
    )


def _problem_of_model(saved: dict[str, Any], model: Any) -> str:
    """Describe what ``model.load_training_state(saved)`` could not take; "" if all fits."""
    return (
        _problem_of_saved_networks(saved, model)
        or _problem_of_parts(problem_of_optimizer, saved, "optimizers", model.optimizers)
        or _problem_of_parts(_problem_of_scheduler, saved, "schedulers", stateful_schedulers(model))
        or _problem_of_unlisted(saved.get("unlisted"), model)
        or _problem_of_pools(saved["pools"], pools_of(model))
        or _problem_of_scaler(saved.get("scaler"), model.fp16_scaler)
    )


def _problem_of_parts(check: Callable, saved: dict[str, Any], key: str, own: list) -> str:
    parts = saved[key]
    if len(parts) != len(own):
        return f"it has {len(parts)} {key}, this model has {len(own)}"
    return next(filter(None, map(check, parts, own)), "")


def _problem_of_unlisted(saved: dict[str, Any] | None, model: Any) -> str:
    """Describe what does not fit the parts of ``model`` that only its attributes hold."""
    if saved is None:
        return ""
    kinds = (Optimizer, problem_of_optimizer), (LRScheduler, _problem_of_scheduler)
    for key, (kind, check) in zip(("optimizers", "schedulers"), kinds, strict=True):
        own = unlisted(model, kind, getattr(model, key))
        if own.keys() != saved[key].keys():
            return f"it has other {key} in attributes than this model"
        for name, part in own.items():
            if problem := check(saved[key][name], part):
                return f"{name}: {problem}"
    tensors = {str(i): value for i, value in enumerate(saved["parameters"])}
    parameters = {str(i): value for i, value in enumerate(unlisted_parameters(model))}
    if tensors.keys() != parameters.keys() or not checkpoint.is_state_dict(tensors):
        return "it has other parameters outside of networks than this model"
    if any(tensors[key].shape != parameters[key].shape for key in tensors):
        return "a parameter outside of networks has another shape"
    if problem := checkpoint.bad_numbers(tensors, finite=tensors.keys()):
        return f"the parameters outside of networks {problem}"
    return ""


def _problem_of_networks(saved: dict[str, dict], networks: dict[str, torch.nn.Module]) -> str:
    for name, net in networks.items():
        if name not in saved:
            return f"the weights of net {name} are missing"
        for key in {name, f"{name}_ema"} & saved.keys():
            if problem := checkpoint.misfit(net, saved[key]):
                return f"the weights of net {key} {problem}"
    return ""


def _problem_of_scheduler(saved: dict[str, Any], scheduler: Any) -> str:
    """Describe what is wrong with the state of a scheduler."""
    own = scheduler.state_dict()
    if not isinstance(scheduler, ReduceLROnPlateau):
        plain = all(isinstance(v, (float, int, str, type(None))) for v in tree_leaves(saved))
        return "" if plain and saved.keys() == own.keys() else "a scheduler has other parts"
    if problem := mismatch(saved, {str: (float, bool, str, None, [float])}, "its state"):
        return f"a scheduler does not fit: {problem}"
    for key, value in saved.items():
        if key in own and not isinstance(own[key], str):
            problem = mismatch(value, (float, bool, None, [float]), key)
        else:  # versions of PyTorch differ in some parts
            problem = "" if value == own.get(key, value) else f"{key} should be {own[key]!r}"
            if key not in own and hasattr(type(scheduler), key):
                problem = f"the part {key} is unknown"
        if problem or value != value:
            return f"a scheduler does not fit: {problem or key + ' is not a number'}"
    return ""


def _problem_of_pools(saved: dict[str, list], own: dict[str, ImagePool]) -> str:
    for name, images in saved.items():
        if name not in own:
            return f"this model has no image pool {ascii(name)[:40]}"
        if len(images) > own[name].pool_size:
            return f"{name} has more than {amount(own[name].pool_size, 'image')}"
        for image in images:
            if not checkpoint.is_plain(image) or not image.is_floating_point():
                return f"{name} should hold images"
            if image.ndim != 4 or len(image) != 1 or not image.numel() or not is_dense(image):
                return f"{name} should hold images (1, C, H, W), found {tuple(image.shape)}"
            if problem := checkpoint.bad_numbers({name: image}, finite=[name]):
                return f"the images {problem}"
    return ""


def _problem_of_scaler(saved: dict[str, Any] | None, scaler: Any) -> str:
    own = scaler.state_dict() if scaler and saved else {}
    if not own or not saved:
        return ""
    if saved.keys() != own.keys():
        return "the loss scale has other parts"
    problem = problem_of_settings(saved, own)
    return f"the loss scale's {problem}" if problem else "" if saved["scale"] > 0 else "scale is 0"

"""The check of optimizers in ``state.pth``.

PyTorch's own checks do not suffice: an optimizer that gets moments of another shape than its
parameter reads and writes outside of their memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from util import checkpoint
from util.files import mismatch

LARGEST = 2**53  # larger whole numbers are not exact as floats
ADAM = {"step", "exp_avg", "exp_avg_sq"}
SCALARS = {"step", "mu", "mu_product", "eta"}  # numbers in the states of PyTorch's optimizers
OTHER_SHAPES = {"LBFGS", "Adafactor", "SparseAdam", "Muon"}  # of moments than of parameters
HARDWARE = {"fused", "foreach"}  # settings that may differ between machines


def finite(value: Any, name: str) -> str:
    """A number that is not infinite."""
    right = not mismatch(value, float) and abs(value) < 1e300
    return "" if right else f"{name} should be a finite number"


def not_negative(value: Any, name: str) -> str:
    """A finite number that is not negative."""
    return "" if not finite(value, name) and value >= 0 else f"{name} should be a number from 0"


def problem_of_optimizer(saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> str:
    """Describe why ``optimizer`` cannot take the state ``saved``; "" if it can."""
    groups, own = saved["param_groups"], optimizer.param_groups
    parameters = [parameter for group in own for parameter in group["params"]]
    numbers = iter(range(len(parameters)))
    expected = [[next(numbers) for _ in group["params"]] for group in own]
    if problem := mismatch(groups, [{"params": [int]}], "its groups"):
        return f"an optimizer has other parameters: {problem}"
    if [group["params"] for group in groups] != expected:
        return "an optimizer has other groups of parameters"
    for group, mine in zip(groups, own, strict=True):
        if problem := problem_of_settings(group, mine):
            return f"an optimizer's {problem}"
    if not saved["state"].keys() <= set(range(len(parameters))):
        return "an optimizer has moments for unknown parameters"
    if problem := mismatch(list(saved["state"].values()), [{str: object}], "moments"):
        return f"an optimizer's {problem}"
    entries = {number: entry for number, entry in saved["state"].items() if entry}
    needed: set[str] = set()
    if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        amsgrad = any(group.get("amsgrad") for group in groups)
        needed = ADAM | ({"max_exp_avg_sq"} if amsgrad else set())
    if not all(needed <= entry.keys() for entry in entries.values()):
        return f"an optimizer should have {', '.join(sorted(needed))} of each parameter"
    if len({frozenset(entry) for entry in entries.values()}) > 1:
        return "an optimizer has other moments for some parameters than for others"
    memory: set[int] = set()
    for number, entry in entries.items():
        for key, value in entry.items():
            if problem := _problem_of_moment(key, value, parameters[number], optimizer, memory):
                return f"an optimizer's {key[:40]} of parameter {number} {problem}"
    return ""


def problem_of_settings(saved: dict[str, Any], own: Mapping[str, Any]) -> str:
    """Describe a setting of another kind than the run's ``own``; "" if none is."""
    if saved.get("fused") and saved.get("foreach"):
        return "fused and foreach exclude each other"
    switches = (bool, str, type(None))
    required = {key for key, value in own.items() if not isinstance(value, switches)}
    if missing := required - saved.keys():
        return f"{min(missing)} is missing"
    known = {**own, "initial_lr": 0.0}  # the first update of the learning rate adds this one
    for key in saved.keys() & known.keys() - {"params"}:
        value, mine = saved[key], known[key]
        if checkpoint.is_plain(value) and value.numel() == 1:
            value = value.item()
        if isinstance(value, torch.Tensor):
            problem = f"{key} should be a setting, found a tensor"
        elif key in HARDWARE:
            problem = mismatch(value, (bool, None), key)
        elif isinstance(mine, switches):
            problem = "" if value == mine else f"{key} should be {mine}"
        elif isinstance(mine, (list, tuple)):
            problem = mismatch(value, [finite], key)
            below_1 = problem or key != "betas" or all(0 <= beta < 1 for beta in value)
            if not problem and (len(value) != len(mine) or not below_1):
                problem = f"{key} should be {len(mine)} numbers" + " below 1" * (key == "betas")
        else:
            problem = not_negative(value, key)
        if problem:
            return problem
    return ""


def _problem_of_moment(
    key: str,
    value: Any,
    parameter: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    memory: set[int],
) -> str:
    """Describe what is wrong with a part of an optimizer's state; "" if nothing is.

    Args:
        memory: addresses of the parts before this one; updated.
    """
    if not isinstance(value, torch.Tensor):
        return "should be a tensor" if key in ADAM - SCALARS else finite(value, "it")
    if not checkpoint.is_plain(value) or value.is_complex():
        return "should be a plain tensor"
    if key in SCALARS:
        return not_negative(value.item(), "it") if value.ndim == 0 else "should be a number"
    kind = type(optimizer)
    if kind.__module__.startswith("torch.optim") and kind.__name__ not in OTHER_SHAPES:
        if value.shape != parameter.shape:
            return f"should be {tuple(parameter.shape)}, found {tuple(value.shape)}"
        if value.dtype != parameter.dtype:
            return f"should be {parameter.dtype}, found {value.dtype}"
    if not value.numel():
        return ""
    address = value.untyped_storage().data_ptr()
    if not is_dense(value) or address in memory:
        return "shares memory with another one"
    memory.add(address)
    if not checkpoint.is_finite(value):
        return "has values that are infinite or not a number"
    return "has negative values" if key.endswith("avg_sq") and value.amin() < 0 else ""


def is_dense(tensor: torch.Tensor) -> bool:
    """True if each value has memory of its own, without gaps."""
    expected = 1
    sizes = zip(tensor.stride(), tensor.shape, strict=True)
    for stride, size in sorted((stride, size) for stride, size in sizes if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True

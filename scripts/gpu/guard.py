"""Infinite gradients change no weight in any optimizer path, and the message names the image."""

from __future__ import annotations

import contextlib
import io
import math

import torch

from models.training.gradients import NonFinite
from models.training.step import MAX_OVERFLOWS, Step
from scripts.gpu.checks import Check, Setup, Tally, Verdict
from scripts.gpu.training import SMALL, batch, build, options, weights

# Path of the optimizer -> options. "unfused" also asks for another implementation of Adam.
PATHS = {
    "fused": "",
    "unfused": "",
    "fp16": "--amp fp16",
    "bf16": "--amp bf16",
    "accumulate": "--accumulate 2",
    "ema": "--ema 0.9",
}
REDUCED = {"stop": ("fused",), "skip": ("unfused",)}


def checks() -> list[Check]:
    return [Check("guard", what, plant, (what,), 25) for what in ("stop", "skip")]


def plant(setup: Setup, what: str) -> Verdict:
    """Plant an infinite pixel, then an infinite gradient, in every path.

    Args:
        what: of ``--on_nonfinite``.
    """
    tally = Tally()
    for path in PATHS if setup.full else REDUCED[what]:
        for planted in ("image", "gradient"):
            problem = try_path(setup, path, what, planted)
            tally.add(f"{path}, {planted}", problem or "caught", problem)
    return tally.verdict(f"{len(tally.figures)} plants caught, no weight changed")


def try_path(setup: Setup, path: str, what: str, planted: str) -> str:
    """Return what is wrong after a bad step between good ones, else ""."""
    opt = options(setup, f"{SMALL} {PATHS[path]} --on_nonfinite {what}")
    model = build(opt)
    if path == "unfused":
        for optimizer in model.optimizers:
            for group in optimizer.param_groups:
                group["foreach"] = True
    step, good = Step(opt, model), batch(opt, opt.accumulate)
    step(good)
    bad = {**good, "A_paths": [f"bad{i}.png" for i in range(opt.accumulate)]}
    hooks = []
    if planted == "image":
        bad["A"] = good["A"].clone()
        bad["A"][-1, 0, 0, 0] = math.inf
    else:
        hooks = [
            next(net.parameters()).register_hook(spoil) for net in model.get_networks().values()
        ]
    before = weights(model)
    message = message_of(step, bad, MAX_OVERFLOWS + 1 if path == "fp16" else 1)
    for hook in hooks:
        hook.remove()
    changed = [name for name, w in weights(model).items() if not torch.equal(w, before[name])]
    if changed:
        return f"the weights of {', '.join(changed)} changed"
    if bad["A_paths"][-1] not in message:
        return f"the image is not named: {message or 'no message'}"
    if what == "skip" and path != "fp16":
        step(good)
        step.check()
        if all(torch.equal(w, before[name]) for name, w in weights(model).items()):
            return "the training does not continue"
    return ""


def spoil(gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient with one infinite value."""
    gradient = gradient.clone()
    gradient.view(-1)[0] = math.inf
    return gradient


def message_of(step: Step, data: dict, count: int) -> str:
    """Return what is said about ``count`` bad steps."""
    output = io.StringIO()
    with contextlib.redirect_stderr(output):
        try:
            for _ in range(count):
                step(data)
            step.check()
        except NonFinite as error:
            return str(error)
    return output.getvalue()

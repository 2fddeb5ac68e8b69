"""Compiled networks, and CUDA graphs, give the losses and gradients of eager ones."""

from __future__ import annotations

import torch

from models.training import step as step_module
from models.training.step import Step
from scripts.gpu.checks import SKIPPED, Check, Setup, Tally, Verdict
from scripts.gpu.training import (
    SMALL,
    batch,
    build,
    cosine,
    gradients,
    options,
    restore,
    start_weights,
)
from util.errors import UsageError
from util.modules import can_compile

SIZES = ((64, 64), (96, 80), (48, 64), (72, 100), (64, 64))  # height, width of the batches
SETTLED = 3  # batches after which no further size should need a graph
SHORT = (2, 1, 2)  # images in the batches of one size; the second is a short last batch
# Name -> options, sizes, least cosine of gradients
VARIANTS = {
    "sizes": ("--compile --no_tf32 --preprocess none", True, 0.9999),
    "short batches": ("--compile --no_tf32", False, 0.9999),
    "bf16": ("--compile --amp bf16 --channels_last", False, 0.8),
    "graphs": ("--compile --no_tf32 --cuda_graphs", False, 0.9999),
}
LOSS = {"bf16": 0.05}  # largest relative difference of losses; 1e-3 for the others


def checks() -> list[Check]:
    return [
        Check("compile", name, compare, (name,), 110, needs_gpu=name != "short batches")
        for name in VARIANTS
    ]


def compare(setup: Setup, name: str) -> Verdict:
    """Compare each step of a compiled model with the same step of an eager one."""
    if not can_compile():
        return Verdict(SKIPPED, f"--compile needs PyTorch 2.6 or newer, not {torch.__version__}")
    words, many_sizes, least = VARIANTS[name]
    if not setup.full:
        step_module.BACKEND = "eager"  # graphs without generated code, which are quick
    try:
        opt = options(setup, f"{SMALL} {words}")
    except UsageError as error:  # e.g. no units for bf16
        return Verdict(SKIPPED, str(error))
    exact = options(setup, f"{SMALL} --no_tf32")
    eager, model = build(exact), build(opt)
    start = start_weights(eager)
    reference, step = Step(exact, eager), Step(opt, model)
    kinds = [(1, size) for size in SIZES] if many_sizes else [(n, (64, 64)) for n in SHORT]
    if not setup.full:
        kinds = [(n, (h // 2, w // 2)) for n, (h, w) in kinds[:2]]
    tally = Tally()
    for number, (n, size) in enumerate(kinds, 1):
        before = step.graph_count
        for one, of in ((reference, exact), (step, opt)):
            restore(one.model, start)
            one(batch(of, n, size))
        title = f"step {number}: {n} x {size[0]} x {size[1]}"
        tally.add(title, *difference(eager, model, LOSS.get(name, 1e-3), least))
        if number > SETTLED and step.graph_count > before:
            tally.problems.append(f"{title}: a graph for this size alone")
    return tally.verdict(f"{len(kinds)} batches; {step.graph_count} graphs")


def difference(eager, model, loss: float, least: float) -> tuple[dict[str, float], str]:
    """Return figures, and what is wrong.

    Args:
        loss: largest relative difference of losses.
        least: least cosine of the gradients of a network.
    """
    wanted, found = eager.get_current_losses(), model.get_current_losses()
    losses = max(abs(found[k] - wanted[k]) / max(0.1, abs(wanted[k])) for k in wanted)
    theirs, ours = gradients(eager), gradients(model)
    angle = min(cosine(ours[k], theirs[k]) for k in theirs)
    problem = f"losses differ by {losses:.1e}" if not losses <= loss else ""
    if not angle >= least:
        problem += f"{'; ' * bool(problem)}gradients have cosine {angle:.4f}"
    return {"loss": losses, "cosine": angle}, problem

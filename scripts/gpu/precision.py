"""Gradients in float32, TF32, bf16 and fp16 point where those in double precision point."""

from __future__ import annotations

import torch

from models.training.step import Step
from scripts.gpu.checks import FAILED, SKIPPED, Check, Setup, Tally, Verdict
from scripts.gpu.training import batch, build, cosine, gradients, options, restore, start_weights
from util.errors import UsageError

# Name -> options, least cosine of each network's gradient with that in double precision
PRECISIONS = {
    "float32": ("--no_tf32", 0.99999),
    "tf32": ("", 0.999),
    "bf16": ("--amp bf16", 0.85),
    "fp16": ("--amp fp16", 0.99),
}
ATTEMPTS = 25  # steps in which the loss scale of fp16 should have become small enough


def checks() -> list[Check]:
    return [
        Check("precision", name, compare, (name,), 40, needs_gpu=name in ("tf32", "fp16"))
        for name in PRECISIONS
    ]


def compare(setup: Setup, name: str) -> Verdict:
    """Compare the gradients of a CycleGAN's networks with those in double precision."""
    if name == "tf32" and torch.cuda.get_device_capability(setup.gpu)[0] < 8:
        return Verdict(SKIPPED, "this GPU has no TF32")
    words, least = PRECISIONS[name]
    size = "--ngf 32 --ndf 32" if setup.full else "--ngf 8 --ndf 8 --netG resnet_6blocks"
    side = 128 if setup.full else 32
    common = f"--pool_size 0 {size}"
    exact = options(setup, common)
    reference = build(exact, torch.float64)
    start = start_weights(reference)
    Step(exact, reference)(batch(exact, 1, (side, side), torch.float64))
    wanted = gradients(reference)
    try:
        opt = options(setup, f"{common} {words}")
    except UsageError as error:  # e.g. no units for bf16
        return Verdict(SKIPPED, str(error))
    model = build(opt)
    step, data = Step(opt, model), batch(opt, 1, (side, side))
    for _ in range(ATTEMPTS):
        restore(model, start)
        step(data)
        found = gradients(model)
        if all(vector.isfinite().all() for vector in found.values()):
            break
    else:
        return Verdict(FAILED, f"gradients are not finite after {ATTEMPTS} steps")
    tally = Tally()
    for network, vector in found.items():
        angle = cosine(vector, wanted[network])
        problem = f"cosine {angle:.4f}, should be at least {least}" if angle < least else ""
        tally.add(network, angle, problem)
    return tally.verdict(f"cosines from {min(tally.figures.values()):.6f}")

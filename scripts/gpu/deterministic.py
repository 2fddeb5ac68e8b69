"""With --deterministic, runs repeat bit by bit, and killed runs resume bit by bit."""

from __future__ import annotations

import torch

from models.training.step import Step
from scripts.gpu.checks import Check, Setup, Tally, Verdict
from scripts.gpu.processes import run_python
from scripts.gpu.training import batch, build, options, weights
from util.errors import UsageError
from util.seeds import seed_everything

SETTINGS = ("", "--amp bf16", "--channels_last", "--checkpoint_activations", "--norm batch")
REDUCED = ("",)


def checks() -> list[Check]:
    return [
        Check("deterministic", "repeat", repeat, (), 40),
        Check("deterministic", "resume", resume, (), 110),
    ]


def repeat(setup: Setup) -> Verdict:
    """Train twice with each setting; all weights should have equal bits."""
    size = "--ngf 32 --ndf 32" if setup.full else "--ngf 4 --ndf 4 --netG resnet_6blocks"
    side, count = (128, 6) if setup.full else (32, 2)
    seed_everything(1, deterministic=True)
    tally = Tally()
    for words in SETTINGS if setup.full else REDUCED:
        try:
            opt = options(setup, f"{size} {words} --deterministic")
        except UsageError as error:  # e.g. no units for bf16
            tally.add(words, f"refused: {error}", "" if words else str(error))
            continue
        runs = []
        for _ in range(2):
            step = Step(opt, build(opt))
            for number in range(count):
                step(batch(opt, 1, (side, side)), images_seen=number)
            step.check()
            runs.append(weights(step.model))
        bad = [name for name, w in runs[0].items() if not torch.equal(w, runs[1][name])]
        problem = f"{', '.join(bad)} differ" if bad else ""
        tally.add(words or "defaults", problem or "equal", problem)
    return tally.verdict(f"{len(tally.figures)} settings, {count} steps each: equal bits")


def resume(setup: Setup) -> Verdict:
    """Kill and resume trainings with scripts/check_resume.py."""
    words = ["--gpu_ids", str(setup.gpu), "--kills", "4" if setup.full else "1"]
    status, line = run_python(["scripts/check_resume.py", *words])
    return Verdict(status, " ".join(line.split()))

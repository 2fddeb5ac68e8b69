"""Which kernels a step spends its time in, and how many of them only change the memory layout."""

from __future__ import annotations

import re
from typing import Any

from torch.profiler import ProfilerActivity, profile

from models.training.step import Step
from scripts.gpu.checks import OK, SKIPPED, Check, Setup, Verdict
from scripts.gpu.training import SMALL, batch, build, options, synchronize
from util.errors import UsageError

VARIANTS = {
    "defaults": "",
    "bf16 channels_last": "--amp bf16 --channels_last",
    "compiled": "--compile --amp bf16 --channels_last",
}
LAYOUT = re.compile("nchwToNhwc|nhwcToNchw|nchwAddPadding|nhwcAddPadding|transpose", re.IGNORECASE)
STEPS = 3
SHOWN = 15  # kernels in the figures


def checks() -> list[Check]:
    return [
        Check("kernels", name, measure, (name,), 110, needs_gpu=name != "defaults")
        for name in VARIANTS
    ]


def measure(setup: Setup, name: str) -> Verdict:
    """Profile a few default steps at 256x256."""
    words = VARIANTS[name] if setup.full else SMALL
    try:
        opt = options(setup, words)
    except UsageError as error:  # e.g. no units for bf16
        return Verdict(SKIPPED, str(error))
    side = 256 if setup.full else 32
    step, data = Step(opt, build(opt)), batch(opt, 1, (side, side))
    for _ in range(4 if setup.full else 1):
        step(data)
    synchronize(setup)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * setup.full
    with profile(activities=kinds) as profiler:
        for _ in range(STEPS):
            step(data)
        synchronize(setup)
    kernels = kernels_of(profiler, setup.full)
    total = sum(ms for _, ms, _ in kernels)
    layout = sum(ms for kernel, ms, _ in kernels if LAYOUT.search(kernel))
    launches = round(sum(count for *_, count in kernels))
    figures: dict[str, Any] = {"busy ms": total, "layout ms": layout, "launches": launches}
    figures["kernels"] = kernels[:SHOWN]
    line = f"{total:.2f} ms a step in {launches} kernels, {layout:.2f} ms of them layout copies"
    return Verdict(OK, f"{line}; most: {kernels[0][0][:60]}", figures)


def kernels_of(profiler: profile, on_gpu: bool) -> list[tuple[str, float, float]]:
    """Return name, milliseconds and calls per step of each kernel, the longest first.

    On a CPU, operations take the place of kernels.
    """
    found = []
    for event in profiler.key_averages():
        if on_gpu and not str(event.device_type).endswith("CUDA"):
            continue
        microseconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        found.append((event.key, round(microseconds / 1e3 / STEPS, 4), event.count / STEPS))
    return sorted(found, key=lambda kernel: -kernel[1])

"""All checks, in the order in which they run: those that matter most for a user come first."""

from __future__ import annotations

from scripts.gpu import (
    compiled,
    demo,
    deterministic,
    exact,
    gpu_tests,
    guard,
    kernels,
    memory,
    precision,
    programs,
    ranks,
    speed,
    sync,
)
from scripts.gpu.checks import Check

MODULES = (
    exact,
    precision,
    guard,
    sync,
    programs,
    memory,
    ranks,
    deterministic,
    compiled,
    speed,
    kernels,
    demo,
    gpu_tests,
)


def all_checks() -> list[Check]:
    return [check for module in MODULES for check in module.checks()]

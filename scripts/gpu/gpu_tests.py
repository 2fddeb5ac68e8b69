"""The tests that are marked ``gpu``, where pytest is installed."""

from __future__ import annotations

import os

from scripts.gpu.checks import ROOT, SKIPPED, Check, Setup, Verdict
from scripts.gpu.processes import run_python

MARK = "mark.gpu"


def checks() -> list[Check]:
    return [Check("pytest", "gpu", run, (), 80)]


def run(setup: Setup) -> Verdict:
    """Run the marked tests, on the chosen GPU."""
    try:
        import pytest  # noqa: F401  # only to see if it is installed
        import xdist  # noqa: F401
    except ImportError as error:
        return Verdict(SKIPPED, f"{error.name} is not installed (requirements-dev.txt)")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    marked = [str(file) for file in files if MARK in file.read_text()]
    words = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "gpu", *marked]
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": str(setup.gpu)} if setup.gpu > 0 else {})
    status, line = run_python(words, environment)
    return Verdict(status, line.strip("= "))

"""The tests that are marked ``gpu``, where pytest is installed."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.gpu.checks import FAILED, OK, ROOT, SKIPPED, Check, Setup, Verdict

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
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": str(setup.gpu)} if setup.gpu > 0 else {})
    done = subprocess.run(
        [*command, "-m", "gpu", *marked],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
    print(*lines, sep="\n")
    return Verdict(FAILED if done.returncode else OK, lines[-1].strip("= "))

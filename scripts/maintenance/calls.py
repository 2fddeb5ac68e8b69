"""Runs programs of this project, one after the other, with their output in a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from util.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def call(log: Path, *words: object) -> None:
    """Run a program, with its output in ``log``. Raises UserError: it failed."""
    with open(log, "a", encoding="utf-8") as file:
        command = [sys.executable, *map(str, words)]
        if subprocess.run(command, stdout=file, stderr=file, cwd=ROOT).returncode:
            raise UserError(f"{words[0]} failed; see {log}")

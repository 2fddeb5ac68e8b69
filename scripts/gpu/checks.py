"""The arguments and the results of the checks of scripts/check_gpu.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ATLAS = ROOT / "datasets" / "atlas"
OK, FAILED, SKIPPED, ERROR = "ok", "FAILED", "skipped", "ERROR"  # statuses of a verdict


class Verdict(NamedTuple):
    """The result of a check: a status, a line for the table, and figures for the JSON file."""

    status: str
    line: str
    figures: dict[str, Any] = {}  # never changed


@dataclass(frozen=True)
class Setup:
    """Where the checks run.

    Attributes:
        gpu: number of the GPU; -1 for the CPU, where the checks are smaller.
        folder: an empty folder for the files of one check.
        official: an unpacked copy of the official code to measure, too.
    """

    gpu: int
    folder: Path
    official: Path | None = None

    @property
    def full(self) -> bool:
        """True on a GPU; the CPU only proves that the checks themselves run."""
        return self.gpu >= 0

    @property
    def device(self) -> str:
        return f"cuda:{self.gpu}" if self.full else "cpu"


class Check(NamedTuple):
    """One row of the table, in a process of its own.

    Attributes:
        group: what ``--only`` selects.
        name: what is checked; unique within the group.
        function: called with a :class:`Setup` and ``args``. An exception fails the check.
        seconds: the time limit.
        needs_gpu: True if it cannot run on a CPU.
    """

    group: str
    name: str
    function: Callable[..., Verdict]
    args: tuple = ()
    seconds: int = 60
    needs_gpu: bool = False

    @property
    def title(self) -> str:
        return f"{self.group}/{self.name}"


@dataclass
class Tally:
    """Collects what a check has compared, and makes its verdict."""

    figures: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, figure: Any, problem: str = "") -> None:
        """Record a figure, and a problem if there is one."""
        self.figures[name] = figure
        if problem:
            self.problems.append(f"{name}: {problem}")

    def verdict(self, line: str) -> Verdict:
        """Return FAILED with the problems, or OK with ``line``."""
        if self.problems:
            return Verdict(FAILED, "; ".join(self.problems), self.figures)
        return Verdict(OK, line, self.figures)

"""The table at the end, and the bad cases with their commands."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from scripts.maintenance.fuzzing.session import Result
from scripts.maintenance.fuzzing.verdict import BAD, KINDS
from util.console import say

HEADINGS = ("tried", "ok", "one-line errors", "poor", "tracebacks", "crashes", "hangs", "silent")


class Report:
    """Collects results; ``file`` gets a line of JSON for each."""

    def __init__(self, verbose: bool, file: Path | None) -> None:
        self.verbose, self.file = verbose, file
        if file:
            file.write_text("")
        self.results: list[Result] = []
        self.bad: list[Result] = []

    def add(self, result: Result) -> None:
        """Note a result; bad ones are printed with the command that repeats them."""
        self.results.append(result)
        if self.file:
            with self.file.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        if result.kind in BAD:
            self.bad.append(result)
        if result.kind in BAD or self.verbose:
            say(f"{result.kind}: {result.reason}")
            say(f"    {result.command}")
            say(f"    --case {result.id!r}")
        if self.verbose:
            say(f"status {result.status} after {result.seconds:.1f} s")
            for line in result.output.splitlines():
                say(f"    {line}")

    def show(self) -> None:
        """Print a row for each program, and the sums."""
        counts: dict[str, Counter[str]] = {}
        for result in self.results:
            counts.setdefault(result.program, Counter())[result.kind] += 1
        say()
        say(f"{'':18}" + "".join(f"{heading:>17}" for heading in HEADINGS))
        total: Counter[str] = sum(counts.values(), Counter())
        for name, count in [*counts.items(), ("all", total)]:
            cells = [sum(count.values()), *(count[kind] for kind in KINDS)]
            say(f"{name:18}" + "".join(f"{cell:17}" for cell in cells))

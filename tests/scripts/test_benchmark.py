"""scripts/benchmark.py: two checkouts measured in turns, and errors that stay in their row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from scripts.maintenance import benchmark
from scripts.maintenance.benchmark import Case, Result, measure

FAKE_WORKER = """
import os, sys
function, name, log, values = sys.argv[1:]
if function == "refuse":
    print("error: --ngf 0: should be at least 1", file=sys.stderr)
    sys.exit(2)
print("ready", flush=True)
for value, line in zip(values.split(), sys.stdin):
    with open(log, "a") as file:
        file.write(name)
    print(value, flush=True)
sys.exit(3)
"""


def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    *values: str,
    quick: bool = False,
) -> tuple[Result, str]:
    """Measure ``case`` with workers that answer ``values``; the second result is the order."""
    worker, log = tmp_path / "worker.py", tmp_path / "log"
    worker.write_text(FAKE_WORKER)
    log.write_text("")
    monkeypatch.setattr(benchmark, "WORKER", worker)
    args = [[name, str(log), value] for name, value in zip("ab", values, strict=False)]
    return measure(case, [tmp_path] * len(values), args, quick), log.read_text()


def case(rounds: int, unit: str = "ms", function: str = "x") -> Case:
    return Case("section", "title", function, "", unit, rounds)


def test_checkouts_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first measurement is left out; the ratio is the median of the paired ratios."""
    result, turns = run(tmp_path, monkeypatch, case(3), "9 1 2 4", "9 3 2 2")
    assert turns == "ab" + "ab" + "ba" + "ab"
    assert (result.this, result.other, result.ratio) == ([1, 2, 4], [3, 2, 2], 1)
    result, _ = run(tmp_path, monkeypatch, case(2, "images/s"), "9 6 6", "9 3 3")
    assert result.ratio == 2 and "6.00" in result.line() and "2.000" in result.line()


def test_one_checkout_and_few_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, turns = run(tmp_path, monkeypatch, case(9), "9 1 2 3", quick=True)
    assert turns == "aaaa" and result.this == [1, 2, 3] and result.ratio is None
    result, turns = run(tmp_path, monkeypatch, case(1, "MB"), "700")
    assert turns == "a" and result.this == [700]


@pytest.mark.parametrize(
    ("function", "values", "words"),
    [
        ("refuse", "", "status 2 in {}: error: --ngf 0: should be at least 1"),
        ("x", "1 1", "status 3 in {}: no output"),
    ],
)
def test_an_error_stays_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, values: str, words: str
) -> None:
    result, _ = run(tmp_path, monkeypatch, case(3, function=function), values, values)
    assert result.error == words.format(tmp_path)
    assert result.error in result.line() and result.ratio is None


@pytest.mark.slow
def test_the_program(tmp_path: Path) -> None:
    """This checkout against itself: the machine, and a row in a table and in a file."""
    command = [sys.executable, "scripts/benchmark.py", "--quick", "--only", "saving"]
    options = ["--gpu_ids", "-1", "--against", ".", "--json", str(tmp_path / "b.json")]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["machine"]["cores"] >= 1
    (saving,) = report["rows"]
    assert saving["error"] == "" and saving["ratio"] > 0
    assert len(saving["this"]) == len(saving["other"]) == 3 and min(saving["this"]) > 0
    assert f"{saving['ratio']:.3f}" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--only", "nothing"), 2, "start-up"),
        (("--against", "docs"), 1, "--against docs: not a checkout"),
    ],
)
def test_what_is_refused(options: tuple[str, ...], status: int, words: str) -> None:
    command = [sys.executable, "scripts/benchmark.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status and words in done.stderr and done.stderr.count("\n") == 1

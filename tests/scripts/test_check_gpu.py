"""scripts/check_gpu.py: rows for crashes and hangs, merged results, advice, a run on the CPU."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Programs

from models.training.step import Step
from scripts import check_gpu
from scripts.gpu import deterministic, exact, gpu_tests, guard, memory, processes, report, sync
from scripts.gpu.checks import ERROR, FAILED, OK, SKIPPED, Check, Setup, Verdict
from scripts.gpu.registry import all_checks
from util.errors import UsageError, UserError

# Packages that the program must not need; pytest, which runs the marked tests, stays
OPTIONAL = ("lpips", "matplotlib", "requests", "scipy", "skimage", "tornado", "tqdm", "visdom")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(-1, tmp_path / "check")


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks start as copies of this process, which has imported everything."""
    monkeypatch.setattr(processes, "launcher", multiprocessing.get_context("fork"))


def passes(setup: Setup) -> Verdict:
    return Verdict(OK, "fine", {"x": 1})


def fails(setup: Setup) -> Verdict:
    raise UserError("planted\nsecond line")


def exits(setup: Setup) -> Verdict:
    sys.exit(3)


def crashes(setup: Setup) -> Verdict:
    print("the last words")
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(setup: Setup) -> Verdict:
    subprocess.run(["sleep", "1000"])
    return Verdict(OK, "")


def run(function, setup: Setup, seconds: int = 60, needs_gpu: bool = False) -> dict:
    return processes.run(Check("group", "name", function, (), seconds, needs_gpu), setup)


def test_each_end_of_a_check_is_a_row(setup: Setup, tmp_path: Path) -> None:
    def verdict(function, **settings) -> tuple[str, str]:
        row = run(function, Setup(-1, tmp_path / function.__name__), **settings)
        assert row["check"] == "group/name"
        return row["status"], row["line"]

    assert verdict(passes) == (OK, "fine")
    status, line = verdict(fails)
    assert status == ERROR and line.endswith("UserError: planted")
    assert line.startswith("tests/scripts/test_check_gpu.py:")
    assert verdict(exits)[1].endswith("SystemExit: 3")
    assert verdict(crashes) == (ERROR, "ended with -9; its last line: the last words")
    assert verdict(passes, needs_gpu=True) == (SKIPPED, "needs a GPU")


def test_a_hang_ends_with_its_children(setup: Setup) -> None:
    begin = time.monotonic()
    row = run(hangs, setup, seconds=1)
    assert row["status"] == ERROR and row["line"].startswith("no end within 1 s")
    assert time.monotonic() - begin < 30


def test_a_check_of_numbers_runs_and_can_fail(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "REDUCED", ("",))
    assert exact.compare(setup, "template").status == OK
    original, calls = Step.__call__, []

    def wrong(self: Step, batch: dict, *args, **settings) -> None:
        """The second device gets slightly other targets."""
        calls.append(self)
        original(self, batch | {"B": batch["B"] + 1e-6 * (len(calls) - 1)}, *args, **settings)

    monkeypatch.setattr(Step, "__call__", wrong)
    verdict = exact.compare(setup, "template")
    assert verdict.status == FAILED and "defaults: losses differ by" in verdict.line


def test_a_guard_that_lets_gradients_through_is_found(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guard.try_path(setup, "fused", "stop", "gradient") == ""
    monkeypatch.setattr("models.training.gradients.NonFiniteGuard.watch", lambda *args: None)
    assert "changed" in guard.try_path(setup, "fused", "stop", "gradient")


@pytest.mark.parametrize("message", ["called a synchronizing CUDA operation", "something else"])
def test_a_step_that_waits_is_found(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """PyTorch raises an error where a step waits; its place becomes the result."""
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step() -> None:
        raise RuntimeError(message)

    on_gpu = Setup(0, setup.folder)
    if "synchronizing" in message:
        assert sync.waits(on_gpu, step).startswith("waits at tests/scripts/test_check_gpu.py:")
    else:
        with pytest.raises(RuntimeError, match=message):
            sync.waits(on_gpu, step)
    assert modes == ["error", "default"] and sync.waits(on_gpu, lambda: None) == ""


def test_names_are_unique_and_groups_are_short() -> None:
    checks = all_checks()
    assert len({check.title for check in checks}) == len(checks)
    seconds: Counter[str] = Counter()
    for check in checks:
        seconds[check.group] += check.seconds
    assert max(seconds.values()) <= 480, seconds
    titles = {check.title for check in checks}
    assert {need for needs in report.NEEDS.values() for need in needs} <= titles


def rows(statuses: dict[str, str], speeds: dict[str, float]) -> dict[str, dict]:
    checks = {need: OK for needs in report.NEEDS.values() for need in needs} | statuses
    found = {title: {"status": status} for title, status in checks.items()}
    figures = {
        name: {"ms": 100 / x, "images/s": 10 * x, "times defaults": x, "peak MB": 2000.0}
        for name, x in speeds.items()
    }
    return found | {"speed/compile": {"status": OK, "figures": figures}}


SPEEDS = {"defaults": 1.0, "--compile": 1.5, "--compile --amp bf16": 2.5}


def test_advice_names_the_fastest_options_that_passed() -> None:
    text = "\n".join(report.advice(rows({}, SPEEDS), "a card"))
    assert "fastest: --compile --amp bf16 (2.50 x the defaults)" in text
    assert "fastest without --amp: --compile (1.50 x the defaults)" in text
    text = "\n".join(report.advice(rows({"precision/bf16": FAILED}, SPEEDS), "a card"))
    assert "fastest: --compile (1.50" in text
    assert "not --compile --amp bf16, because of precision/bf16" in text
    slow = dict.fromkeys(SPEEDS, 1.0)
    assert "fastest: the defaults" in "\n".join(report.advice(rows({}, slow), "a card"))
    assert report.advice(rows({}, SPEEDS), "")[-1].startswith("No advice: these checks ran on")


def test_what_is_refused(tmp_path: Path, run: Programs) -> None:
    def check(*words: str):
        return run.call(check_gpu.main, "check_gpu.py", "--gpu_ids", "-1", *words)

    check("--only", "speeed").refused(2, "--only speeed: should be one of exact, precision")
    check("--official", ".").refused(1, "--official .: should be a copy of the official code")
    file = tmp_path / "a.json"
    file.write_text("{}")
    check("--only", "memory", "--json", str(file)).refused(1, f"{file}: holds no results")
    machine = check_gpu.machine(-1) | {"gpu": "another"}
    file.write_text(json.dumps({"machine": machine, "rows": []}))
    check("--only", "memory", "--json", str(file)).refused(1, f"{file}: holds results of gpu anot")
    with pytest.raises(UsageError, match="--gpu_ids 1000: PyTorch sees"):
        check_gpu.choose_gpu(1000)


def test_parts_merge_in_one_file(tmp_path: Path, run: Programs) -> None:
    file = tmp_path / "gpu.json"
    for part in ("memory", "precision/fp16"):
        words = ("--gpu_ids", "-1", "--only", part, "--json", str(file))
        result = run.call(check_gpu.main, "check_gpu.py", *words).ok()
    titles = [row["check"] for row in json.loads(file.read_text())["rows"]]
    assert titles == ["memory/train", "memory/test", "precision/fp16"]
    assert all(title in result.out for title in titles)


@pytest.mark.parametrize("line", ["error: out of memory on cuda:0; to use less: x", "Killed"])
def test_lines_of_memory(setup: Setup, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """The check that needs a GPU judges the last line and the status."""

    def program(main, words: list[str], log: Path) -> int:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{line}\n")
        return 1

    monkeypatch.setattr(memory, "run_program", program)
    assert memory.lines(setup, "train").status == (OK if "memory" in line else FAILED)


@pytest.mark.parametrize("package", ["pytest", "xdist"])
def test_a_line_if_pytest_is_missing(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    verdict = gpu_tests.run(setup)
    assert verdict.status == SKIPPED and f"{package} is not installed" in verdict.line


@pytest.mark.slow
def test_settings_of_a_gpu_are_accepted(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting of the full checks runs on the CPU, too; fp16 and CUDA graphs do not."""
    monkeypatch.setattr(exact, "REDUCED", exact.SETTINGS)
    monkeypatch.setattr(deterministic, "REDUCED", deterministic.SETTINGS)
    monkeypatch.setattr(guard, "REDUCED", {"skip": [p for p in guard.PATHS if p != "fp16"]})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        verdict = exact.compare(setup, "cycle_gan")
        assert verdict.status == OK and len(verdict.figures) == len(exact.SETTINGS)
        assert guard.plant(setup, "skip").status == OK
        assert deterministic.repeat(setup).status == OK
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_program_on_the_cpu(tmp_path: Path) -> None:
    """All checks that need no GPU pass without optional packages, and each line is there."""
    file, missing = tmp_path / "gpu.json", tmp_path / "missing"
    missing.mkdir()
    for package in OPTIONAL:
        (missing / f"{package}.py").write_text(f"raise ImportError(name={package!r})\n")
    words = ["--gpu_ids", "-1", "--json", str(file), "--patience", "5", "--official", "."]
    command = [sys.executable, "scripts/check_gpu.py", *words]
    environment = os.environ | {"PYTHONPATH": str(missing)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {row["check"]: row for row in json.loads(file.read_text())["rows"]}
    assert list(found) == [check.title for check in all_checks()]
    skipped = {title for title, row in found.items() if row["status"] == SKIPPED}
    assert skipped == {check.title for check in all_checks() if check.needs_gpu}
    assert "times defaults" in found["speed/float32"]["figures"]["--channels_last"]
    assert "official code" in found["speed/float32"]["figures"]
    assert "No advice: these checks ran on the CPU" in done.stdout.splitlines()[-1]

"""The demo with bf16 and compiled reaches the quality of float32, within the seeds' spread."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import test
import train
from scripts import demo, evaluate
from scripts.gpu.checks import ATLAS, Check, Setup, Tally, Verdict
from scripts.gpu.processes import last, run_program, start_program

RUNS = {
    "seed 1": "--seed 1",
    "seed 2": "--seed 2",
    "seed 3": "--seed 3",
    "bf16": "--seed 1 --amp bf16",
    "compiled": "--seed 1 --compile",
    "compiled bf16 channels_last": "--seed 1 --compile --amp bf16 --channels_last",
}
REDUCED = ("seed 1", "bf16")
TINY = """--max_dataset_size 1 --n_epochs 1 --ngf 4 --ndf 4
    --panel_size 0 --no_html"""
# Decibels by which a run may be worse than the worst of three seeds. On CPUs three seeds spread by
# 2.8 dB in maps (fake_B) and by 0.4 dB in photos (docs/demo.md).
MARGINS = {"fake_B": 3.0, "fake_A": 1.5}


def checks() -> list[Check]:
    return [Check("demo", "quality", quality, (), 420)]


def quality(setup: Setup) -> Verdict:
    """Train the demo with three seeds in float32, and with options of speed, all at once."""
    tally = Tally()
    processes = {}
    for name in RUNS if setup.full else REDUCED:
        folder = setup.folder / name.replace(" ", "_")
        folder.mkdir()
        words = ["train.py", *command(demo.TRAIN), "--ema", str(demo.EMA), *RUNS[name].split()]
        words += place(folder, setup)
        words += [] if setup.full else TINY.split()
        processes[name] = start_program(train.main, words, folder / "train.txt")
    scores: dict[str, dict[str, float]] = {}
    for name, process in processes.items():
        process.join()
        folder = setup.folder / name.replace(" ", "_")
        if process.exitcode:
            problem = f"status {process.exitcode}: {last(folder / 'train.txt')}"
            tally.add(name, problem, problem)
        elif isinstance(score := measure(folder, setup), str):
            tally.add(name, score, score)
        else:
            tally.add(name, score)
            scores[name] = score
    seeds = [score for name, score in scores.items() if name.startswith("seed")]
    for name, score in scores.items() if seeds and setup.full else ():
        if problem := worse(score, seeds):
            tally.problems.append(f"{name}: {problem}")
    return tally.verdict("; ".join(f"{name} {brief(score)}" for name, score in scores.items()))


def worse(score: dict[str, float], seeds: list[dict[str, float]]) -> str:
    """Return what is worse than the worst seed by more than the margin, else ""."""
    for key, value in score.items():
        least = min(seed[key] for seed in seeds)
        if value < least - MARGINS[key]:
            return f"{key} {value:.1f} dB, with other seeds at least {least:.1f}"
    return ""


def brief(score: dict[str, float]) -> str:
    return "/".join(f"{value:.1f}" for value in score.values()) + " dB"


def command(settings: str) -> list[str]:
    """The words of a program's settings in scripts/demo.py, with the dataset's absolute path."""
    return ["--name", "atlas", *shlex.split(settings.replace(demo.DATA, shlex.quote(str(ATLAS))))]


def place(folder: Path, setup: Setup) -> list[str]:
    return ["--checkpoints_dir", str(folder), "--gpu_ids", str(setup.gpu)]


def measure(folder: Path, setup: Setup) -> dict[str, float] | str:
    """Return the mean PSNR in dB of both directions, or what went wrong."""
    log = folder / "test.txt"
    words = [
        "test.py",
        *command(demo.TEST),
        "--ema",
        *place(folder, setup),
        "--results_dir",
        str(folder / "results"),
    ]
    words += [] if setup.full else ["--num_test", "2", "--num_threads", "0"]
    if status := run_program(test.main, words, log):
        return f"test.py: status {status}: {last(log)}"
    images = folder / "results" / "atlas" / "test_latest" / "images"
    scores = {}
    for label, target in (("fake_B", "testB"), ("fake_A", "testA")):
        file, log = folder / f"{label}.json", folder / f"{label}.txt"
        words = ["evaluate.py", "--fake", f"{images}:{label}", "--json", str(file)]
        words += ["--real", str(ATLAS / target)]
        if status := run_program(evaluate.main, words, log):
            return f"evaluate.py: status {status}: {last(log)}"
        report = json.loads(file.read_text())["evaluations"][0]
        scores[label] = report["rows"]["result"]["psnr"]
    return scores

"""Times and memory of a training step: the defaults, options of speed, and the official code.

Variants are measured in groups of four, each beside the defaults. All processes of a group measure
in turns, so that other load on the machine, and a GPU that becomes hot, slow all of them alike.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.gpu.checks import ERROR, OK, ROOT, Check, Setup, Verdict
from scripts.maintenance.benchmark import Case, Worker, make_images
from util.errors import UserError

DEFAULTS = "defaults"
OFFICIAL = "official code"
WAVES = {
    "float32": ("--no_tf32", "--channels_last", OFFICIAL),
    "half precision": ("--amp bf16", "--amp fp16", "--amp bf16 --channels_last"),
    "memory": ("--checkpoint_activations", "--accumulate 4", "--deterministic"),
    "compile": ("--compile", "--compile --amp bf16", "--compile --amp bf16 --channels_last"),
    "graphs": (
        "--compile --cuda_graphs",
        "--compile --amp bf16 --cuda_graphs",
        "--compile --amp bf16 --channels_last --cuda_graphs",
    ),
}
SLOW_TO_START = ("compile", "graphs")
REDUCED = {"float32": ("--channels_last", OFFICIAL)}
TINY = "--netG resnet_6blocks --ngf 4 --ndf 4 --load_size 32 --crop_size 32"
COLUMNS = ("ms", "host ms", "peak MB", "images/s", "images/s with loader")


def checks() -> list[Check]:
    waves = [
        Check(
            "speed",
            name,
            measure,
            (name,),
            120 if name in SLOW_TO_START else 60,
            needs_gpu=name not in REDUCED,
        )
        for name in WAVES
    ]
    return [*waves, Check("speed", "loader", loader, (), 40)]


def measure(setup: Setup, wave: str) -> Verdict:
    """Measure the defaults and the variants of a wave; figures: variant -> column -> number."""
    variants = [DEFAULTS, *(WAVES if setup.full else REDUCED)[wave]]
    if not setup.official:
        variants = [name for name in variants if name != OFFICIAL]
    data = images(setup)
    figures: dict[str, Any] = {}

    def start(name: str) -> Worker | None:
        try:
            return worker(setup, name, data)
        except UserError as error:  # e.g. no units for bf16: the others are measured all the same
            figures[name] = {"error": str(error)}
            return None

    with ThreadPoolExecutor(len(variants)) as pool:
        workers = dict(zip(variants, pool.map(start, variants), strict=True))
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    for number in range(3 if setup.full else 1):
        for name in variants[:: -1 if number % 2 else 1]:
            if running := workers[name]:
                try:
                    rounds[name].append(running.measure())
                except UserError as error:
                    figures[name], workers[name] = {"error": str(error)}, None
    for running in workers.values():
        if running:
            running.close()
    for name, found in rounds.items():
        if name not in figures:
            figures[name] = medians(found)
    add_ratios(figures)
    lines = [f"{name}: {brief(values)}" for name, values in figures.items()]
    errors = DEFAULTS if "error" in figures[DEFAULTS] else ""
    return Verdict(ERROR if errors else OK, "; ".join(lines), figures)


def worker(setup: Setup, name: str, data: Path, function: str = "details") -> Worker:
    """Start a process that measures a variant. Raises UserError: the process ended."""
    checkout = setup.official if name == OFFICIAL and setup.official else ROOT
    words = ["--dataroot", str(data), "--model", "cycle_gan", "--name", "speed"]
    words += ["--num_threads", "4" if setup.full else "0"]
    words += ["--checkpoints_dir", str(setup.folder / name.replace(" ", "_"))]
    if "gpu_ids" in (checkout / "options" / "base_options.py").read_text() or checkout == ROOT:
        words += ["--gpu_ids", str(setup.gpu)]  # the official code of 2025 has no such option
    words += [] if setup.full else TINY.split()
    words += [] if name in (DEFAULTS, OFFICIAL) else name.split()
    return Worker(checkout, Case("speed", name, function, "", "", 1), words)


def images(setup: Setup) -> Path:
    """Make a dataset of JPEG images."""
    return make_images(setup.folder / "images", *((256, 32) if setup.full else (32, 2)))


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of the numbers of several rounds, and the losses, which are all equal."""
    columns = [column for column in COLUMNS if column in rounds[0]]
    values = {c: round(statistics.median(r[c] for r in rounds), 3) for c in columns}
    return values | {"losses": rounds[0]["losses"]}


def add_ratios(figures: dict[str, Any]) -> None:
    """Add how many times more images per second a variant trains than the defaults."""
    base = figures[DEFAULTS].get("images/s")
    for values in figures.values():
        if base and "images/s" in values:
            values["times defaults"] = round(values["images/s"] / base, 3)


def brief(values: dict[str, Any]) -> str:
    if "error" in values:
        return f"error: {values['error']}"
    return f"{values['ms']:.1f} ms"


def loader(setup: Setup) -> Verdict:
    """Measure the images per second that the loader delivers while nothing trains."""
    running = worker(setup, DEFAULTS, images(setup), "load")
    found = [running.measure() for _ in range(4 if setup.full else 1)]
    running.close()
    speed = round(statistics.median(found[1:] or found), 1)
    return Verdict(OK, f"{speed} images/s", {"images/s": speed})

"""Measure a training step, the pipelines before and behind the network, saving, and the start: one table.

    python scripts/benchmark.py [--quick] [--only step input] [--json FILE]

Variants of a section run in processes of their own and take turns, so that what else the machine does meets all of them; the
table gives medians. Peak memory is that of the whole process (on CUDA: what PyTorch had allocated).
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.benchmark_cases import (  # noqa: E402
    Once,
    first_step,
    jpegs,
    loading,
    plain_loading,
    program,
    quiet,
    ranks,
    saving,
    step,
    testing,
)
from util.console import UserError, run_main, say  # noqa: E402


@dataclass
class Variant:
    """``build(*args)``, called in a process of its own, gives what is to be timed, and what else is to be said of it."""

    name: str
    build: Callable[..., tuple[Once, dict[str, Any]]]
    args: tuple = ()
    rounds: int = 0
    row: dict[str, Any] = field(default_factory=dict)


def work(pipe, build: Callable, args: tuple) -> None:
    """The process of one variant: measures whenever it is asked to, and at the end tells its peak memory."""
    try:
        with quiet():
            once, said = build(*args)
            pipe.send(said)
            while pipe.recv():
                start = time.perf_counter()
                images = once()
                pipe.send((-images / 1e9, 0) if images < 0 else (time.perf_counter() - start, images))
        import torch
        peak = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0
        pipe.send(peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    except Exception as error:
        pipe.send(error if isinstance(error, UserError) else UserError(f"{type(error).__name__}: {error}"))


def measure(section: str, variants: list[Variant], rounds: int) -> list[dict[str, Any]]:
    """Rows of a section: the variants take turns, one untimed round first."""
    context = multiprocessing.get_context("spawn")
    running: list[tuple[Variant, Any, Any, list]] = []
    for variant in variants:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, variant.build, variant.args))
        process.start()
        theirs.close()  # so that a process that dies is noticed
        running.append((variant, ours, process, []))
        answer = ours.recv()
        variant.row = {"section": section, "variant": variant.name}
        variant.row |= {"error": str(answer)} if isinstance(answer, Exception) else answer
    for i in range(rounds + 1):
        for variant, ours, _, times in running:
            if "error" in variant.row:
                continue
            ours.send(True)
            answer = ours.recv()
            if isinstance(answer, Exception):
                variant.row["error"] = str(answer)
            elif i:
                times.append(answer)
    for variant, ours, process, times in running:
        if times and "error" not in variant.row:
            ours.send(False)
            seconds = statistics.median(time for time, _ in times)
            images = times[0][1]
            variant.row |= {"ms": seconds * 1e3, "images_per_s": images / seconds if images else None, "peak_MB": ours.recv()}
        process.join()
    return [variant.row for variant in variants]


def sections(folder: Path, fast: bool) -> Iterator[tuple[str, list[Variant], int]]:
    """Name, variants, rounds. A section is added here."""
    small = ("--load_size", "64", "--crop_size", "64", "--ngf", "16", "--ndf", "16")
    yield "step", [Variant("64x64, ngf 16", step, (folder / "a", *small)),
                   *([] if fast else [Variant("256x256, defaults", step, (folder / "b",))])], 5 if fast else 7
    workers = min(2, os.cpu_count() or 1)
    for size in (256,) if fast else (256, 600):
        data = jpegs(folder / f"jpegs{size}", size, 20 if fast else 200)
        yield f"input {size}", [
            Variant(f"Pillow + torchvision, {workers} workers", plain_loading, (data, workers)),
            Variant(f"train.py, {workers} workers", loading, (data, workers)),
            *([Variant("  --jpeg_draft", loading, (data, workers, "--jpeg_draft"))] if size >= 572 else []),
            Variant("  --cache_images", loading, (data, workers, "--cache_images", str(folder / "cache")))], 3 if fast else 5
    jpegs(folder / "output" / "data", 256, 10 if fast else 40)
    yield "output", [Variant("one by one, Pillow's PNG", testing, (folder / "output", True)),
                     Variant("test.py", testing, (folder / "output", False))], 2 if fast else 3
    yield "saving", [Variant("save stops training for", saving, (folder / "save", *(small if fast else ())))], 3
    yield "ranks", [Variant(f"{count} x 1 thread, an image", ranks, (folder, count, 16 if fast else 64, *small))
                    for count in (1, 2)], 2 if fast else 5
    yield "start-up", [Variant("train.py --help", program, ("train.py", "--help")),
                       Variant("python -c 'import torch'", program, ("-c", "import torch")),
                       Variant("train.py until step 1 (tiny)", first_step, (folder,))], 2 if fast else 3


def machine() -> dict[str, Any]:
    import torch
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": found[1] if found else platform.processor(), "cores": cores, "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(), "torch": torch.__version__, "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases only, few rounds")
    parser.add_argument("--only", nargs="+", default=[""], metavar="SECTION", help="step, input, output, saving, ranks, start-up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    opt = parser.parse_args()
    here = machine()
    say(", ".join(f"{key} {value}" for key, value in here.items() if value))
    say(f"{'':10}{'':34}{'ms':>10}{'images/s':>10}{'peak MB':>9}{'operations':>11}")
    rows = []
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        for section, variants, rounds in sections(Path(folder), opt.quick):
            if not section.startswith(tuple(opt.only)):
                continue
            for row in measure(section, variants, rounds):
                rows.append(row)
                cells = "".join(f"{row[key]:>{width},.{digits}f}" if row.get(key) else " " * width for key, width, digits in (
                    ("ms", 10, 1), ("images_per_s", 10, 1), ("peak_MB", 9, 0), ("operations", 11, 0)))
                say(f"{section:10}{row['variant']:34}{row.get('error') or cells}  {row.get('note', '')}".rstrip())
    if opt.json:
        opt.json.write_text(json.dumps({"machine": here, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    run_main(main)

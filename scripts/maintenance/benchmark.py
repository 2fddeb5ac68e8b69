"""Measure a training step, the pipelines before and behind the network, saving, and the start: one table.

    python scripts/benchmark.py [--quick] [--only step input] [--json FILE]

Variants of a group run in processes of their own and take turns, so that what else the machine does meets all of them; the
table gives medians, and beside them how many times as fast a variant is as the first of its group. "processor" is the time that
all threads together computed. Peak memory is that of the whole process (on CUDA: what PyTorch had allocated). In full about ten
minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.maintenance.benchmark_cases import (  # noqa: E402
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
from util.checkpoint import write_atomically  # noqa: E402
from util.console import Progress, run_main, say  # noqa: E402
from util.errors import UserError  # noqa: E402

COLUMNS = (
    ("ms", "ms", 10, 1),
    ("times", "times", 7, 2),
    ("processor_ms", "processor", 10, 1),  # key, title, width, digits
    ("images_per_s", "images/s", 9, 2),
    ("peak_MB", "peak MB", 9, 0),
    ("operations", "operations", 11, 0),
)


@dataclass
class Variant:
    """``build(*args)``, called in a process of its own, gives what is to be timed, and what else is to be said of it."""

    name: str
    build: Callable[..., tuple[Once, dict[str, Any]]]
    args: tuple = ()
    row: dict[str, Any] = field(default_factory=dict)
    pipe: Any = None
    process: Any = None
    figures: list[dict[str, float]] = field(default_factory=list)

    def begin(self, row: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, self.build, self.args))
        self.process.start()
        theirs.close()  # so that a process that dies is noticed
        self.row = row | {"variant": self.name}
        self.row |= self.receive() or {}

    def receive(self) -> Any:
        """What its process sends; None where that was an error, which is then in the row."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            answer = UserError(f"its process died, exit code {self.process.exitcode}")
        if isinstance(answer, Exception):
            self.row["error"] = str(answer)
            return None
        return answer

    def measure(self, timed: bool) -> None:
        with contextlib.suppress(OSError):  # a dead process: receive() tells
            self.pipe.send(True)
        figures = self.receive()
        self.figures += [figures] if timed and figures else []

    def end(self) -> dict[str, Any]:
        """The row, when its process has ended."""
        if "error" not in self.row:
            median = {
                key: statistics.median(each[key] for each in self.figures)
                for key in self.figures[0]
            }
            seconds, images = median.pop("seconds"), median.pop("images", 0)
            self.pipe.send(False)
            self.row |= {
                "ms": seconds * 1e3,
                "images_per_s": images / seconds if images else None,
                "peak_MB": self.receive(),
                **median,
                "all_ms": [each["seconds"] * 1e3 for each in self.figures],
            }
        self.pipe.close()  # which ends a process that waits
        self.process.join()
        return self.row


def work(pipe, build: Callable, args: tuple) -> None:
    """The process of one variant: measures whenever it is asked to, and at the end tells its peak memory."""
    try:
        with quiet():
            once, said = build(*args)
            pipe.send(said)
            while pipe.recv():
                start = time.perf_counter()
                figures = once()
                pipe.send({"seconds": time.perf_counter() - start, **figures})
        pipe.send(
            peak() if "torch" in sys.modules else None
        )  # else a program of its own is measured
    except EOFError:  # the measuring was broken off
        return
    except Exception as error:
        pipe.send(
            error if isinstance(error, UserError) else UserError(f"{type(error).__name__}: {error}")
        )


def peak() -> float:
    """MiB."""
    import torch

    from models.training.memory import peak_of_process

    status = Path(
        "/proc/self/status"
    )  # on Linux; getrusage there counts what the parent had when it started this process
    own = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.is_file() else None
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return (on_gpu or (int(own[1]) * 1024 if own else peak_of_process())) / 2**20


def measure(
    section: str, variants: list[Variant], rounds: int, untimed: int = 1
) -> Iterator[dict[str, Any]]:
    """Rows of a group, each as soon as it is complete; the variants take turns, in ``untimed`` rounds first."""
    progress = Progress(len(variants) * (1 + untimed + rounds), section)
    running = []
    first = 0.0
    try:
        for variant in variants:
            variant.begin({"section": section})
            running.append(variant)
            progress.update()
        for i in range(1 - untimed, rounds + 1):
            for variant in list(running):
                if "error" not in variant.row:
                    variant.measure(i > 0)
                    progress.update(note=variant.name)
                if "error" in variant.row or i == rounds:
                    running.remove(variant)
                    row = variant.end()
                    if variant is variants[0] and len(variants) > 1:
                        first = row.get("ms", 0.0)
                    yield row | ({"times": first / row["ms"]} if first and "ms" in row else {})
    finally:
        progress.close()
        for variant in running:
            variant.pipe.close()


Group = tuple  # of (variants, rounds), and of untimed rounds where that is not 1
SMALL = ("--load_size", "64", "--crop_size", "64", "--ngf", "16")


def steps(folder: Path, fast: bool) -> Iterator[Group]:
    yield (
        [
            Variant("64x64, ngf 16, official way", step, ("official", folder, *SMALL)),
            Variant("  train.py", step, ("ours", folder, *SMALL)),
        ],
        3 if fast else 15,
    )
    if not fast:
        import torch

        more = [
            "",
            "--checkpoint_activations",
            *(["--amp bf16 --channels_last"] if torch.cuda.is_available() else []),
        ]
        yield (
            [
                Variant("256x256, defaults, official way", step, ("official", folder)),
                *(
                    Variant("  " + (args or "train.py"), step, ("ours", folder, *args.split()))
                    for args in more
                ),
            ],
            5,
        )


def inputs(folder: Path, fast: bool) -> Iterator[Group]:
    workers = min(2, os.cpu_count() or 1)
    for size in (256,) if fast else (256, 600):
        data = jpegs(folder / f"jpegs{size}", size, 20 if fast else 200)
        yield (
            [
                Variant(f"{size}x{size}, Pillow + torchvision", plain_loading, (data, workers)),
                Variant("  train.py", loading, (data, workers)),
                *(
                    [Variant("  --jpeg_draft", loading, (data, workers, "--jpeg_draft"))]
                    if size >= 572
                    else []
                ),
                Variant(
                    "  --cache_images",
                    loading,
                    (data, workers, "--cache_images", str(folder / "cache")),
                ),
            ],
            3 if fast else 5,
        )


def outputs(folder: Path, fast: bool) -> Iterator[Group]:
    jpegs(folder / "output" / "data", 256, 10 if fast else 40)
    yield (
        [
            Variant("one by one, Pillow's PNG", testing, (folder / "output", True)),
            Variant("test.py", testing, (folder / "output", False)),
        ],
        2 if fast else 3,
    )


def saves(folder: Path, fast: bool) -> Iterator[Group]:
    size = SMALL if fast else SMALL[:4]
    yield [Variant("a save stops training for", saving, (folder / "save", *size))], 3 if fast else 9


def processes(folder: Path, fast: bool) -> Iterator[Group]:
    yield (
        [
            Variant(
                f"{count} x 1 thread, an image", ranks, (folder, count, 16 if fast else 48, *SMALL)
            )
            for count in (1, 2)
        ],
        1 if fast else 3,
        0,
    )


def starts(folder: Path, fast: bool) -> Iterator[Group]:
    for variant in (
        Variant("train.py --help", program, ("train.py", "--help")),
        Variant("python -c 'import torch'", program, ("-c", "import torch")),
        Variant("train.py until step 1 (tiny)", first_step, (folder,)),
    ):
        yield [variant], 2 if fast else 3


SECTIONS: dict[str, Callable[[Path, bool], Iterator[Group]]] = {  # one is added here
    "step": steps,
    "input": inputs,
    "output": outputs,
    "saving": saves,
    "ranks": processes,
    "start-up": starts,
}


def machine() -> dict[str, Any]:
    import torch

    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": found[1] if found else platform.processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }


def show(row: dict[str, Any]) -> None:
    cells = "".join(
        f"{row[key]:>{width},.{digits}f}" if row.get(key) else " " * width
        for key, _, width, digits in COLUMNS
    )
    more = (
        "  copying {MB:,.0f} MB alone {copying_ms:.1f} ms, written after {written_after_s:.2f} s".format(
            **row
        )
        if "copying_ms" in row
        else ""
    )
    say(f"{row['section']:10}{row['variant']:34}{row.get('error') or cells + more}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small cases only, few rounds")
    parser.add_argument(
        "--only",
        nargs="+",
        default=SECTIONS,
        choices=SECTIONS,
        metavar="SECTION",
        help=", ".join(SECTIONS),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    opt = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "rows": []}
    say(", ".join(f"{key} {value}" for key, value in found["machine"].items() if value))
    say(" " * 44 + "".join(f"{title:>{width}}" for _, title, width, _ in COLUMNS))
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        for section in (name for name in SECTIONS if name in opt.only):
            for group in SECTIONS[section](Path(folder), opt.quick):
                for row in measure(section, *group):
                    show(row)
                    found["rows"].append(row)
                    if opt.json:  # what there is, should the rest be broken off
                        write_atomically(
                            opt.json, (json.dumps(found, indent=1) + "\n").encode(), "--json"
                        )


if __name__ == "__main__":
    run_main(main)

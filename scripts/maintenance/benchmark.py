"""Measure speed and memory of this checkout, alone or side by side with another one.

    python scripts/benchmark.py --quick --json numbers.json
    python scripts/benchmark.py --only step peak
    git worktree add ../before COMMIT
    python scripts/benchmark.py --against ../before

``--against`` takes an older checkout of this project or, for step, peak, input and output, a clone
of the official code. Both checkouts run each case in processes of their own, in turns, so that
other load on the machine slows both. The table shows medians. "Ratio" is the median of the paired
ratios: above 1, this checkout is faster or needs less memory. A comparison takes about twenty
minutes on 2 cores, --quick one or two.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from data.image_file import open_image  # noqa: E402
from options.flags.flag import Flag  # noqa: E402
from scripts.arguments import Arguments, Output  # noqa: E402
from util.console import run_main, say  # noqa: E402
from util.errors import UserError  # noqa: E402
from util.files import real_path, write_atomically  # noqa: E402
from util.limits import whole  # noqa: E402

WORKER = Path(__file__).with_name("benchmark_worker.py")
ATLAS = f"--dataroot {ROOT / 'datasets' / 'atlas'}"
SMALL = "--load_size 64 --crop_size 64 --ngf 16"
LARGE = "--dataroot {600} --num_threads 2"
RECOMPUTE = "--checkpoint_activations"
QUIET = "--display_id 0 --no_html"
THREE_STEPS = f"{ATLAS} {QUIET} --max_dataset_size 3 --n_epochs 1 --n_epochs_decay 0"
SAVES = f"{THREE_STEPS} --max_dataset_size 8 --save_latest_freq 4 --load_size 32 --crop_size 32"
SPEED = (
    "--no_tf32",
    "--channels_last",
    "--amp bf16",
    "--amp fp16",
    "--compile",
    "--compile --amp bf16",
    "--compile --amp bf16 --channels_last",
    "--compile --cuda_graphs",
    "--compile --amp bf16 --channels_last --cuda_graphs",
)
TINY = "--netG unet_128 --ngf 1 --ndf 1 --load_size 256 --crop_size 256"


class Case(NamedTuple):
    """A row of the table: ``function`` of benchmark_worker.py, called with ``args``."""

    section: str
    title: str
    function: str
    args: str  # options of train.py; "{256}" is a folder of images of that size
    unit: str
    rounds: int
    quick: bool = False  # True: also part of --quick
    cuda: bool = False  # True: only on GPUs


CASES = (
    Case("step", "64x64, ngf 16", "step", f"{ATLAS} {SMALL}", "ms", 15, True),
    Case("step", "256x256", "step", ATLAS, "ms", 7),
    Case("step", f"  {RECOMPUTE}", "step", f"{ATLAS} {RECOMPUTE}", "ms", 3),
    *(
        Case("step", f"  {options}", "step", f"{ATLAS} {options}", "ms", 7, cuda=True)
        for options in SPEED
    ),
    Case("peak", "64x64, ngf 16", "peak", f"{THREE_STEPS} {SMALL}", "MB", 1, True),
    Case("peak", "256x256", "peak", THREE_STEPS, "MB", 1),
    Case("peak", f"  {RECOMPUTE}", "peak", f"{THREE_STEPS} {RECOMPUTE}", "MB", 1),
    Case("input", "256x256", "load", "--dataroot {256} --num_threads 2", "images/s", 5, True),
    Case("input", "600x600", "load", LARGE, "images/s", 3),
    Case("input", "  --jpeg_draft", "load", f"{LARGE} --jpeg_draft", "images/s", 3),
    Case(
        "output",
        "256x256, tiny network",
        "translate",
        f"--dataroot {{256}} {TINY}",
        "images/s",
        3,
        True,
    ),
    Case("saving", "ngf 16", "save", f"{SAVES} --ngf 16 --ndf 16", "ms", 3, True),
    Case("saving", "ngf 64", "save", SAVES, "ms", 3),
    Case("start-up", "train.py --help", "help", "", "ms", 5, True),
    Case("start-up", "train.py, 3 small steps", "train", f"{THREE_STEPS} {TINY}", "ms", 3, True),
)
SECTIONS = tuple(dict.fromkeys(case.section for case in CASES))
FLAGS = (
    Flag("against", Path, None, "another checkout to compare with", metavar="FOLDER"),
    Flag("quick", bool, False, "small cases only, at most 3 rounds"),
    Flag("only", SECTIONS, SECTIONS, "sections to measure", nargs="+"),
    Flag(
        "gpu_ids",
        whole(-1, 1023),
        None,
        "0 for a GPU, -1 for the CPU (default: a GPU if there is one)",
    ),
    Flag("json", Output(), None, "write all numbers to FILE, too", metavar="FILE"),
)


@dataclass
class Result:
    """The numbers measured for a case: ``this`` checkout, the ``other`` one, and their ratio."""

    section: str
    title: str
    unit: str
    this: list[float]
    other: list[float]
    ratio: float | None = None
    error: str = ""

    def finish(self) -> None:
        """Compute the ratio, which is above 1 if this checkout is better."""
        if self.other and not self.error:
            faster = self.unit != "images/s"
            pairs = zip(self.this, self.other, strict=True)
            self.ratio = statistics.median(b / a if faster else a / b for a, b in pairs)

    def line(self) -> str:
        numbers = [
            f"{statistics.median(side):,.2f}" if side else "" for side in (self.this, self.other)
        ]
        ratio = f"{self.ratio:.3f}" if self.ratio else ""
        cells = self.error or f"{numbers[0]:>11} {numbers[1]:>11} {ratio:>7}  {self.unit}"
        return f"{self.section:9} {self.title:27} {cells}"


class Worker:
    """A process that measures one case with one checkout, whenever it is asked to.

    Raises:
        UserError: the process ended; the message is the last line that it printed.
    """

    def __init__(self, checkout: Path, case: Case, args: list[str]) -> None:
        self.name = str(checkout)
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        command = [sys.executable, str(WORKER), case.function, *args]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            cwd=checkout,
            stdin=pipe,
            stdout=pipe,
            stderr=self.log,
            encoding="utf-8",
            bufsize=1,
        )
        self._answer()

    def measure(self) -> Any:
        """Return a number, or a dict of numbers, as the worker's function does."""
        with contextlib.suppress(BrokenPipeError):  # the missing answer is reported below
            self.process.stdin.write("measure\n")  # type: ignore[union-attr]
        return json.loads(self._answer())

    def close(self) -> None:
        self.process.communicate()
        self.log.close()

    def _answer(self) -> str:
        answer = self.process.stdout.readline()  # type: ignore[union-attr]
        if not answer:
            status = self.process.wait()
            self.log.seek(0)
            last = (self.log.read().strip().splitlines() or ["no output"])[-1]
            raise UserError(f"status {status} in {self.name}: {last}")
        return answer


def measure(case: Case, checkouts: list[Path], args: list[list[str]], quick: bool) -> Result:
    """Measure a case with one or two checkouts in turns; errors are reported in the result."""
    result = Result(case.section, case.title, case.unit, [], [])
    workers: list[Worker] = []
    try:
        for checkout, words in zip(checkouts, args, strict=True):
            workers.append(Worker(checkout, case, words))
        if case.rounds > 1:  # the first measurement fills caches
            for worker in workers:
                worker.measure()
        for i in range(min(case.rounds, 3) if quick else case.rounds):
            order = list(zip(workers, (result.this, result.other), strict=False))
            for worker, values in order[:: -1 if i % 2 else 1]:
                values.append(worker.measure())
    except UserError as error:
        result.error = str(error)
    finally:
        for worker in workers:
            worker.close()
    result.finish()
    return result


def make_images(folder: Path, size: int, count: int) -> Path:
    """Write trainA and trainB with ``count`` JPEG images each, made from the bundled dataset."""
    for domain in "AB":
        sources = sorted((ROOT / "datasets" / "atlas" / f"train{domain}").iterdir())
        (folder / f"train{domain}").mkdir(parents=True)
        for i in range(count):
            with open_image(str(sources[i % len(sources)])) as image:
                large = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            large.save(folder / f"train{domain}" / f"{i}.jpg", quality=90)
    return folder


def machine() -> dict[str, Any]:
    """The hardware and the versions that the numbers depend on."""
    import torch

    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def results(opt: Any, folder: Path, cuda: bool) -> Iterator[Result]:
    """The results of the chosen cases, one after the other."""
    checkouts = [ROOT, *([real_path(opt.against)] if opt.against else [])]
    images: dict[str, Path] = {}
    for case in CASES:
        left_out = (opt.quick and not case.quick) or (case.cuda and not cuda)
        if left_out or case.section not in opt.only:
            continue
        text = case.args
        for size in re.findall(r"{(\d+)}", text):
            if size not in images:
                images[size] = make_images(folder / size, int(size), 20 if opt.quick else 100)
            text = text.replace(f"{{{size}}}", str(images[size]))
        common = f"--model cycle_gan --gpu_ids {opt.gpu_ids} --name benchmark --num_threads 0"
        words = [*common.split(), *text.split(), "--checkpoints_dir"]
        args = [[*words, str(folder / str(i))] for i in range(len(checkouts))]
        yield measure(case, checkouts, args, opt.quick)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def parse() -> Any:
    opt = build_parser().parse_args()
    if opt.against and not (opt.against / "train.py").is_file():
        raise UserError(f"--against {opt.against}: not a checkout, it has no train.py")
    return opt


def main() -> None:
    opt = parse()
    report: dict[str, Any] = {"machine": machine(), "rows": []}
    if opt.gpu_ids is None:
        opt.gpu_ids = 0 if report["machine"]["gpu"] else -1
    say(", ".join(f"{key} {value}" for key, value in report["machine"].items() if value))
    titles = ("this", "other", "ratio") if opt.against else ("this", "", "")
    say("{:37} {:>11} {:>11} {:>7}".format("", *titles))
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        for result in results(opt, Path(folder), opt.gpu_ids >= 0):
            say(result.line())
            report["rows"].append(asdict(result))
            if opt.json:  # after each row, so that an interrupted run leaves its numbers
                write_atomically(opt.json, (json.dumps(report, indent=1) + "\n").encode(), "--json")


if __name__ == "__main__":
    run_main(main)

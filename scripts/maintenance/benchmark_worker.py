"""Measure one case with the checkout in the current directory: ``worker CASE OPTIONS``.

``scripts/benchmark.py`` starts this file once for each case and checkout. Each line on standard
input asks for one measurement, answered with a JSON value on standard output. Everything that the
checkout prints goes to standard error. Only names that old checkouts (and, for ``step``, ``input``
and ``output``, the official code) have too are imported, so any two of them can be compared.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

Measurement = Callable[[], float | dict[str, Any]]


def options(args: list[str]) -> Any:
    from options.train_options import TrainOptions

    sys.argv = ["train.py", *args]
    opt = TrainOptions().parse()
    if not hasattr(opt, "device"):  # in the official code, scripts or models choose the device
        import torch

        gpu = torch.cuda.is_available() and getattr(opt, "gpu_ids", [0])
        opt.device = torch.device(f"cuda:{gpu[0]}" if gpu else "cpu")
    return opt


def training(args: list[str]) -> tuple[Any, Any, Any]:
    """The options, the batches and the model of a training."""
    from data import create_dataset
    from models import create_model

    opt = options(args)
    if getattr(opt, "deterministic", False):
        from util.seeds import seed_everything

        seed_everything(0, deterministic=True)
    batches = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    batches.device = str(model.device)
    return opt, batches, model


def training_step(opt: Any, model: Any) -> Callable[[Any], object]:
    """The function that train.py calls with each batch."""
    try:
        from models.training.step import Step
    except ImportError:
        try:
            from models.step import Step  # type: ignore[import-not-found, no-redef]
        except ImportError:  # the official code
            return lambda batch: (model.set_input(batch), model.optimize_parameters())
    return Step(opt, model)


def step(args: list[str]) -> Measurement:
    """Milliseconds per training step on one batch, averaged over steps that take about a second."""
    import torch

    opt, batches, model = training(args)
    train_on, batch = training_step(opt, model), next(iter(batches))

    def milliseconds(steps: int) -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            train_on(batch)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) * 1e3 / steps

    milliseconds(1)  # Adam allocates its moments
    steps = max(1, min(50, round(1000 / milliseconds(1))))
    return lambda: milliseconds(steps)


def details(args: list[str]) -> Measurement:
    """Times of steps on one batch and on those of the loader, peak memory, and first losses.

    "ms" is the time of a step among many; "host ms" is the time until a single step returns, when
    a GPU may still be computing.
    """
    import torch

    torch.manual_seed(0)
    opt, batches, model = training(args)
    train_on, batch = training_step(opt, model), next(iter(batches))
    on_gpu = model.device.type == "cuda"
    wait: Callable[[], object] = torch.cuda.synchronize if on_gpu else lambda: None
    losses = []
    for _ in range(3):  # Adam allocates its moments, cuDNN chooses algorithms
        train_on(batch)
        losses.append({k: round(float(v), 4) for k, v in model.get_current_losses().items()})
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()

    def seconds(items: Iterable[Any]) -> float:
        wait()
        begin = time.perf_counter()
        for item in items:
            train_on(item)
        wait()
        return time.perf_counter() - begin

    def host_seconds() -> float:
        wait()
        begin = time.perf_counter()
        train_on(batch)
        return time.perf_counter() - begin

    def measure() -> dict[str, Any]:
        host = statistics.median(host_seconds() for _ in range(3))
        steps = max(1, min(50, round(1 / seconds([batch]))))
        step_seconds = seconds([batch] * steps) / steps
        return {
            "ms": step_seconds * 1e3,
            "host ms": host * 1e3,
            "images/s": len(batch["A_paths"]) / step_seconds,
            "images/s with loader": len(batches) / seconds(batches),
            **({"peak MB": torch.cuda.max_memory_allocated() / 2**20} if on_gpu else {}),
            "losses": losses,
        }

    return measure


def peak(args: list[str]) -> Measurement:
    """Peak memory of train.py in MiB: PyTorch's on a GPU, that of the whole process on a CPU."""

    def megabytes() -> float:
        import torch

        sys.argv = ["train.py", *args]
        runpy.run_path("train.py", run_name="__main__")
        if torch.cuda.is_initialized():
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status")  # getrusage includes the parent's memory on Linux
        if status.is_file() and (size := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
            return int(size[1]) / 1024
        if not resource:
            raise SystemExit("error: the peak of memory cannot be read on Windows")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS

    return megabytes


def load(args: list[str]) -> Measurement:
    """Images per second that the data loader delivers while nothing trains."""
    from data import create_dataset

    opt = options(args)
    batches = create_dataset(opt)
    batches.device = str(opt.device)

    def images_per_second() -> float:
        begin = time.perf_counter()
        return 2 * sum(1 for _ in batches) / (time.perf_counter() - begin)

    return images_per_second


def translate(args: list[str]) -> Measurement:
    """Images per second that test.py translates and writes with both generators."""
    opt, batches, model = training(args)
    model.save_networks("latest")
    results = ["--phase", "train", "--results_dir", f"{opt.checkpoints_dir}/results"]

    def images_per_second() -> float:
        sys.argv = ["test.py", *args, *results]
        begin = time.perf_counter()
        runpy.run_path("test.py", run_name="__main__")
        return 2 * len(batches) / (time.perf_counter() - begin)

    return images_per_second


def save(args: list[str]) -> Measurement:
    """Milliseconds for which a save stops train.py, the median of all saves of a short run."""
    try:
        from models.training.run_state import RunState
    except ImportError:
        from util.run_state import RunState  # type: ignore[import-not-found, no-redef]
    seconds: list[float] = []
    original = RunState.save

    def timed(self: RunState, *names: int | str) -> None:
        begin = time.perf_counter()
        original(self, *names)
        seconds.append(time.perf_counter() - begin)

    RunState.save = timed  # type: ignore[method-assign]

    def milliseconds() -> float:
        seconds.clear()
        sys.argv = ["train.py", *args]
        runpy.run_path("train.py", run_name="__main__")
        return statistics.median(seconds) * 1e3

    return milliseconds


def program(args: list[str]) -> Measurement:
    """Milliseconds from the start of train.py to its end."""

    def milliseconds() -> float:
        begin = time.perf_counter()
        command = [sys.executable, "train.py", *args]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return (time.perf_counter() - begin) * 1e3

    return milliseconds


CASES: dict[str, Callable[[list[str]], Measurement]] = {
    "step": step,
    "details": details,
    "peak": peak,
    "load": load,
    "translate": translate,
    "save": save,
    "train": program,
    "help": lambda _: program(["--help"]),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in CASES:
        print(f"error: the first argument should be one of {', '.join(CASES)}", file=sys.stderr)
        sys.exit(2)
    sys.path[0] = os.getcwd()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    measure = CASES[sys.argv[1]](sys.argv[2:])
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=answers, flush=True)


if __name__ == "__main__":
    main()

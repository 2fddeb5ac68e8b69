"""Measure a training step, the pipelines before and behind the network, saving, and the start: one table.

    python scripts/benchmark.py [--quick] [--only step input] [--json FILE]

Variants of a section run in processes of their own and take turns, so that what else the machine does meets all of them; the
table gives medians. Peak memory is that of the whole process (on CUDA: what PyTorch had allocated).
"""
from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from util.console import UserError, run_main, say  # noqa: E402

Once = Callable[[], int]  # one measurement; returns how many images it went through
QUIET = ["--display_id", "0", "--no_html", "--seed", "1"]


@dataclass
class Variant:
    """``build(*args)``, called in a process of its own, gives what is to be timed, and what else is to be said of it."""

    name: str
    build: Callable[..., tuple[Once, dict[str, Any]]]
    args: tuple = ()
    rounds: int = 0
    row: dict[str, Any] = field(default_factory=dict)


# What is measured

def quiet() -> contextlib.redirect_stdout:
    return contextlib.redirect_stdout(io.StringIO())


def training(folder: Path, *args: str) -> tuple[Any, Any, Any]:
    """(opt, dataset, model) of a training on the atlas set with ``args``."""
    from data import create_dataset
    from models import create_model
    from options.train_options import TrainOptions
    from util.seeds import seed_everything
    opt = TrainOptions().parse(["--dataroot", str(ROOT / "datasets/atlas"), "--checkpoints_dir", str(folder), "--name", "bench",
                                "--num_threads", "0", *QUIET, *args])
    seed_everything(opt.seed)
    model = create_model(opt)
    model.setup(opt)
    model.update_learning_rate()
    return opt, create_dataset(opt), model


def step(folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """One training step on a batch that lies ready."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from models import feed
    opt, dataset, model = training(folder, *args)
    batch = next(iter(dataset))
    step = lambda: (feed(model, batch), model.optimize_parameters())  # noqa: E731

    class Count(TorchDispatchMode):
        operations = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            Count.operations += 1
            return func(*args, **(kwargs or {}))

    def once() -> int:
        step()
        if opt.device.startswith("cuda"):
            torch.cuda.synchronize()
        return opt.batch_size

    step()
    with Count():
        step()
    return once, {"operations": Count.operations}


def jpegs(folder: Path, size: int, count: int) -> Path:
    """trainA and trainB: the set's photos at ``size``."""
    from PIL import Image
    for domain in "AB":
        sources = sorted((ROOT / "datasets/atlas" / f"train{domain}").iterdir())
        (folder / f"train{domain}").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            with Image.open(sources[i % len(sources)]) as image:
                image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC).save(
                    folder / f"train{domain}" / f"{i}.jpg", quality=90)
    return folder


class Plain:
    """What one writes by hand: Pillow and torchvision, floats from the workers."""

    def __init__(self, folder: Path) -> None:
        from torchvision import transforms
        self.files = [sorted((folder / f"train{domain}").iterdir()) for domain in "AB"]
        self.transform = transforms.Compose([
            transforms.Resize([286, 286], transforms.InterpolationMode.BICUBIC), transforms.RandomCrop(256),
            transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

    def __len__(self) -> int:
        return len(self.files[0])

    def __getitem__(self, index: int) -> dict:
        from PIL import Image
        return {domain: self.transform(Image.open(files[index]).convert("RGB")) for domain, files in zip("AB", self.files)}  # noqa: B905


def loading(folder: Path, workers: int, *args: str, plain: bool = False) -> tuple[Once, dict[str, Any]]:
    """One epoch of batches, in a process that does nothing else."""
    import torch
    torch.set_num_threads(1)
    if plain:
        from torch.utils.data import DataLoader
        batches: Any = DataLoader(Plain(folder), shuffle=True, num_workers=workers, persistent_workers=workers > 0)  # type: ignore
    else:
        from data import create_dataset
        from options.train_options import TrainOptions
        batches = create_dataset(TrainOptions().parse(["--dataroot", str(folder), "--gpu_ids", "-1", "--num_threads",
                                                       str(workers), "--checkpoints_dir", str(folder / "runs"), *args], False))
    return lambda: 2 * sum(1 for _ in batches), {}


def plain_loading(folder: Path, workers: int) -> tuple[Once, dict[str, Any]]:
    return loading(folder, workers, plain=True)


def testing(folder: Path, plain: bool) -> tuple[Once, dict[str, Any]]:
    """test.py of a tiny CycleGAN; or translating and writing one image after the other with Pillow's defaults."""
    from PIL import Image

    import test
    from data import create_dataset
    from models import create_model, feed
    from options.test_options import TestOptions
    from util.images import tensor2im
    args = ["--dataroot", str(folder / "data"), "--checkpoints_dir", str(folder), "--name", "bench", "--phase", "train",
            "--results_dir", str(folder / f"results{plain}"), "--gpu_ids", "-1", "--load_size", "256", "--crop_size", "256"]
    if not (folder / "bench").is_dir():
        training(folder, "--ngf", "1", "--ndf", "1", "--netG", "resnet_6blocks")[2].save_networks("latest")

    def by_hand() -> int:
        opt = TestOptions().parse(args, record=False)
        model = create_model(opt)
        model.setup(opt)
        target, count = folder / "plain", 0
        target.mkdir(exist_ok=True)
        for data in create_dataset(opt):
            feed(model, data)
            model.test()
            for label, image in model.get_current_visuals().items():
                Image.fromarray(tensor2im(image)).save(target / f"{count}_{label}.png")
            count += 1
        return count

    def ours() -> int:
        sys.argv = ["test.py", *args]
        test.main()
        return len([*(folder / "data/trainA").iterdir()])

    return by_hand if plain else ours, {}


def saving(folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """How long a save stops the training; the row also tells how long it takes in all."""
    from util.run_state import RunState
    from util.visualizer import Visualizer
    opt, dataset, model = training(folder, *args)
    run = RunState(opt, model, dataset, Visualizer(opt))
    start = time.perf_counter()
    run.save("latest")
    run.background.wait()
    whole = time.perf_counter() - start

    def once() -> int:
        run.background.wait()
        begin = time.perf_counter()
        run.save("latest")
        return -round((time.perf_counter() - begin) * 1e9)  # the wait before it does not count

    return once, {"note": f"written after {whole:.2f} s"}


def program(*command: str) -> tuple[Once, dict[str, Any]]:
    """A program from its start to its end."""
    def once() -> int:
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
        return 0
    return once, {}


def first_step(folder: Path) -> tuple[Once, dict[str, Any]]:
    """train.py until the first step of a tiny network is logged."""
    def once() -> int:
        command = [sys.executable, "-u", "train.py", "--dataroot", "datasets/atlas", "--checkpoints_dir", str(folder), "--name", "start",
                   "--ngf", "2", "--ndf", "2", "--load_size", "32", "--crop_size", "32", "--print_freq", "1", *QUIET]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("(epoch"):
                    break
            process.kill()
        return 0
    return once, {}


# How it is measured

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
    running = []
    for variant in variants:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, variant.build, variant.args))
        process.start()
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
    size = small if fast else ()
    yield "saving", [Variant("save stops training for", saving, (folder / "save", *size))], 3
    yield "start-up", [Variant("train.py --help", program, ("train.py", "--help")),
                       Variant("python -c 'import torch'", program, ("-c", "import torch")),
                       Variant("train.py until step 1 (tiny)", first_step, (folder,))], 2 if fast else 3


def machine() -> dict[str, Any]:
    import torch
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")] \
        if Path("/proc/cpuinfo").is_file() else [platform.processor()]
    return {"cpu": next(iter(names), "?"), "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "threads": torch.get_num_threads(), "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(), "torch": torch.__version__, "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases only, few rounds")
    parser.add_argument("--only", nargs="+", default=[""], metavar="SECTION", help="step, input, output, saving, start-up")
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

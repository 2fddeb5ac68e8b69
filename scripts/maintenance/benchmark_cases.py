"""What ``scripts/benchmark.py`` measures: each function, called in a process of its own, gives what is to be timed."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from util.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
QUIET = ["--display_id", "0", "--no_html", "--seed", "1"]
Once = Callable[
    [], dict[str, float]
]  # one measurement: "images" it went through, "seconds" where it takes the time itself


def quiet() -> contextlib.redirect_stdout:
    return contextlib.redirect_stdout(io.StringIO())


def step(way: str, folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """One training step on a batch that lies ready, in one ``way`` of benchmark_step.py: ours or official."""
    from scripts.maintenance import benchmark_step

    return getattr(benchmark_step, way)(folder, *args)


def jpegs(folder: Path, size: int, count: int) -> Path:
    """trainA and trainB: the set's photos at ``size``."""
    from PIL import Image

    for domain in "AB":
        sources = sorted((ROOT / "datasets/atlas" / f"train{domain}").iterdir())
        (folder / f"train{domain}").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            with Image.open(sources[i % len(sources)]) as image:
                image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC).save(
                    folder / f"train{domain}" / f"{i}.jpg", quality=90
                )
    return folder


class Plain:
    """What one writes by hand: Pillow and torchvision, floats from the workers."""

    def __init__(self, folder: Path) -> None:
        from torchvision import transforms

        self.files = [sorted((folder / f"train{domain}").iterdir()) for domain in "AB"]
        self.transform = transforms.Compose(
            [
                transforms.Resize([286, 286], transforms.InterpolationMode.BICUBIC),
                transforms.RandomCrop(256),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files[0])

    def __getitem__(self, index: int) -> dict:
        from PIL import Image

        return {
            domain: self.transform(Image.open(files[index]).convert("RGB"))
            for domain, files in zip("AB", self.files, strict=True)
        }


def loading(
    folder: Path, workers: int, *args: str, plain: bool = False
) -> tuple[Once, dict[str, Any]]:
    """One epoch of batches, in a process that does nothing else."""
    import torch

    torch.set_num_threads(1)
    if plain:
        from torch.utils.data import DataLoader

        batches: Any = DataLoader(
            Plain(folder),  # type: ignore[arg-type]
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
    else:
        from data import create_dataset
        from options.train_options import TrainOptions

        batches = create_dataset(
            TrainOptions().parse(
                [
                    "--dataroot",
                    str(folder),
                    "--gpu_ids",
                    "-1",
                    "--num_threads",
                    str(workers),
                    "--checkpoints_dir",
                    str(folder / "runs"),
                    *args,
                ],
                False,
            )
        )
    return lambda: {"images": 2 * sum(1 for _ in batches)}, {}


def plain_loading(folder: Path, workers: int) -> tuple[Once, dict[str, Any]]:
    return loading(folder, workers, plain=True)


def testing(folder: Path, plain: bool) -> tuple[Once, dict[str, Any]]:
    """test.py of a tiny CycleGAN; or translating and writing one image after the other with Pillow's defaults."""
    import torch
    from PIL import Image

    import test
    from data import create_dataset
    from models import create_model, set_batch
    from options.test_options import TestOptions
    from scripts.maintenance.benchmark_step import training
    from util.images import tensor2im

    torch.set_num_threads(1)  # faster for so small a network
    args = [
        "--dataroot",
        str(folder / "data"),
        "--checkpoints_dir",
        str(folder),
        "--name",
        "bench",
        "--phase",
        "train",
        "--results_dir",
        str(folder / f"results{plain}"),
        "--gpu_ids",
        "-1",
        "--load_size",
        "256",
        "--crop_size",
        "256",
    ]
    if not (folder / "bench").is_dir():
        training(folder, "--ngf", "1", "--ndf", "1", "--netG", "unet_128")[2].save_networks(
            "latest"
        )

    def by_hand() -> dict[str, float]:
        opt = TestOptions().parse(args, record=False)
        model = create_model(opt)
        model.setup(opt)
        target, count = folder / "plain", 0
        target.mkdir(exist_ok=True)
        for data in create_dataset(opt):
            set_batch(model, data)
            model.test()
            for label, image in model.get_current_visuals().items():
                Image.fromarray(tensor2im(image)).save(target / f"{count}_{label}.png")
            count += 1
        return {"images": count}

    def ours() -> dict[str, float]:
        sys.argv = ["test.py", *args]
        test.main()
        return {"images": len([*(folder / "data/trainA").iterdir()])}

    return by_hand if plain else ours, {}


def saving(folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """How long a save stops the training; also how long it takes to copy the tensors that it writes, and to write them."""
    import torch
    from torch.utils._pytree import tree_leaves

    from models.training.report import Report
    from models.training.run_state import RunState
    from models.training.step import Step
    from scripts.maintenance.benchmark_step import training
    from util.visualizer import Visualizer

    opt, dataset, model = training(folder, *args)
    report = Report(opt, Visualizer(opt))
    run, step = RunState(opt, model, dataset, report), Step(opt, model)
    run.before_save = step.check
    step(next(iter(dataset)))  # so that the optimizers have their moments

    def once() -> dict[
        str, float
    ]:  # both in one process: what they take depends on the memory that it was given before
        begin = time.perf_counter()
        state = tree_leaves(model.training_state())
        copies = [value.to("cpu", copy=True) for value in state if isinstance(value, torch.Tensor)]
        copied, size = time.perf_counter() - begin, sum(each.nbytes for each in copies) / 1e6
        del copies
        begin = time.perf_counter()
        run.save("latest")
        stopped = time.perf_counter() - begin
        run.background.wait()
        return {
            "seconds": stopped,
            "MB": size,
            "copying_ms": copied * 1e3,
            "written_after_s": time.perf_counter() - begin,
        }

    return once, {}


def program(*command: str) -> tuple[Once, dict[str, Any]]:
    """A program from its start to its end."""

    def once() -> dict[str, float]:
        if said := lines([sys.executable, *command])[1]:
            raise UserError(said)
        return {}

    return once, {}


def lines(
    command: list[str], pattern: str = "", last: int = 0, **environment: str
) -> tuple[list[float], str]:
    """Run a program in the repository until it has printed ``last`` lines that begin with ``pattern``, or (0) to its end.

    Returns:
        (when those lines came, in seconds; what went wrong, empty if nothing did).
    """
    times: list[float] = []
    line = ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        for line in process.stdout or ():
            times += [time.perf_counter()] if pattern and line.startswith(pattern) else []
            if last and len(times) == last:
                process.kill()
                return times, ""
    failed = process.returncode or last
    return (
        times,
        f"{' '.join(command)} ended with status {process.returncode}: {line.strip()}"
        if failed
        else "",
    )


def ranks(folder: Path, count: int, images: int, *args: str) -> tuple[Once, dict[str, Any]]:
    """An image's share of the second epoch of a training in ``count`` processes of one thread each."""
    launcher = [
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        str(count),
        "--rdzv_backend",
        "c10d",
        "--rdzv_endpoint",
        "localhost:0",
    ]
    command = [
        sys.executable,
        "-u",
        *(launcher if count > 1 else []),
        "train.py",
        "--dataroot",
        "datasets/atlas",
        "--checkpoints_dir",
        str(folder),
        "--name",
        f"ranks{count}",
        "--num_threads",
        "0",
        "--max_dataset_size",
        str(images),
        "--print_freq",
        str(images),
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "0",
        *QUIET,
        *args,
    ]

    def once() -> dict[str, float]:
        times, error = lines(command, "(epoch", OMP_NUM_THREADS="1")
        if error or len(times) != 2:
            raise UserError(
                error or f"{' '.join(command)} printed {len(times)} lines of losses instead of 2"
            )
        return {"seconds": (times[1] - times[0]) / images, "images": 1}

    return once, {}


def first_step(folder: Path) -> tuple[Once, dict[str, Any]]:
    """train.py until the first step of a tiny network is logged."""
    command = [
        sys.executable,
        "-u",
        "train.py",
        "--dataroot",
        "datasets/atlas",
        "--checkpoints_dir",
        str(folder),
        "--name",
        "start",
        "--ngf",
        "2",
        "--ndf",
        "2",
        "--load_size",
        "32",
        "--crop_size",
        "32",
        "--print_freq",
        "1",
        *QUIET,
    ]

    def once() -> dict[str, float]:
        begin = time.perf_counter()
        times, error = lines(command, "(epoch", 1)
        if error:
            raise UserError(error)
        return {"seconds": times[0] - begin}

    return once, {}

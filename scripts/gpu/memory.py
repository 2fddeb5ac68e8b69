"""When a GPU's memory is used up, a program ends with one line that says what needs less."""

from __future__ import annotations

import functools
import re

import torch

import test
import train
from scripts.gpu.checks import ATLAS, FAILED, OK, Check, Setup, Verdict
from scripts.gpu.processes import failure, last, run_program

COMMON = f"--dataroot {ATLAS} --checkpoints_dir runs --name run --num_threads 0"
TINY = """--netG resnet_6blocks --ngf 4 --ndf 4 --load_size 32 --crop_size 32 --max_dataset_size 2
    --n_epochs 1 --n_epochs_decay 0 --display_id 0 --no_html --panel_size 0"""
LARGE = f"{TINY} --ngf 64 --load_size 512 --crop_size 512 --name large"
AVAILABLE = 0.5e9  # bytes of the GPU's memory that PyTorch may use


def checks() -> list[Check]:
    return [Check("memory", name, lines, (name,), 40, needs_gpu=True) for name in ("train", "test")]


def lines(setup: Setup, name: str) -> Verdict:
    """Run a program with too little memory, and look at its last line and its status."""
    folder, gpu = setup.folder, str(setup.gpu)
    common = [*COMMON.replace("runs", str(folder / "runs")).split(), "--gpu_ids", gpu]
    if name == "train":
        main, words = train.main, ["train.py", *common, *LARGE.split()]
    else:
        log = folder / "train.txt"
        if status := run_program(train.main, ["train.py", *common, *TINY.split()], log):
            return failure(status, log)
        results = ["--results_dir", str(folder / "results"), "--num_test", "1"]
        sizes = ["--load_size", "4096", "--crop_size", "4096"]
        main, words = test.main, ["test.py", *common, *results, *sizes]
    log = folder / f"{name}_limited.txt"
    status = run_program(functools.partial(limited, main, setup.gpu), words, log)
    expected = r"error: out of memory.*to use less: "
    if status != 1 or not re.search(expected, last(log)) or "Traceback" in log.read_text():
        return Verdict(FAILED, f"status {status}: {last(log)}")
    return Verdict(OK, last(log))


def limited(main, gpu: int) -> None:
    """Run ``main`` with a small part of the GPU's memory."""
    total = torch.cuda.get_device_properties(gpu).total_memory
    torch.cuda.set_per_process_memory_fraction(AVAILABLE / total, gpu)
    main()

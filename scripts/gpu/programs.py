"""test.py and load_generator give the pixels on the GPU that they give on the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

import test
import train
from data.image_file import open_image, read_image
from models import load_generator
from scripts.gpu.checks import ATLAS, FAILED, OK, Check, Setup, Tally, Verdict
from scripts.gpu.processes import failure, run_program

TRAIN = f"""--dataroot {ATLAS} --num_threads 0 --seed 1 --name run --netG resnet_6blocks --ngf 8
    --ndf 8 --load_size 64 --crop_size 64 --init_gain 0.1 --n_epochs 1 --n_epochs_decay 0
    --display_id 0 --no_html --panel_size 0 --gpu_ids -1"""
LEVELS = 1  # largest difference of a pixel, from 0 to 255


def checks() -> list[Check]:
    # Exported networks belong here, too, once a program exports them
    return [
        Check("programs", "test.py", test_program, (), 40),
        Check("programs", "load_generator", generator, (), 40),
    ]


def trained(setup: Setup) -> Verdict | None:
    """Train a small run on the CPU; returns a verdict only if that failed."""
    count = ["--max_dataset_size", "20" if setup.full else "1"]
    place = ["--checkpoints_dir", str(setup.folder)]
    log = setup.folder / "train.txt"
    status = run_program(train.main, ["train.py", *TRAIN.split(), *count, *place], log)
    return failure(status, log) if status else None


def test_program(setup: Setup) -> Verdict:
    """Compare the images that test.py writes, in float32 and in TF32."""
    if failed := trained(setup):
        return failed
    common = ["--dataroot", str(ATLAS), "--name", "run", "--checkpoints_dir", str(setup.folder)]
    common += ["--num_test", "20" if setup.full else "1", "--num_threads", "0"]
    folders = {}
    for name, gpu, tf32 in (("cpu", -1, "0"), ("gpu", setup.gpu, "0"), ("tf32", setup.gpu, "1")):
        if name == "tf32" and not setup.full:
            continue
        folders[name] = setup.folder / name
        os.environ["NVIDIA_TF32_OVERRIDE"] = tf32  # NVIDIA's libraries read it when they start
        words = ["--gpu_ids", str(gpu), "--results_dir", str(folders[name])]
        log = setup.folder / f"{name}.txt"
        if status := run_program(test.main, ["test.py", *common, *words], log):
            return failure(status, log)
    tally = Tally()
    for name in list(folders)[1:]:
        images = sorted(folders["cpu"].rglob("*_fake_?.png"))
        pairs = [(image, folders[name] / image.relative_to(folders["cpu"])) for image in images]
        largest = max(levels(*map(pixels, pair)) for pair in pairs)
        wrong = name == "gpu" and largest > LEVELS
        tally.add(name, largest, f"differs by {largest} levels" if wrong else "")
    return tally.verdict(f"largest difference in levels: {tally.figures}")


def generator(setup: Setup) -> Verdict:
    """Compare what load_generator returns for one image, in float32."""
    if failed := trained(setup):
        return failed
    torch.backends.cudnn.allow_tf32 = False
    image = read_image(str(min((ATLAS / "testA").iterdir())))
    results = [
        np.asarray(load_generator(setup.folder / "run", gpu_ids=gpu)(image))
        for gpu in (-1, setup.gpu)
    ]
    largest = levels(*results)
    status = FAILED if largest > LEVELS else OK
    return Verdict(status, f"largest difference: {largest} levels", {"levels": largest})


def pixels(file: Path) -> np.ndarray:
    with open_image(str(file)) as image:
        return np.asarray(image.convert("RGB"))


def levels(a: np.ndarray, b: np.ndarray) -> int:
    """Return the largest difference of two images of bytes."""
    return int(np.abs(a.astype(int) - b.astype(int)).max())

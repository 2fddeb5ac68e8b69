"""The tiny inputs of all programs, made once, and the odd files beside them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.pack_run import write_archive
from scripts.study_tools.key import with_checksum

FOLDERS = {  # folder -> names of its images
    "in/photos": ("a.png", "b.png"),
    "in/targets": ("a.png", "b.png"),
    "in/page": ("0_real_A.png", "0_fake_B.png", "1_real_A.png", "1_fake_B.png"),
    "in/A/train": ("a.png", "b.png"),
    "in/B/train": ("a.png", "b.png"),
    "in/leftImg8bit/train/x": ("x_0_0_leftImg8bit.png",),
    "in/gtFine/train/x": ("x_0_0_gtFine_color.png", "x_0_0_gtFine_labelIds.png"),
}
for _split in ("trainA", "trainB", "testA", "testB"):
    FOLDERS[f"in/two/{_split}"] = ("a.png", "b.png", "c.png")
    FOLDERS[f"in/same/{_split}"] = ("a.png",)
FORK = {  # files that scripts/check_fork.py reads
    "models/my_model.py": "from models.base_model import BaseModel\n\nprint(BaseModel)\n",
    "train.sh": "python train.py --dataroot in/two --name x\n",
}
PAIRS = {"in/AB/train": ("a.png", "b.png"), "in/AB/test": ("a.png",)}


def picture(path: Path, seed: int, size: tuple[int, int] = (16, 16)) -> None:
    """Write a smooth random RGB image of ``size`` (width, height)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def make_images(root: Path) -> None:
    """Write the images of all programs below ``root``."""
    seed = 0
    for folders, size in ((FOLDERS, (16, 16)), (PAIRS, (32, 16))):
        for folder, names in folders.items():
            for name in names:
                seed += 1
                picture(root / folder / name, seed, size)
    (root / "in/results").mkdir(parents=True)
    make_values(root / "in/values")
    make_study(root / "in/study")
    options = {"lr": 0.0003, "no_flip": True, "lambda_A": 9, "panel": ["in/photos/a.png"]}
    (root / "in/options.json").write_text(json.dumps(options))
    for name, text in FORK.items():
        (root / "in/fork" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "in/fork" / name).write_text(text)


def make_values(folder: Path) -> None:
    """Write images of floats with two bands (trainA), and of 16 bits (trainB)."""
    rng = np.random.default_rng(0)
    for domain in "AB":
        (folder / f"train{domain}").mkdir(parents=True)
    for name in ("a", "b"):
        array = rng.uniform(-1, 1, (16, 16, 2)).astype(np.float32)
        np.save(folder / f"trainA/{name}.npy", array)
        deep = rng.integers(0, 65536, (16, 16)).astype(np.uint16)
        Image.fromarray(deep).save(folder / f"trainB/{name}.png")


def make_study(folder: Path) -> None:
    """Write the key of a perceptual study with one trial a session, and two result files."""
    pair = {"real": "a1", "fake": "b2", "real_file": "real.png", "fake_file": "fake.png"}
    settings = {"version": 1, "study": "c3", "practice": 0, "trials": 1, "seconds": 1, "size": 16}
    groups = {"d4": {"name": "method", "practice": [], "scored": [pair]}}
    trial = {"first": "a1", "second": "b2", "shown": [1000, 1000], "late": 0, "response": 500}
    (folder / "answers").mkdir(parents=True)
    (folder / "key.json").write_text(json.dumps(with_checksum({**settings, "groups": groups})))
    for answer in ("first", "second"):
        result = {"version": 1, "study": "c3", "group": "d4", "participant": "", "session": answer}
        result |= {"started": 0, "finished": 5000, "reloads": 0, "screen": {"image": 16}}
        result |= {"practice": [], "trials": [trial | {"answer": answer}]}
        (folder / "answers" / f"{answer}.json").write_text(json.dumps(result))


def make_networks(root: Path) -> None:
    """Write a feature network and a segmentation network as TorchScript. Call it in a child."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    image = torch.zeros(1, 3, 16, 16)
    features = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for name, network in (("features", features), ("segment", nn.Conv2d(3, 2, 1))):
        torch.jit.trace(network.eval(), image).save(str(root / f"in/{name}.pt"))


def pack_run(root: Path) -> None:
    """Write ``in/run.zip`` as scripts/pack_run.py does, with what a test needs of a run."""
    run = root / "checkpoints" / "run"
    names = ("latest_net_G_A.pth", "latest_net_G_B.pth", "train_opt.json")
    with (root / "in/run.zip").open("wb") as file:
        write_archive(file, "run", {name: (run / name).read_bytes() for name in names})


def odd_places(folder: Path) -> None:
    """Make the files and folders that the odd paths of values.py name."""
    (folder / "folder").mkdir(parents=True)
    (folder / "file.txt").write_text("a file of the user\n")
    (folder / "secret").mkdir()
    (folder / "secret.txt").write_text("secret\n")
    for name in ("secret", "secret.txt"):
        (folder / name).chmod(0)
    with suppress(OSError):
        os.symlink("loop", folder / "loop")

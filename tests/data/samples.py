"""Options and images for the tests of datasets and loaders."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from data import create_dataset, find_dataset_using_name


def options(**changes):
    defaults = {
        "isTrain": True,
        "phase": "train",
        "preprocess": "resize_and_crop",
        "load_size": 24,
        "crop_size": 16,
        "no_flip": False,
        "no_exif": False,
        "input_nc": 3,
        "output_nc": 3,
        "direction": "AtoB",
        "serial_batches": False,
        "max_dataset_size": float("inf"),
        "num_threads": 0,
        "batch_size": 1,
        "seed": 1,
        "device": "cpu",
        "epoch_count": 1,
        "dataset_mode": "unaligned",
    }
    return Namespace(**defaults | changes)


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory) -> Path:
    """trainA, trainB: JPEGs of several sizes; train: pairs."""
    root = tmp_path_factory.mktemp("jpegs")
    for i in range(3):
        picture(root / "trainA" / f"{i}.jpg", i, (64 + 8 * i, 60))
        picture(root / "trainB" / f"{i}.jpg", i + 9, (40, 57 + i))
        picture(root / "train" / f"{i}.jpg", i + 20, (128, 60))
    return root


def dataset(mode, root, **changes):
    return find_dataset_using_name(mode)(options(dataroot=str(root), **changes))


def batches(**changes) -> list[dict]:
    """The batches of two epochs."""
    loader = create_dataset(options(**changes))
    result = [batch for _ in range(2) for batch in loader]
    loader.close()
    return result


def equal(one: list[dict], other: list[dict]) -> bool:
    """True if two lists of batches are equal, tensors bit by bit."""
    return len(one) == len(other) and all(
        a.keys() == b.keys()
        and all(
            torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a
        )
        for a, b in zip(one, other, strict=True)
    )


def noise(width, height):
    array = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(array)


def tensor(image):
    """uint8 (H, W, C) -> (C, H, W) in [-1, 1], computed by hand."""
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)


def bicubic(image, width, height):
    return tensor(image.resize((width, height), Image.Resampling.BICUBIC))


def positions(window, image):
    """All (x, y) at which ``window`` is cut out of ``image``."""
    _, h, w = window.shape
    return [
        (x, y)
        for y in range(image.shape[1] - h + 1)
        for x in range(image.shape[2] - w + 1)
        if torch.allclose(window, image[:, y : y + h, x : x + w], atol=1e-6)
    ]


# The options that both generations of the official code need for data
OFFICIAL = {
    "phase": "train",
    "max_dataset_size": float("inf"),
    "preprocess": "resize_and_crop",
    "load_size": 24,
    "crop_size": 16,
    "no_flip": True,
    "serial_batches": True,
    "num_threads": 0,
    "batch_size": 1,
    "isTrain": True,
    "direction": "AtoB",
    "input_nc": 3,
    "output_nc": 3,
}


def official_opt(**changes) -> Namespace:
    """Only official options: those of 2022 with ``gpu_ids``, those of 2025 with ``device``."""
    changes = changes if changes.keys() & {"device"} else {"gpu_ids": [], **changes}
    return Namespace(**OFFICIAL | changes)

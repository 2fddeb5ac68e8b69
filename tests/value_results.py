"""A model whose images are given writes the results of a test, for tests."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from models.translation.results import Results
from util.values import Values

HU = Values(-1024, 3071, "int16", 1, nodata=-2000)
SPECTRA = Values(0, 1, "float32", 5)
SIZE = (20, 16)  # (width, height)


def options(folder: Path, **changes) -> Namespace:
    """Options of a test that changes no size."""
    opt = {"results_dir": folder / "results", "name": "run", "checkpoints_dir": folder}
    opt |= {"dataroot": folder, "phase": "test", "epoch": "latest", "load_iter": 0, "seed": 0}
    opt |= {"model": "cycle_gan", "netG": "identity", "direction": "AtoB", "preprocess": "none"}
    opt |= {"dataset_mode": "unaligned", "load_size": 16, "crop_size": 8, "no_exif": False}
    opt |= {
        "norm": "instance",
        "no_dropout": True,
        "eval": False,
        "isTrain": False,
        "display_winsize": 256,
    }
    return Namespace(**opt | {"save": None, "format": None, "aspect_ratio": 1.0} | changes)


def random_array(rule: Values, seed: int = 0) -> np.ndarray:
    """(H, W, C) with values of the whole range of a rule."""
    shape = (SIZE[1], SIZE[0], rule.channels)
    values = np.random.default_rng(seed).uniform(rule.low, rule.high, shape)
    values.flat[:2] = rule.low, rule.high
    return (values.round() if rule.is_integer else values).astype(rule.dtype)


def batch_of(array: np.ndarray, rule: Values) -> torch.Tensor:
    return torch.from_numpy(rule.to_unit(array).pixels.transpose(2, 0, 1).copy())[None]


def save(opt: Namespace, domains: dict, visuals: dict, batch: dict | None = None) -> Path:
    """Write images of a model whose A is the file testA/a.tif, and its B testB/b.tif."""
    x, y = ("A", "B") if opt.direction == "AtoB" else ("B", "A")
    paths = {
        letter: [str(opt.dataroot / f"test{letter}" / f"{letter.lower()}.tif")] for letter in "AB"
    }
    model = SimpleNamespace(
        get_image_paths=lambda: paths[x],
        visual_paths=dict.fromkeys(("real_B", "fake_A", "rec_B"), paths[y]),
        get_current_visuals=lambda: visuals,
    )
    results = Results(opt, domains)
    results.add(model, 1, batch)
    results.close()
    return results.folder

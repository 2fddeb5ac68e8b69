"""Pages as a training and a test write them, of any length, without a model."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser
from conftest import picture

from models.training.health import WARNINGS
from models.translation.results import SCRIPTS
from options.train_options import TrainOptions
from util.pages.page import link, row, write_metrics, write_page
from util.sinks.training_page import TrainingPage

EPOCHS = 6  # of the page below
LABELS = ("real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B")
ITEMS = ("first.png", "second.png")


def warning(sign: str) -> str:
    """A warning of a training, as models/training/health.py writes it."""
    text = WARNINGS[sign][2].format(G="G_A", D="D_A", X="A")
    return f"{text} ({sign} 0.05; docs/reading_a_run.md)"


def training_options(folder: Path, epochs: int) -> Namespace:
    (folder / "data").mkdir(exist_ok=True)
    flags = ["--dataroot", str(folder / "data"), "--checkpoints_dir", str(folder), "--name", "x"]
    flags += ["--gpu_ids", "-1", "--n_epochs", str(epochs), "--n_epochs_decay", "0"]
    return TrainOptions().parse(flags, record=False)


def start(opt: Namespace, memory: dict) -> TrainingPage:
    """Create the page of a run that starts, or resumes with a ``memory``."""
    page = TrainingPage(opt, Path(opt.checkpoints_dir) / "x" / "web")
    page.memory.update(memory)
    page.panel_title, page.facts = "Test images", {"Command": "python train.py --name 'x y'"}
    page.facts |= {"Commit": "abc1234", "Device": "cpu", "PyTorch": "2.5", "Parameters": "1 M"}
    return page


def show_panel(page: TrainingPage, epoch: int, size: int) -> None:
    gray = {label: 0 if "real" in label else min(255, 20 * epoch) for label in LABELS}
    images = {label: np.full((size, size, 3), gray[label], np.uint8) for label in LABELS}
    page.panel(epoch, [(name, images) for name in ITEMS])


def simulated_training(
    folder: Path,
    epochs: int,
    steps: int,
    size: int = 8,
    stops_after: int = 0,
    warned: dict[int, str] | None = None,
    health_every: int = 2,
) -> Path:
    """Write the page of a training, and return its ``index.html``.

    The images of epoch e are of the grey 20 e (the real ones: 0). The best epoch is the one before
    the last. ``cycle_A`` has one spike.

    Args:
        steps: points reported per epoch; every ``health_every``-th has health measurements.
        stops_after: the epoch after which the training is stopped and resumed; 0: never.
        warned: epoch -> sign of a warning.
    """
    opt, rng = training_options(folder, epochs), np.random.default_rng(0)
    page = start(opt, {})
    show_panel(page, 0, size)
    for epoch in range(1, epochs + 1):
        for step in range(1, steps + 1):
            total = (epoch - 1) * steps + step
            noise = rng.uniform(0.9, 1.1)
            values = {"D_A": 0.25 * noise, "G_A": 0.4 * noise, "cycle_A": 0.5 * noise}
            values["cycle_A"] += 5 * math.exp(-total / steps) + 900 * (total == steps)
            values |= {"lr": 2e-4 / epoch, "time": 0.1, "data": 0.0}
            if total % health_every == 0:
                values |= {"change_G_A": 0.6 * noise, "accuracy_real_D_A": 0.7 * noise}
            page.scalars(epoch, step / steps, total, values | {"logging": 0.0})
        metric = {"val_patches": 5.0 + abs(epoch - epochs + 1)}
        page.scalars(epoch, 1.0, total, {"lr": 0.0, "time": 0.0, "data": 0.0, **metric})
        if sign := (warned or {}).get(epoch):
            page.text(epoch, warning(sign))
        page.images(epoch, {label: np.zeros((size, size, 3), np.uint8) for label in LABELS}, True)
        show_panel(page, epoch, size)
        page.ended(epoch)
        if epoch == stops_after:
            page.close()
            page = start(opt, page.memory)
    page.close()
    return page.folder / "index.html"


def simulated_results(folder: Path, count: int, size: int = 40) -> Path:
    """Write a page of results with the names n0000, ... and metrics; return its ``index.html``.

    PSNR rises from row to row, and fake_B has a true image. All images are the same file.
    """
    picture(folder / "images" / "x.png", size=(size, size))
    rows, metrics = [], {}
    for i in range(count):
        files = {label: f"n{i:04}_{label}.png" for label in LABELS}
        (folder / "images" / files["fake_B"]).symlink_to("x.png")
        shown = dict.fromkeys(LABELS, "x.png") | {"fake_B": files["fake_B"]}
        rows.append(row(f"n{i:04}", shown, (size, size), {"fake_B": "real_B"}))
        metrics[link(files["fake_B"])] = {"PSNR (dB)": 20 + 10 * i / count, "mine": i % 7}
    write_metrics(folder, metrics)
    write_page(folder, "Results of x", ["a note"], rows, 256, SCRIPTS, data="metrics.js")
    return folder / "index.html"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a training that was stopped once and warned of twice."""
    folder = tmp_path_factory.mktemp("training")
    signs = {2: "loss", 4: "change"}
    page = simulated_training(folder, EPOCHS, steps=12, stops_after=3, warned=signs)
    return page.as_uri()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Browser]:
    """That page, newly opened; a test ends without an error in its scripts."""
    browser.open(url)
    yield browser
    assert browser.errors == []

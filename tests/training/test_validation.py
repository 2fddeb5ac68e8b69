"""Validation: what it measures and keeps, and that it does not affect the training."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs, pictures
from PIL import Image
from survival import equal, images, interrupt, resume, state, train

from data.listing import find_images, stem
from models.training.validation import Validation
from util.image import metrics
from util.image.patch_distance import patch_distance, sample_patches
from util.sinks.base import read_metrics

pytest_plugins = ["survival"]
NETS = ("G_A", "G_B", "D_A", "D_B")


def pairs(data: Path) -> Path:
    """Make three validation pairs in valA and valB."""
    for seed, domain in enumerate("AB"):
        pictures(data / f"val{domain}", [f"{i}_{domain}.png" for i in range(3)], 5 + seed)
    return data


@pytest.fixture
def paired(data: Path) -> Path:
    """trainA 4, trainB 5 images, and the validation pairs."""
    return pairs(data)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run of this module has such a set and is validated after each epoch."""
    run = Programs(tmp_path_factory.mktemp("once"))
    train(run, pairs(images(run.folder / "data")), "--val_freq", 1, name="whole").ok()
    return run.runs / "whole"


def weights(folder: Path, epoch: object, nets: tuple[str, ...] = NETS) -> list[torch.Tensor]:
    return [
        value
        for net in nets
        for value in torch.load(folder / f"{epoch}_net_{net}.pth", weights_only=True).values()
    ]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def validations(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Return (epoch, metrics) of each validation in the log."""
    lines = re.findall(
        r"\(epoch: (\d+), iters: \d+, .*?\) (val_.*)", (folder / "loss_log.txt").read_text()
    )
    return [
        (int(epoch), {k: float(v) for k, v in re.findall(r"val_(\w+): (\S+)", rest)})
        for epoch, rest in lines
    ]


@pytest.mark.parametrize("ema", [False, True])
def test_best_and_final(run: Programs, paired: Path, ema: bool) -> None:
    """The best epoch is that of the log, and test.py gets the same value from its networks."""
    more = ("--ema", 0.8) if ema else ()
    flags = ["--val_freq", "1", "--n_epochs", "3", "--save_epoch_freq", "1", "--lr", "0.01"]
    out = train(run, paired, *flags, *more).ok().out
    folder = run.runs / "x"
    measured = validations(folder)
    assert [epoch for epoch, _ in measured] == [1, 2, 3]
    assert all(
        values.keys() == {"l1", "psnr", "ssim", "cycle", "patches"} for _, values in measured
    )
    best, values = min(measured, key=lambda entry: entry[1]["l1"])
    record = json.loads((folder / "best.json").read_text())
    assert (record["epoch"], record["metric"]) == (best, "l1") and record["value"] == pytest.approx(
        values["l1"], abs=6e-4
    )
    assert same(weights(folder, "best"), weights(folder, best))
    curve = [
        (entry["epoch"], entry["val_l1"]) for entry in read_metrics(folder) if "val_l1" in entry
    ]
    assert curve == [(epoch, pytest.approx(values["l1"], abs=6e-4)) for epoch, values in measured]
    assert "val_patches" in (folder / "web" / "data.js").read_text()
    assert (
        f"Validation (l1): epoch 3 has {measured[-1][1]['l1']:.3g}"[:-1] in out
        and f"the best is epoch {best}" in out
    )
    assert ("(test.py --epoch best --ema)" in out) == ema
    flags = ["--name", "x", "--epoch", "best", "--phase", "val", "--gpu_ids", "-1"]
    run.test("--dataroot", paired, *flags, *["--ema"][:ema]).ok()
    tested = run.results / "x" / "val_best" / "images"
    distances = [
        metrics.l1(
            *(
                np.asarray(Image.open(tested / f"{name}.png"))
                for name in (f"{i}_{side}_fake_{other}", f"{i}_{other}_real_{other}")
            )
        )
        for i in range(3)
        for side, other in ("AB", "BA")
    ]
    assert np.mean(distances) == pytest.approx(record["value"], abs=1e-4)


@pytest.mark.parametrize(
    "model", [("--n_epochs", 2), ("--ema", 0.9), ("--model", "pix2pix", "--netG", "resnet_6blocks")]
)
def test_the_training_is_not_affected(
    run: Programs, paired: Path, model: tuple, aligned: Path, tmp_path: Path
) -> None:
    """Weights and losses are equal with and without it, also with dropout and batch norm."""
    root = paired
    if "pix2pix" in model:
        root = pictures(tmp_path / "pairs" / "val", ["a.png", "b.png"], 3, (80, 40)).parent
        (root / "train").symlink_to(aligned / "train")
    for name, more in (("with", ("--val_freq", 1)), ("without", ())):
        run.train(
            "--dataroot", root, *TINY, *ONE_EPOCH, "--no_html", *model, *more, "--name", name
        ).ok()
    nets = ("G", "D") if "pix2pix" in model else NETS
    assert same(*(weights(run.runs / name, "latest", nets) for name in ("with", "without")))
    lines = [
        [
            line.partition(")")[2]
            for line in (run.runs / name / "loss_log.txt").read_text().splitlines()[1:]
            if "val_" not in line
        ]
        for name in ("with", "without")
    ]
    assert (
        lines[0] == lines[1]
        and validations(run.runs / "with")
        and not (run.runs / "without" / "best.json").exists()
    )


@pytest.mark.parametrize("step", [4, 7])
def test_resume(run: Programs, paired: Path, whole: Path, after_step: Callable, step: int) -> None:
    """A crash before or after the first validation changes neither the log nor the best epoch."""
    interrupt(run, paired, after_step, "--val_freq", 1, step=step)
    resume(run).ok()
    assert equal(run) and same(*(weights(run.runs / name, "best") for name in ("x", "whole")))
    assert (
        state(run.runs / "x")["position"]["validated"]
        == state(run.runs / "whole")["position"]["validated"]
    )
    assert validations(run.runs / "x") == validations(run.runs / "whole")


def test_share(run: Programs, data: Path) -> None:
    """Held-out images are not trained on, and the last epoch is validated too."""
    seen: set[str] = set()

    def watch(self: Validation, limit: int | None = None) -> dict[str, float]:
        seen.update(
            Path(path).name for path in self.images.dataset.A_paths + self.images.dataset.B_paths
        )
        return {"patches": 1.0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validation, "compute_metrics", watch)
        out = (
            train(run, data, "--val_freq", 3, "--n_epochs", 4, "--val_share", 0.4, "--no_html")
            .ok()
            .out
        )
    assert [epoch for epoch, _ in validations(run.runs / "x")] == [3, 4]
    contents = state(run.runs / "x")["data"]
    assert (
        contents["A_paths"][0] == 2
        and contents["B_paths"][0] == 3
        and "2 images A, 3 images B" in out
    )
    assert len(seen) == 4  # 2 of 4 images A, 2 of 5 images B
    resume(run, "--val_share", 0.2).refused(2, "--val_share")


def test_share_keeps_pairs(tmp_path: Path) -> None:
    for domain in "AB":
        pictures(tmp_path / f"train{domain}", [f"{i}_{domain}.png" for i in range(20)])
    opt = Namespace(
        dataroot=str(tmp_path), max_dataset_size=99, val_share=0.3, seed=1, isTrain=False
    )
    held = [{stem(path) for path in find_images(opt, f"train{domain}")} for domain in "AB"]
    opt.isTrain = True
    rest = {stem(path) for path in find_images(opt, "trainA")}
    assert held[0] == held[1] and len(held[0]) == 6 and len(rest) == 14 and not held[0] & rest
    opt.seed, opt.isTrain = 2, False
    assert {stem(path) for path in find_images(opt, "trainA")} != held[0]


def test_plateau(run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate falls after six validations without improvement, at any --val_freq."""
    monkeypatch.setattr(Validation, "compute_metrics", lambda self, limit=None: {"patches": 1.0})
    out = (
        train(
            run,
            data,
            "--val_freq",
            2,
            "--val_share",
            0.2,
            "--lr_policy",
            "plateau",
            "--n_epochs",
            15,
            "--no_html",
            "--max_dataset_size",
            2,
        )
        .ok()
        .out
    )
    rates = re.findall(r"End of epoch \d+ / 15, .*; learning rate (\S+)", out)
    assert rates == ["0.0002"] * 14 + ["4e-05"]


def test_refusals(run: Programs, data: Path, tmp_path: Path) -> None:
    train(run, data, "--val_freq", 1).refused(1, "--val_freq", "valA", "--val_share")
    train(run, data, "--val_share", 0.1).refused(2, "--val_share", "--val_freq")
    train(run, data, "--val_freq", 1, "--val_share", 1).refused(2, "--val_share")
    train(run, data, "--val_freq", 1, "--val_share", 0.9, "--max_dataset_size", 1).refused(
        1, "--val_share", "leaves none"
    )
    train(run, data, "--val_freq", 1, "--val_share", 0.3, "--val_metric", "psnr").refused(
        1, "--val_metric psnr", "patches"
    )
    train(run, data, "--lr_policy", "plateau").refused(1, "--lr_policy plateau", "--val_freq")
    own = tmp_path / "own_dataset.py"
    own.write_text(
        "from data.image_folder import make_dataset\n"
        "from data.unaligned_dataset import UnalignedDataset\n\n\n"
        "class OwnDataset(UnalignedDataset):\n    def __init__(self, opt):\n"
        "        super().__init__(opt)\n"
        "        self.A_paths = make_dataset(opt.dataroot + '/trainA')\n"
    )
    train(run, data, "--val_freq", 1, "--val_share", 0.3, "--dataset_mode", own).refused(
        1, "--val_share", "find_images"
    )


def test_unreadable_validation_image(run: Programs, paired: Path, whole: Path) -> None:
    """The finished epoch is saved; the run resumes once the image is repaired."""
    good = (paired / "valB" / "2_B.png").read_bytes()
    (paired / "valB" / "2_B.png").write_bytes(b"no image")
    train(run, paired, "--val_freq", 1).refused(1, "2_B.png")
    assert state(run.runs / "x")["position"]["seen"] == 5
    (paired / "valB" / "2_B.png").write_bytes(good)
    resume(run).ok()
    assert validations(run.runs / "x") == validations(run.runs / "whole")
    assert same(*(weights(run.runs / name, "latest") for name in ("x", "whole")))


def test_patches() -> None:
    """0 for equal images, about the shift for shifted levels, more for other textures."""
    rng = np.random.default_rng(0)
    smooth = [np.full((40, 40, 3), 60 + 10 * i, np.uint8) for i in range(6)]
    rough = [image + rng.integers(-60, 60, image.shape).astype(np.uint8) for image in smooth]

    def between(a: list, b: list) -> float:
        return patch_distance(
            [sample_patches(image, np.random.default_rng(1)) for image in a],
            [sample_patches(image, np.random.default_rng(1)) for image in b],
            np.random.default_rng(2),
        )

    assert between(smooth, smooth) == 0
    shift = between(smooth, [image + 20 for image in smooth])
    assert (
        shift == pytest.approx(20 * np.sqrt(2 / np.pi), rel=0.15) and between(smooth, rough) > shift
    )
    assert between([image[:3, :9] for image in smooth], [image[:5, :2] for image in smooth]) < shift

"""Subclasses and programs written for the official code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, Programs
from survival import interrupt, resume, state, subclass, train

from data import create_dataset
from models import create_model
from models.training.state_files import recover
from models.training.validation import Validation
from options.train_options import TrainOptions

pytest_plugins = ["survival"]


def test_setup_loads_the_run_that_goes_on(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In programs other than train.py, which later restores the rest of the state."""
    train(run, data, *ONE_EPOCH, "--no_html").ok()
    monkeypatch.chdir(run.runs.parent)
    model = create_model(opt := TrainOptions().parse(["--name", "x", "--continue_train"]))
    model.setup(opt)
    assert torch.equal(
        model.netG_A.state_dict()["model.1.weight"],
        torch.load(run.runs / "x" / "latest_net_G_A.pth", weights_only=True)["model.1.weight"],
    )


def test_official_set_input(run: Programs, data: Path, tmp_path: Path) -> None:
    """It sets only image_paths; all images are then named after those paths."""
    model = subclass(
        tmp_path / "mine_model.py",
        "def __init__(self, opt):",
        "    super().__init__(opt)",
        "    vars(self).pop('idt_A', None); vars(self).pop('idt_B', None)",
        "def set_input(self, input):",
        "    self.real_A, self.real_B = input['A'], input['B']",
        "    self.image_paths = input['A_paths']",
    )
    out = (
        train(run, data, *ONE_EPOCH, "--model", model, "--val_freq", "1", "--val_share", "0.3")
        .ok()
        .out
    )
    assert "Validation (patches)" in out
    (data / "trainA").rename(data / "testA")
    (data / "trainB").rename(data / "testB")
    test = ("--dataroot", data, "--name", "x", "--model", model, *CPU, "--num_test", "1")
    run.test(*test).ok()
    images = {path.name for path in (run.results / "x" / "test_latest" / "images").iterdir()}
    assert {"a0_fake_B.png", "a0_fake_A.png"} <= images


@pytest.mark.parametrize(
    "change",
    [
        "self.transform_A = lambda image: torch.zeros(3, 32, 32)",
        "self.transform_A.transforms.append(torch.zeros_like)",
    ],
)
def test_own_transforms(data: Path, tmp_path: Path, change: str) -> None:
    mode = subclass(
        tmp_path / "mine_dataset.py",
        "def __init__(self, opt):",
        "    super().__init__(opt)",
        f"    {change}",
        "    assert (self.A_size, self.B_size) == (4, 5) and os.path.isdir(self.dir_A)",
        of="data.unaligned_dataset.UnalignedDataset",
    )
    opt = TrainOptions().gather_options(
        [
            "--dataroot",
            str(data),
            "--dataset_mode",
            mode,
            "--num_threads",
            "0",
            "--seed",
            "1",
            "--load_size",
            "34",
            "--crop_size",
            "32",
        ]
    )
    opt.isTrain, opt.device = True, "cpu"
    for batch in create_dataset(opt):
        assert not batch["A"].any() and batch["B"].std() > 0.1 and batch["B"].dtype == torch.float32


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_plateau_of_metrics_that_are_to_grow(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    """A metric that falls slowly is on a plateau."""
    values = iter(20 - 0.1 * i if metric == "psnr" else 0.8 - 0.001 * i for i in range(99))
    monkeypatch.setattr(
        Validation, "compute_metrics", lambda self, limit=None: {metric: next(values)}
    )
    out = (
        train(
            run,
            data,
            "--val_freq",
            1,
            "--val_share",
            0.2,
            "--val_metric",
            metric,
            "--lr_policy",
            "plateau",
            "--n_epochs",
            9,
            "--no_html",
            "--max_dataset_size",
            2,
        )
        .ok()
        .out
    )
    assert "learning rate 0.0002\n" in out and "learning rate 4e-05\n" in out


def test_new_rate_on_a_plateau(run: Programs, data: Path, after_step: Callable) -> None:
    plateau = ("--val_freq", "1", "--val_share", "0.3", "--lr_policy", "plateau", "--no_html")
    interrupt(run, data, after_step, *plateau)
    assert "learning rate 0.0001\n" in resume(run, "--lr", "0.0001").ok().out


def test_best_is_part_of_a_save(run: Programs, data: Path) -> None:
    """After a kill between the networks and best.json, the next start finishes both."""
    train(run, data, *ONE_EPOCH, "--val_freq", 1, "--val_share", 0.3, "--no_html").ok()
    folder = run.runs / "x"
    best = json.loads((folder / "best.json").read_text())
    (folder / "best.json").unlink()
    (folder / "best_net_G_A.pth").unlink()
    (folder / ".saving.json").write_text(
        json.dumps({"number": state(folder)["number"], "names": ["latest", "best"]})
    )
    recover(folder)
    assert (
        json.loads((folder / "best.json").read_text()) == best
        and (folder / "best_net_G_A.pth").is_file()
    )


def test_half_precision_with_several_steps_of_one_optimizer(
    run: Programs, data: Path, tmp_path: Path
) -> None:
    model = subclass(
        tmp_path / "twice_model.py",
        "def optimize_parameters(self):",
        "    super().optimize_parameters()",
        "    self.optimizer_D.zero_grad(); self.backward_D_A(); self.optimizer_D.step()",
    )
    train(run, data, *ONE_EPOCH, "--model", model, "--amp", "fp16", "--no_html").ok()

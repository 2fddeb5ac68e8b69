"""The official training and test loops run word for word in a script or notebook."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import CPU, TINY

from data import create_dataset
from models import create_model, networks
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.visualizer import Visualizer

TRAIN = "--model pix2pix --netG resnet_6blocks --n_epochs 1 --n_epochs_decay 3"


@pytest.fixture(autouse=True)
def command_line(tmp_path: Path, aligned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options come from sys.argv, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    common = ["--dataroot", str(aligned), "--name", "x"]
    monkeypatch.setattr(sys, "argv", ["my_train.py", *common, *TINY, *TRAIN.split()])


def train(opt: Namespace) -> list[float]:
    """The loop of the official train.py; returns learning rates, relative to the first."""
    dataset = create_dataset(opt)
    dataset_size = len(dataset)
    assert dataset_size == 3
    model = create_model(opt)
    model.setup(opt)
    visualizer = Visualizer(opt)
    rates = []
    for epoch in range(opt.epoch_count, opt.n_epochs + opt.n_epochs_decay + 1):
        visualizer.reset()
        model.update_learning_rate()
        rates.append(model.optimizers[1].param_groups[0]["lr"] / opt.lr)
        for i, data in enumerate(dataset):
            model.set_input(data)
            model.optimize_parameters()
            losses = model.get_current_losses()
            model.compute_visuals()
            visualizer.display_current_results(model.get_current_visuals(), epoch, i == 0)
            visualizer.print_current_losses(epoch, i + 1, losses, 0.1, 0.1)
            visualizer.plot_current_losses(epoch, float(i + 1) / dataset_size, losses)
        model.save_networks("latest")
        model.save_networks(epoch)
    assert list(losses) == ["G_GAN", "G_L1", "D_real", "D_fake"]
    assert all(isinstance(value, float) for value in losses.values())
    return rates


def test_training_loop(aligned: Path) -> None:
    opt = TrainOptions().parse()
    assert isinstance(opt, Namespace) and opt.isTrain and opt.gpu_ids == []
    assert train(opt) == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])

    model = create_model(opt)
    model.setup(opt)
    model.set_input(next(iter(create_dataset(opt))))
    assert model.get_image_paths()[0] in map(str, (aligned / "train").iterdir())
    scheduler = networks.get_scheduler(model.optimizers[0], opt)
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    states = []
    for epoch in ("latest", 1, 4):
        model.load_networks(epoch)
        states.append({k: v.clone() for k, v in model.netG.state_dict().items()})
    latest, first, last = states
    assert any(not torch.equal(latest[k], first[k]) for k in latest)
    assert all(torch.equal(latest[k], last[k]) for k in latest)


def test_test_loop(aligned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(TrainOptions().parse())
    arguments = ["my_test.py", "--dataroot", str(aligned), "--name", "x", *CPU, "--eval"]
    monkeypatch.setattr(sys, "argv", arguments)
    opt = TestOptions().parse()
    opt.num_threads = 0
    opt.batch_size = 1
    opt.serial_batches = True
    opt.no_flip = True
    opt.display_id = -1
    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    model.eval()
    for i, data in enumerate(dataset):
        if i >= opt.num_test:
            break
        model.set_input(data)
        model.test()
        visuals = model.get_current_visuals()
        assert list(visuals) == ["real_A", "fake_B", "real_B"]
        assert visuals["fake_B"].shape == (1, 3, 32, 32) and not visuals["fake_B"].requires_grad
        assert model.get_image_paths() == [str(aligned / "test" / f"p{i}.png")]
    assert i == 1

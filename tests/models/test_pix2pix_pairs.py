"""pix2pix as in the CycleGAN paper's comparison: its options and its history of pairs."""

from __future__ import annotations

import random
import shlex

import pytest
import torch
from plain_steps import batch, build

from scripts.paper_tools.rows import ROWS

RECIPE = [*shlex.split(ROWS["pix2pix"].options), "--netG", "resnet_6blocks"]


def test_options() -> None:
    """CycleGAN's networks and GAN loss, a history of 50 pairs, and weight 10."""
    model = build(*RECIPE, "--pool_size", "50")
    opt = model.opt
    assert (opt.netG, opt.norm, opt.no_dropout) == ("resnet_6blocks", "instance", True)
    assert (opt.gan_mode, opt.lambda_L1, model.fake_pool.pool_size) == ("lsgan", 10, 50)
    assert opt.dataset_mode == "aligned"
    modules = [
        type(module).__name__ for net in (model.netG, model.netD) for module in net.modules()
    ]
    assert "Dropout" not in modules and "BatchNorm2d" not in modules


def test_pool_of_pairs() -> None:
    """An old fake comes back with the input that it was made from, and only D sees the history."""
    model = build(*RECIPE, "--pool_size", "2", "--lr", "0")
    judged = []
    model.netD.register_forward_pre_hook(lambda _, args: judged.append(args[0].detach().clone()))
    random.seed(3)
    made, old = [], 0
    for _ in range(12):
        model.set_input(batch(n=1))
        judged.clear()
        model.optimize_parameters()
        made.append(torch.cat([model.real_A, model.fake_B.detach()], 1))
        of_D, of_G = torch.cat(judged[:-1]), judged[-1]
        assert torch.equal(of_G, made[-1])
        seen = [i for i, pair in enumerate(made) if any(torch.equal(pair[0], d) for d in of_D)]
        assert len(seen) == 1  # exactly one of the pairs made so far, whole
        old += seen[0] < len(made) - 1
        with torch.no_grad():
            score = model.netD(made[seen[0]])
        assert model.loss_D_fake.item() == pytest.approx(score.square().mean().item())
    assert 2 <= old <= 8
    assert len(model.fake_pool.images) == 2

"""A training step of any model against a plain computation with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from models import create_model
from options.train_options import TrainOptions

TINY = ["--dataroot", ".", "--ngf", "2", "--ndf", "2", "--netG", "resnet_6blocks"]
TINY += ["--netD", "n_layers", "--n_layers_D", "1", "--init_gain", "0.2", "--lr", "0.01"]


def build(*args):
    """A model without a run folder, in double precision: Adam would amplify rounding errors."""
    opt = TrainOptions().gather_options([*TINY, *args])
    opt.isTrain, opt.gpu_ids, opt.device = True, [], "cpu"
    model = create_model(opt)
    for net in (*model.get_networks().values(), model.criterionGAN):
        net.double()
    return model


def batch(channels_A=3, channels_B=3, n=2):
    A, B = (
        torch.rand(n, channels, 16, 12, dtype=torch.float64) * 2 - 1
        for channels in (channels_A, channels_B)
    )
    return {"A": A, "B": B, "A_paths": ["a"] * n, "B_paths": ["b"] * n}


def adversarial(mode, logits, real):
    if mode == "wgangp":
        return -logits.mean() if real else logits.mean()
    if mode == "lsgan":
        return (logits - float(real)).square().mean()
    return F.softplus(-logits if real else logits).mean()


def penalty(mode, net, real, fake):
    """Gulrajani et al., Eq. 3, with weight 10; halved like the rest of D's objective."""
    if mode != "wgangp":
        return 0.0
    share = torch.rand(len(real), 1, 1, 1)
    point = (share * real + (1 - share) * fake).requires_grad_()
    slope = torch.autograd.grad(net(point).sum(), point, create_graph=True)[0]
    return 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean() / 2


def adam(*nets):
    return torch.optim.Adam(
        [p for net in nets for p in net.parameters()], lr=0.01, betas=(0.5, 0.999)
    )


def agree(nets, expected):
    """Assert equal gradients and, after the step, equal weights."""
    for net, wanted in zip(nets, expected, strict=True):
        for (name, p), q in zip(net.named_parameters(), wanted.parameters(), strict=True):
            assert torch.allclose(p.grad, q.grad, rtol=1e-7, atol=1e-11), name
            assert torch.allclose(p, q, rtol=0, atol=1e-6), name


def untouched(*nets):
    """Assert that these networks have no gradients."""
    assert all(p.grad is None for net in nets for p in net.parameters())


def check(model, **wanted):
    losses = model.get_current_losses()
    assert list(losses) == list(wanted)
    for name, value in wanted.items():
        assert losses[name] == pytest.approx(
            float(torch.as_tensor(value).detach()), rel=1e-7, abs=1e-12
        ), name

"""Initial weights: their spread for each ``init_type``, and biases of 0."""

import math

import pytest
import torch
from torch import nn

from models.networks import define_G


@pytest.fixture(autouse=True)
def repeatable():
    torch.manual_seed(0)


def convolutions(net):
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


def fans(weight):
    area = weight[0, 0].numel()
    return weight.shape[1] * area, weight.shape[0] * area


@pytest.mark.parametrize(
    ("init_type", "gain"),
    [("normal", 0.02), ("normal", 0.1), ("xavier", 0.02), ("xavier", 1.0), ("kaiming", 0.02)],
)
def test_spread_of_initial_weights(init_type, gain):
    net = define_G(3, 3, 16, "resnet_6blocks", "instance", init_type=init_type, init_gain=gain)
    for conv in convolutions(net):
        fan_in, fan_out = fans(conv.weight)
        wanted = {
            "normal": gain,
            "xavier": gain * math.sqrt(2 / (fan_in + fan_out)),
            "kaiming": math.sqrt(2 / fan_in),
        }
        spread, n = wanted[init_type], conv.weight.numel()
        assert conv.weight.std().item() == pytest.approx(spread, rel=5 / math.sqrt(2 * n))
        assert abs(conv.weight.mean().item()) < 5 * spread / math.sqrt(n)
        assert conv.bias.abs().max() == 0


def test_orthogonal_initial_weights():
    net = define_G(3, 3, 4, "unet_128", "batch", init_type="orthogonal", init_gain=0.3)
    for conv in convolutions(net):
        w = conv.weight.flatten(1)
        gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
        assert torch.allclose(gram, 0.09 * torch.eye(len(gram)), atol=1e-5)


def test_initial_batch_norm():
    norms = [
        m
        for m in define_G(3, 3, 64, "resnet_6blocks", "batch").modules()
        if isinstance(m, nn.BatchNorm2d)
    ]
    scales = torch.cat([m.weight for m in norms])
    assert scales.mean().item() == pytest.approx(1, abs=5 * 0.02 / math.sqrt(len(scales)))
    assert scales.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * len(scales)))
    assert all(m.bias.abs().max() == 0 for m in norms)

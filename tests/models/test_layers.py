"""Norms and padding against PyTorch and NumPy, and activation checkpointing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.networks import define_G
from util.norms import InstanceNorm
from util.reflection import ReflectionPad, reflect_edges, reflect_to_multiple


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator).to(dtype).requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_instance_norm(dtype: torch.dtype) -> None:
    x = images(2, 3, 5, 7, dtype=dtype)
    y = InstanceNorm(3)(x)
    wanted = F.instance_norm(x.double())
    half = dtype in (torch.bfloat16, torch.float16)
    assert y.dtype == dtype and torch.allclose(y.double(), wanted, atol=2e-2 if half else 1e-5)


def test_instance_norm_has_second_derivatives() -> None:
    """The gradient penalty of wgangp differentiates a gradient."""
    assert torch.autograd.gradgradcheck(InstanceNorm(3), images(1, 3, 3, 4, dtype=torch.double))


def test_features_that_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        InstanceNorm(3)(torch.ones(1, 3, 1, 1))
    with pytest.raises(RuntimeError, match="channels"):
        InstanceNorm(4)(torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize("width", [1, 3])
def test_both_ways_of_padding(width: int) -> None:
    """Values and gradients of the deterministic padding equal those of nn.ReflectionPad2d."""
    results = []
    for pad in (ReflectionPad(width), lambda x: reflect_edges(x, width)):
        x = images(2, 3, 5, 7, dtype=torch.double)
        y = pad(x)
        (gradient,) = torch.autograd.grad((y**3).sum(), x)
        results.append((y, gradient))
    (y, gradient), (other_y, other_gradient) = results
    assert torch.equal(y, other_y) and torch.allclose(gradient, other_gradient)


@pytest.mark.parametrize("minimum", [1, 8, 37])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 9), (8, 12), (33, 2)])
def test_reflection_to_a_multiple(height: int, width: int, minimum: int) -> None:
    x = images(2, 3, height, width).detach()
    y = reflect_to_multiple(x, 4, minimum)
    expected = tuple(max(minimum, -(-side // 4) * 4) for side in (height, width))
    missing = [(0, 0), (0, 0), (0, expected[0] - height), (0, expected[1] - width)]
    assert np.array_equal(y.numpy(), np.pad(x.numpy(), missing, mode="reflect"))


@pytest.mark.parametrize(
    ("name", "traced", "right", "wrong"),
    [
        ("resnet_6blocks", (16, 16), [(16, 24), (8, 12)], [(18, 16), (16, 15), (4, 16), (1, 1)]),
        ("resnet_6blocks", (18, 16), [(18, 16), (18, 32)], [(16, 16), (19, 16), (36, 16), (5, 5)]),
        ("unet_128", (128, 128), [(128, 128)], [(100, 128), (128, 129), (64, 64)]),
        ("unet_128", (30, 128), [(30, 128)], [(31, 128), (60, 128), (30, 120)]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_traced_generator_never_gives_wrong_pixels(name, traced, right, wrong) -> None:
    """It fails at sizes whose padding is not the one that was traced."""
    net = define_G(3, 3, 2, name, "instance").eval().requires_grad_(False)
    trace = torch.jit.trace(net, torch.randn(1, 3, *traced), check_trace=False)
    for size in right:
        x = torch.randn(1, 3, *size)
        assert torch.allclose(trace(x), net(x), atol=1e-5)
    for size in wrong:
        with pytest.raises(RuntimeError):
            trace(torch.randn(1, 3, *size))


@pytest.mark.parametrize("dropout", [False, True])
def test_activation_checkpointing(dropout: bool) -> None:
    """Outputs, gradients and gradients of gradients stay the same."""
    net = define_G(3, 3, 2, "resnet_6blocks", "instance", use_dropout=dropout).double()
    results = []
    for enabled in (False, True):
        net.checkpoint_activations = enabled
        torch.manual_seed(1)
        x = images(1, 3, 16, 16, dtype=torch.double)
        y = net(x)
        parameters = list(net.parameters())
        gradients = torch.autograd.grad(y.square().mean(), [x, *parameters], create_graph=True)
        second = torch.autograd.grad(gradients[0].square().sum(), x)
        results.append([y, *gradients, *second])
    assert results[0][-1].any()
    for value, wanted in zip(*results, strict=True):
        assert torch.allclose(value, wanted)


def test_a_frozen_generator_with_activation_checkpointing() -> None:
    net = define_G(3, 3, 2, "resnet_6blocks", "instance")
    net.checkpoint_activations = True
    net.requires_grad_(False)
    assert not net(torch.randn(1, 3, 16, 16)).requires_grad


@pytest.mark.parametrize("depth", ["block", "conv_block", "norm"])
def test_forward_hooks_see_values_that_nothing_overwrites(depth: str) -> None:
    net, outputs = define_G(3, 3, 2, "resnet_6blocks", "instance"), []
    block = net.model[10]
    layers = {"block": block, "conv_block": block.conv_block, "norm": block.conv_block[-1]}
    layers[depth].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    loss = net(torch.randn(1, 3, 16, 16)).mean()
    (loss + outputs[0].pow(2).mean()).backward()
    assert outputs[0]._version == 0

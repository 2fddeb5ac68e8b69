"""Layers with gradients of our own: the bits of PyTorch's, for less memory and fewer operations."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from models import network_parts as layers
from models.network_parts import InstanceNorm, ReflectionPad
from models.networks import define_G


def same(ours: Callable, theirs: Callable, x: torch.Tensor) -> torch.Tensor:
    """Compare results and gradients, which have the same bits, and gradients of gradients; our result."""
    found = []
    for layer in (ours, theirs):
        x = x.detach().requires_grad_()
        y = layer(x)
        (first,) = torch.autograd.grad((y**3).sum(), x, retain_graph=True)
        (graph,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad((graph**2).sum(), x)
        found.append((y, first, second))
    (y, first, second), expected = found
    assert (
        torch.equal(y, expected[0]) and torch.equal(first, expected[1]) and second.abs().sum() > 0
    )
    torch.testing.assert_close(second, expected[2])
    return y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalisation(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 5, 7, dtype=dtype)
    y = same(InstanceNorm(3), lambda x: F.group_norm(x, 3), x)
    assert torch.allclose(y, F.instance_norm(x), atol=1e-6)
    same(InstanceNorm(3), lambda x: F.group_norm(x, 3), x.transpose(2, 3))  # not contiguous


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 3])
def test_padding(width: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LARGE", 0)
    x = torch.randn(2, 3, 5, 7, dtype=dtype)
    y = same(ReflectionPad(width), lambda x: F.pad(x, (width,) * 4, "reflect"), x)
    assert y.grad_fn.name() == "ReflectBackward"  # type: ignore[union-attr]


@pytest.mark.parametrize(("large", "kept"), [(0, []), (1 << 60, [(1, 3, 5, 7)])])
def test_padding_of_large_features_keeps_nothing(
    large: int, kept: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "LARGE", large)
    found = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        ReflectionPad(1)(torch.randn(1, 3, 5, 7, requires_grad=True))
    assert found == kept


def test_a_generator_has_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    net = define_G(3, 3, 4, "resnet_6blocks", "instance")
    x, found = torch.randn(1, 3, 32, 32), []
    for large in (0, 1 << 60):
        monkeypatch.setattr(layers, "LARGE", large)
        net.zero_grad()
        net(x).square().mean().backward()
        found.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_tracing_sees_operations_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LARGE", 0)
    net, x = define_G(3, 3, 2, "resnet_6blocks", "instance"), torch.randn(1, 3, 16, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, x)
    assert "PythonOp" not in str(traced.inlined_graph) and torch.equal(traced(x), net(x))


@pytest.mark.parametrize("lean", [False, True])
def test_recomputed_generators(lean: bool) -> None:
    """For models that may do anything also gradients of gradients; frozen ones have none."""
    net, x = (
        define_G(3, 3, 2, "resnet_6blocks", "instance").double(),
        torch.randn(1, 3, 16, 16, dtype=torch.double),
    )
    net(x).square().mean().backward()
    wanted = [p.grad for p in net.parameters()]
    net.zero_grad()
    net.recompute, net.lean = True, lean
    net(x).square().mean().backward()
    assert all(
        torch.allclose(p.grad, value) for p, value in zip(net.parameters(), wanted, strict=True)
    )  # type: ignore[arg-type]
    if not lean:
        (first,) = torch.autograd.grad(
            net(x.requires_grad_()).square().mean(), x, create_graph=True
        )
        assert torch.autograd.grad(first.square().sum(), x)[0].any()
    net.requires_grad_(False)
    assert not net(x.detach()).requires_grad


def test_features_that_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        InstanceNorm(3)(torch.ones(1, 3, 1, 1))
    with pytest.raises(RuntimeError, match="channels"):
        InstanceNorm(4)(torch.ones(1, 3, 2, 2))


def test_hooks_see_what_a_layer_gave() -> None:
    net, seen = define_G(3, 3, 2, "resnet_6blocks", "instance"), []
    for block in (net.model[10], net.model[11].conv_block):
        (block.conv_block[-1] if hasattr(block, "conv_block") else block).register_forward_hook(
            lambda module, inputs, output: seen.append(output)
        )
    (net(torch.randn(1, 3, 16, 16)).mean() + sum(value.pow(2).mean() for value in seen)).backward()
    assert len(seen) == 2 and all(value._version == 0 for value in seen)

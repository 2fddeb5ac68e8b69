"""Operations on a GPU, checked without one: conversions, copies, waits and what is not fused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from steps import Ops, batch, options, repeatable, trained  # noqa: F401
from torch._subclasses.fake_tensor import FakeTensorMode

from models import create_model
from models.networks import define_D, define_G, get_norm_layer
from models.training import gradients
from models.training.gradients import NonFinite, NonFiniteGuard, fuse
from util import plugins
from util.modules import can_compile
from util.reflection import ReflectionPad, reflect_edges
from util.seeds import seed_everything


@pytest.mark.parametrize(("device", "fused"), [("cuda", True), ("mps", False)])
def test_where_an_optimizer_is_fused(device: str, fused: bool) -> None:
    """On MPS, a fused optimizer would step with gradients that are not finite."""
    with FakeTensorMode(), torch.device(device):
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))])
        fuse(optimizer)
    assert bool(optimizer.param_groups[0]["fused"]) == fused
    assert (device in gradients.CHECKED_AT_ONCE) == fused


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_take_half_precision(norm: str, dtype: torch.dtype) -> None:
    """On CUDA, no norm converts half precision to float32 and back."""
    if norm == "batch" and not can_compile():
        pytest.skip("batch norm of a simulated GPU ends the process in PyTorch 2.4")
    with FakeTensorMode(), torch.device("cuda"), Ops() as ops:
        layer = get_norm_layer(norm)(8)
        ops.names.clear()
        assert layer(torch.empty(1, 8, 16, 16, dtype=dtype)).dtype == dtype
    assert not [name for name in ops.names if "_to_copy" in name], ops.names


@pytest.mark.skipif(not can_compile(), reason="PyTorch 2.4 needs a driver to simulate a GPU")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_converts_weights_only(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA, --amp converts the image and each weight once, and no features."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *unused: True)
    networks: tuple[Callable[[], torch.nn.Module], ...] = (
        lambda: define_G(3, 3, 2, "resnet_6blocks", "instance"),
        lambda: define_D(3, 2, "basic", norm="instance"),
    )
    for make in networks:
        with FakeTensorMode(), torch.device("cuda"):
            net, image = make(), torch.empty(1, 3, 64, 64)
            with Ops() as ops, torch.autocast("cuda", dtype):
                assert net(image).dtype == dtype
        copies = [name for name in ops.names if "_to_copy" in name]
        assert len(copies) <= len(list(net.parameters())) + 1


def test_where_one_operation_checks_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere, gradients are checked one by one, and no optimizer is fused."""
    monkeypatch.setattr(gradients, "CHECKED_AT_ONCE", ("cuda",))
    monkeypatch.delattr(torch, "_amp_foreach_non_finite_check_and_unscale_")
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=1.0)
    fuse(optimizer)
    assert not optimizer.param_groups[0]["fused"]
    guard = NonFiniteGuard(skip=False)
    for bad in (False, True):
        before = weight.detach().clone()
        weight.grad = torch.tensor([1.0, float("nan") if bad else 1.0, 1.0])
        guard.watch(optimizer, ["a.png"])
        optimizer.step()
        assert torch.equal(before, weight) == bad
        if bad:
            with pytest.raises(NonFinite, match=r"a\.png"):
                guard.check()
        else:
            guard.check()


def test_deterministic_fills_no_memory() -> None:
    try:
        seed_everything(0, deterministic=True)
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True


def test_deterministic_padding_does_not_sort() -> None:
    """On CUDA, --deterministic pads by concatenating, whose gradient adds slices in order."""
    torch.use_deterministic_algorithms(True)
    try:
        with FakeTensorMode(), torch.device("cuda"), Ops() as ops:
            ReflectionPad(3)(torch.empty(1, 2, 8, 8))
    finally:
        torch.use_deterministic_algorithms(False)
    assert any("cat" in name for name in ops.names)
    x = torch.rand(1, 2, 8, 8, requires_grad=True)
    with Ops(forbidden=("reflection_pad", "index", "scatter", "gather", "sort")) as backward:
        reflect_edges(x, 3).sum().backward()
    assert any("flip" in name for name in backward.names)
    assert not any("reflection_pad" in name or "index" in name for name in ops.names)


def test_recomputing_saves_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout nothing random is computed again, so no generator is saved."""
    asked: list[bool] = []
    original = torch.utils.checkpoint.checkpoint

    def spy(*arguments, **settings):
        asked.append(settings["preserve_rng_state"])
        return original(*arguments, **settings)

    monkeypatch.setattr("util.modules.checkpoint", spy)
    trained("--checkpoint_activations", steps=1)
    assert asked and not any(asked)


def test_inputs_do_not_wait_for_the_gpu() -> None:
    """Images are copied to the GPU without waiting for the work before."""
    waits: list[bool] = []

    class Pinned(torch.Tensor):
        def to(self, *args, **settings):
            waits.append(not settings.get("non_blocking"))
            return super().to(*args, **settings)

    data = batch(size=64, dtype=torch.float32)
    data |= {domain: data[domain].as_subclass(Pinned) for domain in "AB"}
    small = ("--netG", "resnet_6blocks", "--ngf", "1", "--ndf", "1", "--crop_size", "64")
    for name in plugins.available("model"):
        if name != "test":  # the others train
            more = ("--content_loss", "pixel") if name == "content_gan" else ()
            waits.clear()
            create_model(options("--model", name, *small, *more)).set_input(data)
            assert waits and not any(waits), name

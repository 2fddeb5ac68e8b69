"""Options of a step compared with the plain step: accumulation, precision, memory layout."""

from __future__ import annotations

import errno
import re

import pytest
import torch
from steps import Ops, batch, distance, options, repeatable, trained  # noqa: F401
from torch.utils.checkpoint import checkpoint

from models.template_model import TemplateModel
from models.training.gradients import NonFinite
from models.training.memory import out_of_memory
from models.training.step import Step
from util.errors import UserError, is_out_of_memory
from util.reflection import ReflectionPad, reflect_edges


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_accumulated_micro_batches_equal_the_large_batch(model: str) -> None:
    """Also if D steps before G, and if the last micro-batch is smaller."""
    more = ("--netG", "resnet_6blocks", "--lr", "0.0002")
    large = trained(*more, "--batch_size", "5", n=5, model=model)
    earlier = trained(*more, "--batch_size", "5", n=5, model=model, steps=2)
    parts = trained(*more, "--batch_size", "2", "--accumulate", "3", n=5, model=model)
    assert distance(large, parts) < 1e-9 < distance(large, earlier)
    assert parts.model.get_current_losses() == pytest.approx(large.model.get_current_losses())
    assert len(parts.model.get_image_paths()) == 5


def test_recomputed_activations() -> None:
    """Equal gradients; only features between residual blocks are kept, the rest is recomputed."""
    plain, again = trained(), trained("--checkpoint_activations")
    assert distance(plain, again) < 1e-12
    with Ops() as ops:
        again(batch())
    assert ops.names.count("aten.convolution.default") >= 2 * 4 * 18 + 4 * 4
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        again.model.netG_A(batch()["A"])
    shapes = [tuple(t.shape) for t in kept if t.numel()]  # PyTorch 2.4 adds an empty tensor
    assert shapes == [(1, 3, 32, 32)] + 7 * [(1, 16, 8, 8)]


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_low_precision(amp: str) -> None:
    """Convolutions use half precision, losses do not; gradients are unscaled and near float32's."""
    plain, narrow = (
        trained("--amp", kind, "--lr", "0.0002", double=False, steps=2) for kind in ("none", amp)
    )
    for name, value in plain.model.get_current_losses().items():
        assert narrow.model.get_current_losses()[name] == pytest.approx(value, rel=0.1, abs=0.05)
    for a, b in zip(plain.model.netG_A.parameters(), narrow.model.netG_A.parameters(), strict=True):
        assert a.dtype == b.dtype == torch.float32
        if a.dim() == 4:
            assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten(), 0) > 0.9
            assert 0.8 < a.grad.norm() / b.grad.norm() < 1.25
    kinds = []
    for module in narrow.model.netG_A.modules():
        module.register_forward_hook(
            lambda module, args, result: kinds.append((type(module).__name__, result.dtype))
        )
    assert narrow.model.netG_A(batch(dtype=torch.float32)["A"]).dtype == torch.float32
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]
    assert ("Conv2d", half) in kinds and ("Conv2d", torch.float32) not in kinds
    assert (narrow.model.fp16_scaler is not None) == (amp == "fp16")


def test_loss_scale() -> None:
    """Overflows halve the scale and skip the step silently, unless they never end; it is saved."""
    step = trained("--amp", "fp16", "--lr", "0.0002", double=False, scale=2.0**60, steps=2)
    saved = step.model.training_state()
    assert saved["scaler"]["scale"] == 2.0**58
    assert all(
        value.isfinite().all() for net in saved["networks"].values() for value in net.values()
    )
    other = trained("--amp", "fp16", double=False, steps=0)
    other(batch(dtype=torch.float32))
    other.model.load_training_state(saved)
    assert other.model.fp16_scaler.get_scale() == 2.0**58
    step.guard.patience = 3
    with pytest.raises(NonFinite):
        for _ in range(3):
            step(batch(dtype=torch.float32))


class Twice(TemplateModel):
    """Steps its optimizer twice, and can leave the loss unscaled."""

    plain = False

    def optimize_parameters(self) -> None:
        for _ in range(2):
            self.forward()
            self.optimizer.zero_grad()
            loss = checkpoint(self.criterionLoss, self.output, self.data_B, use_reentrant=True)
            loss.backward() if self.plain else self.backward(loss)
            self.optimizer.step()


def test_fp16_in_other_models() -> None:
    """Two steps of one optimizer, recomputed layers, a step without gradients or optimizers, and
    an unscaled loss.
    """
    torch.manual_seed(3)
    opt = options("--model", "template", "--ngf", "4", "--netG", "resnet_6blocks", "--amp", "fp16")
    step, data = Step(opt, model := Twice(opt)), batch(dtype=torch.float32)
    step(data)
    gradients = [p.grad.clone() for p in model.netG.parameters()]
    assert 0 < max(float(gradient.abs().max()) for gradient in gradients) < 10
    assert model.optimizer.state[next(model.netG.parameters())]["step"] == 2
    model.optimizer.register_step_post_hook(lambda optimizer, *_: optimizer.zero_grad())
    model.optimize_parameters = lambda: (Twice.optimize_parameters(model), model.optimizer.step())
    step(data)
    del model.optimize_parameters
    model.plain = True
    with pytest.raises(UserError, match=r"--amp fp16: .* self\.backward\(loss\)"):
        step(data)
    model.optimize_parameters = lambda: None
    step(data)
    assert model.fp16_scaler.get_scale() == 2.0**16


def test_a_model_may_have_a_scaler_of_its_own() -> None:
    opt = options("--model", "template", "--ngf", "4", "--netG", "resnet_6blocks")
    model = Twice(opt)
    model.scaler = torch.amp.GradScaler("cpu", enabled=False)
    Step(opt, model)(batch(dtype=torch.float32))
    assert model.training_state()["scaler"] == {}


def test_moments_have_the_strides_of_their_weights() -> None:
    """Also after resuming with another --channels_last: a fused Adam pairs elements by address."""
    saved = trained("--channels_last", steps=1).model.training_state()
    model = trained(steps=0).model
    model.load_training_state(saved)
    Step(model.opt, model)
    moments = [
        (p, value)
        for p, state in model.optimizer_G.state.items()
        for value in state.values()
        if p.shape == value.shape
    ]
    assert len(moments) > 50 and all(p.stride() == value.stride() for p, value in moments)
    wanted = [
        value
        for state in saved["optimizers"][0]["state"].values()
        for value in state.values()
        if value.dim()
    ]
    assert all(torch.equal(value, other) for (_, value), other in zip(moments, wanted, strict=True))


def test_channels_last_and_deterministic_padding() -> None:
    assert distance(trained(), trained("--channels_last")) < 1e-6
    x = torch.rand(2, 3, 5, 6)
    for width in (1, 3):
        assert torch.equal(reflect_edges(x, width), ReflectionPad(width)(x))


def test_out_of_memory() -> None:
    """The message names the peak and the options that save memory."""
    message = str(out_of_memory(options("--batch_size", "4", "--ngf", "512")))
    assert re.search(r"out of memory on cpu at a peak of .* GB", message)
    for advice in ("--batch_size 1 --accumulate 4", "--crop_size 128", "--ngf 64"):
        assert advice in message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("unable to start watchdog thread"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("sizes do not match"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


@pytest.mark.parametrize("size", [(1 << 60,), (1 << 40, 1 << 40)])
def test_sizes_beyond_any_memory(size: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(size)
    assert is_out_of_memory(caught.value)

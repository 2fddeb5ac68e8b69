"""What options add to a step: accumulation, precision, layout, compilation, averages; compared with the plain step."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from steps import SMALL, Ops, batch, build, options, repeatable  # noqa: F401
from torch.utils.checkpoint import checkpoint

from models import create_model
from models.network_parts import ReflectionPad, reflect_edges
from models.networks import cal_gradient_penalty, define_D, define_G
from models.template_model import TemplateModel
from models.training.gradients import LossScaler, NonFinite
from models.training.memory import out_of_memory
from models.training.step import Step
from util.errors import UserError
from util.modules import unaffected


def train(
    *args: str,
    steps: int = 3,
    n: int = 1,
    model: str = "cycle_gan",
    double: bool = True,
    scale: float = 256,
) -> Step:
    """So many steps on the same images, in parts of ``n``; the same weights for the same architecture."""
    torch.manual_seed(3)
    opt = options(*SMALL, "--pool_size", "0", "--model", model, "--norm", "instance", *args)
    opt.no_dropout = True
    model = create_model(opt)
    for net in (*model.get_networks().values(), model.criterionGAN) if double else ():
        net.double()
    if model.scaler:
        model.scaler = LossScaler("cpu", init_scale=scale)
    step = Step(opt, model)
    for _ in range(steps):
        step(batch(n, dtype=torch.float64 if double else torch.float32))
    return step


def distance(a: Step, b: Step) -> float:
    """Of the weights, at most."""
    return max(
        float((p - q).abs().max())
        for name, net in a.model.get_networks().items()
        for p, q in zip(net.parameters(), b.model.get_networks()[name].parameters(), strict=True)
    )


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_accumulated_parts_equal_the_large_batch(model: str) -> None:
    """Also where D's step lies between G's two passes, and where the last part is smaller."""
    more = ("--netG", "resnet_6blocks", "--lr", "0.0002")
    large, parts = (
        train(*more, "--batch_size", "5", n=5, model=model),
        train(*more, "--batch_size", "2", "--accumulate", "3", n=5, model=model),
    )
    assert (
        distance(large, parts)
        < 1e-9
        < distance(large, train(*more, "--batch_size", "5", n=5, model=model, steps=2))
    )
    assert parts.model.get_current_losses() == pytest.approx(large.model.get_current_losses())
    assert len(parts.model.get_image_paths()) == 5


def test_recomputed_activations() -> None:
    """The same gradients; whole generators are computed again, and of each only what lies between its blocks is kept."""
    plain, again = train(), train("--checkpoint_activations")
    assert distance(plain, again) < 1e-12
    with Ops() as ops:
        again(batch())
    assert ops.names.count("aten.convolution.default") >= 2 * 4 * 18 + 4 * 4
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        again.model.netG_A(batch()["A"])
    assert [tuple(t.shape) for t in kept] == [(1, 3, 32, 32)] + 7 * [(1, 16, 8, 8)]


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_low_precision(amp: str) -> None:
    """Close to float32; convolutions are narrow, norms and losses are not, and no gradient is lost or scaled."""
    plain, narrow = (train("--amp", kind, "--lr", "0.0002", double=False) for kind in ("none", amp))
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
    assert (narrow.model.scaler is not None) == (amp == "fp16")


def test_the_scale_of_fp16_finds_itself_and_goes_with_the_state() -> None:
    """Overflows are left out in silence and halve it; unless they never end."""
    step = train("--amp", "fp16", "--lr", "0.0002", double=False, scale=2.0**60, steps=2)
    saved = step.model.training_state()
    assert saved["scaler"]["scale"] == 2.0**58
    assert all(
        value.isfinite().all() for net in saved["networks"].values() for value in net.values()
    )
    other = train("--amp", "fp16", double=False, steps=0)
    other(batch(dtype=torch.float32))
    other.model.load_training_state(saved)
    assert other.model.scaler.get_scale() == 2.0**58
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
    """Two steps of one optimizer, recomputed layers, a step without an optimizer, a loss that is not scaled."""
    torch.manual_seed(3)
    opt = options("--model", "template", "--ngf", "4", "--netG", "resnet_6blocks", "--amp", "fp16")
    step, data = Step(opt, model := Twice(opt)), batch(dtype=torch.float32)
    step(data)
    gradients = [p.grad.clone() for p in model.netG.parameters()]
    assert 0 < max(float(gradient.abs().max()) for gradient in gradients) < 10
    assert model.optimizer.state[next(model.netG.parameters())]["step"] == 2
    model.plain = True
    with pytest.raises(UserError, match=r"--amp fp16: .* self\.backward\(loss\)"):
        step(data)
    model.optimize_parameters = lambda: None
    step(data)
    assert model.scaler.get_scale() == 2.0**16


def test_moments_lie_as_their_weights() -> None:
    """Where a run goes on with another --channels_last; a fused Adam would mix up its numbers, on a GPU refuse them."""
    saved = train("--channels_last", steps=1).model.training_state()
    model = train(steps=0).model
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
    assert distance(train(), train("--channels_last")) < 1e-6
    x = torch.rand(2, 3, 5, 6)
    for width in (1, 3):
        assert torch.equal(reflect_edges(x, width), ReflectionPad(width)(x))


@pytest.mark.parametrize("more", [(), ("--amp", "bf16", "--checkpoint_activations")])
def test_compiled(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Whole networks: fullgraph refuses anything else. The names of the weights stay."""
    monkeypatch.setattr("models.training.step.BACKEND", "eager")
    torch._dynamo.reset()
    plain = train(*more, "--n_layers_D", "1", double=not more)
    whole = train(*more, "--n_layers_D", "1", "--compile", double=not more)
    assert distance(plain, whole) < 1e-6
    assert list(whole.model.netG_A.state_dict()) == list(plain.model.netG_A.state_dict())
    assert re.fullmatch(
        r"--compile: \d+ graphs so far; .*\n", capsys.readouterr().out
    )  # all of them in the first step


def test_compiled_at_odd_sizes() -> None:
    torch._dynamo.reset()
    net = define_G(3, 3, 4, "resnet_6blocks", "instance").eval()
    x = torch.rand(1, 3, 21, 30)
    wanted = net(x)
    net.compile(fullgraph=True, backend="eager")
    assert torch.allclose(net(x), wanted)


def test_what_is_not_compiled() -> None:
    """The gradient penalty, for compiled networks have no second derivatives; and what looks at a training."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    net, penalties = define_D(3, 4, "n_layers", 1, "instance"), []
    for compiled in (False, True):
        if compiled:
            net.compile(fullgraph=True, backend="aot_eager")
        torch.manual_seed(1)
        net.zero_grad()
        penalty, _ = cal_gradient_penalty(net, torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
        penalty.backward()
        penalties.append((penalty.item(), [p.grad for p in net.parameters() if p.grad is not None]))
    assert penalties[0][0] == penalties[1][0] and all(
        map(torch.equal, penalties[0][1], penalties[1][1])
    )
    with unaffected([net]):
        net(torch.rand(1, 3, 16, 16))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 0
    net(torch.rand(1, 3, 16, 16))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_averages_need_a_generator() -> None:
    opt = options(*SMALL, "--ema", "0.9")
    model = create_model(opt)
    model.model_names = ["D_A", "D_B"]
    with pytest.raises(UserError, match="--ema .* D_A, D_B"):
        Step(opt, model)


def test_averaged_generators() -> None:
    torch.manual_seed(3)
    step = train("--ema", "0.9", steps=0, double=False)
    wanted = {key: value.clone() for key, value in step.model.netG_A.state_dict().items()}
    for _ in range(3):
        step(batch(dtype=torch.float32))
        wanted = {
            key: 0.9 * value + 0.1 * step.model.netG_A.state_dict()[key]
            for key, value in wanted.items()
        }
    averages = step.model.get_weights()
    assert averages.keys() >= {"G_A_ema", "G_B_ema"} and list(averages["G_A_ema"]) == list(wanted)
    for key, value in averages["G_A_ema"].items():
        assert torch.allclose(value, wanted[key], atol=1e-7)


def test_averaged_batch_norm() -> None:
    """Running statistics are averaged, counters are copied, and a resumed run continues the averages."""
    args = ("--norm", "batch", "--ema", "0.5", "--lr", "0.0002")
    step = train(*args, steps=2, n=2, double=False)
    name = "model.2.running_mean"
    assert not torch.equal(average(step)[name], step.model.netG_A.state_dict()[name])
    counter = "model.2.num_batches_tracked"
    assert average(step)[counter] == step.model.netG_A.state_dict()[counter] > 0
    other = train(*args, steps=0, double=False)
    saved = copy.deepcopy(step.model.training_state())
    other.model.load_training_state(saved)
    assert all(map(torch.equal, average(other).values(), average(step).values()))
    data = batch(2, dtype=torch.float32)
    for each in (step, other):
        each(data)
    assert all(map(torch.equal, average(other).values(), average(step).values()))
    for key in ("G_A_ema", "G_B_ema"):
        del saved["networks"][key]
    other.model.load_training_state(saved)  # a run without --ema resumes with it
    assert all(map(torch.equal, average(other).values(), saved["networks"]["G_A"].values()))


def average(step: Step) -> dict[str, torch.Tensor]:
    return step.model.get_weights()["G_A_ema"]


def test_out_of_memory() -> None:
    opt = options("--batch_size", "4")
    shown = str(out_of_memory(MemoryError(), opt, torch.device("cpu")))
    assert all(
        word in shown
        for word in (
            "out of memory on cpu at a peak of",
            "GB",
            "--batch_size 1 --accumulate 4",
            "--crop_size 128",
            "--checkpoint_activations",
        )
    )
    assert out_of_memory(RuntimeError("sizes do not match"), opt, torch.device("cpu")) is None
    assert out_of_memory(
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), opt, torch.device("cpu")
    )
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert out_of_memory(caught.value, opt, torch.device("cpu"))

"""A step of training costs what it must, and what it saves changes no gradient."""
from __future__ import annotations

import copy
import re
from argparse import Namespace
from collections.abc import Iterator

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models import create_model
from models.cycle_gan_model import CycleGANModel
from models.layers import ReflectionPad, pad_by_index
from models.networks import define_G
from models.step import Step, out_of_memory
from options.train_options import TrainOptions
from util.guard import NonFinite

SMALL = ("--ngf", "4", "--ndf", "4", "--netG", "resnet_6blocks", "--netD", "n_layers", "--n_layers_D", "2", "--init_gain", "0.2",
         "--lr", "0.01")


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def options(*args: str) -> Namespace:
    opt = TrainOptions().gather_options(["--dataroot", ".", *args])
    opt.isTrain, opt.gpu_ids, opt.device = True, [], "cpu"
    return opt


def build(*args: str, double: bool = True):
    model = create_model(options(*args))
    for net in (*model.get_networks().values(), model.criterionGAN) if double else ():
        net.double()
    return model


def batch(n: int = 1, size: int = 32, dtype: torch.dtype = torch.float64, other: int | None = None) -> dict:
    A, B = (torch.rand(n, 3, side, size, dtype=dtype) * 2 - 1 for side in (size, other or size))
    return {"A": A, "B": B, "A_paths": ["a.png"] * n, "B_paths": ["b.png"] * n}


class Ops(TorchDispatchMode):
    """A context that notes every operation, and can forbid those that wait for the device."""

    def __init__(self, forbidden: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.names: list[str] = []
        self.forbidden = forbidden

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        assert not any(word in str(func) for word in self.forbidden), func
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def default() -> Step:
    """The default architecture, though thinner, after a first step."""
    opt = options("--ngf", "8", "--ndf", "8")
    step = Step(opt, create_model(opt))
    step(batch(dtype=torch.float32))
    return step


def test_operations_of_the_default_step(default: Step) -> None:
    """The official code dispatches 4,622."""
    with Ops() as ops:
        default(batch(dtype=torch.float32))
    assert len(ops.names) <= 2300
    assert sum("convolution.default" in name for name in ops.names) == 4 * 24 + 4 * 5  # passes of generators, discriminators
    assert ops.names.count("aten._fused_adam_.default") == 2


def test_a_step_does_not_wait(default: Step) -> None:
    """Nothing is read off a tensor until the losses are asked for."""
    default.at_once = False  # as on a GPU
    with Ops(("_local_scalar_dense", "nonzero", "_to_copy")):
        default(batch(dtype=torch.float32))
        default(batch(dtype=torch.float32))
    assert len(default.guard.found) == 4
    default.check()
    assert not default.guard.found
    assert all(type(value) is float for value in default.model.get_current_losses().values())


class Plain(CycleGANModel):
    """Computes all images first, then all losses, and each network sees its images one after the other."""

    def backward_G(self) -> None:
        super().backward_G()

    def backward_D_basic(self, netD, real, fake):
        netD.apart = False
        return super().backward_D_basic(netD, real, fake)


@pytest.mark.parametrize("other", [None, 48])
@pytest.mark.parametrize("identity", ["0.5", "0"])
@pytest.mark.parametrize("norm", ["instance", "none", "batch"])
def test_parts_equal_the_whole(norm: str, identity: str, other: int | None) -> None:
    """Gradients, weights, running statistics and what is shown, with B of A's size and of another."""
    model = build(*SMALL, "--norm", norm, "--lambda_identity", identity)
    plain = copy.deepcopy(model)
    plain.__class__ = Plain
    for _ in range(2):
        data = batch(other=other)
        for each in (model, plain):
            torch.manual_seed(1)
            each.set_input(data)
            each.optimize_parameters()
    passes = [model.overrides(CycleGANModel, "forward", "backward_G"), plain.overrides(CycleGANModel, "forward", "backward_G")]
    assert passes == [False, True]
    for name, net in model.get_networks().items():
        wanted = plain.get_networks()[name]
        for (key, p), q in zip(net.named_parameters(), wanted.parameters(), strict=True):
            assert torch.allclose(p.grad, q.grad, rtol=1e-6, atol=1e-10), (name, key)
        for (key, value), other_value in zip(net.state_dict().items(), wanted.state_dict().values(), strict=True):
            assert torch.allclose(value, other_value, rtol=1e-5, atol=1e-6), (name, key)
    assert model.get_current_losses() == pytest.approx(plain.get_current_losses(), rel=1e-6)
    assert float(model.loss_G.detach()) == pytest.approx(float(plain.loss_G.detach()), rel=1e-6)
    shown = model.get_current_visuals()
    assert ("idt_A" in shown) == (identity != "0")
    for label, image in plain.get_current_visuals().items():
        assert torch.allclose(shown[label], image, atol=1e-6), label


@pytest.mark.parametrize("hook", ["forward", "backward_G", "backward_D_A", "backward_D_B", "backward_D_basic"])
def test_official_hooks_are_called(hook: str) -> None:
    """Of subclasses, and of functions put on the model itself."""
    model = build(*SMALL)
    called, official = [], getattr(model, hook)
    setattr(model, hook, lambda *args: called.append(hook) or official(*args))
    model.set_input(batch())
    model.optimize_parameters()
    assert called == [hook] * (2 if hook == "backward_D_basic" else 1)
    assert all(value > 0 for value in model.get_current_losses().values())


@pytest.mark.parametrize("fused", [True, False])
def test_bad_gradients_reach_no_weight(fused: bool) -> None:
    """Adam in one operation is told by a tensor, any other optimizer in time."""
    opt = options(*SMALL)
    model = create_model(opt)
    if not fused:
        model.optimizers[0] = model.optimizer_G = torch.optim.RMSprop(model.optimizer_G.param_groups[0]["params"], lr=0.01)
    step = Step(opt, model)
    step(batch(dtype=torch.float32))
    weights = {name: copy.deepcopy(net.state_dict()) for name, net in model.get_networks().items()}
    moments = copy.deepcopy([optimizer.state_dict()["state"] for optimizer in model.optimizers])
    bad = batch(dtype=torch.float32)
    bad["A"][0, 0, 5, 5] = torch.nan
    with pytest.raises(NonFinite, match=r"a\.png"):
        step(bad)
    for name, net in model.get_networks().items():
        assert all(torch.equal(value, weights[name][key]) for key, value in net.state_dict().items())
    for optimizer, before in zip(model.optimizers, moments, strict=True):
        for key, values in optimizer.state_dict()["state"].items():
            assert all(torch.equal(value, before[key][name]) for name, value in values.items())
    step(batch(dtype=torch.float32))
    assert not torch.equal(model.netG_A.state_dict()["model.1.weight"], weights["G_A"]["model.1.weight"])


def train(*args: str, steps: int = 3, n: int = 1, model: str = "cycle_gan", double: bool = True, scale: float = 256) -> Step:
    """So many steps on the same images, in parts of ``n``; the same weights for the same architecture."""
    torch.manual_seed(3)
    opt = options(*SMALL, "--pool_size", "0", "--model", model, "--norm", "instance", *args)
    opt.no_dropout = True
    model = create_model(opt)
    for net in (*model.get_networks().values(), model.criterionGAN) if double else ():
        net.double()
    if model.scaler:
        model.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    step = Step(opt, model)
    for _ in range(steps):
        step(batch(n, dtype=torch.float64 if double else torch.float32))
    return step


def distance(a: Step, b: Step) -> float:
    """Of the weights, at most."""
    return max(float((p - q).abs().max()) for name, net in a.model.get_networks().items()
               for p, q in zip(net.parameters(), b.model.get_networks()[name].parameters(), strict=True))


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_accumulated_parts_equal_the_large_batch(model: str) -> None:
    """Also where D's step lies between G's two passes, and where the last part is smaller."""
    more = ("--netG", "resnet_6blocks", "--lr", "0.0002")
    large, parts = train(*more, "--batch_size", "5", n=5, model=model), \
        train(*more, "--batch_size", "2", "--accumulate", "3", n=5, model=model)
    assert distance(large, parts) < 1e-9 < distance(large, train(*more, "--batch_size", "5", n=5, model=model, steps=2))
    assert parts.model.get_current_losses() == pytest.approx(large.model.get_current_losses())
    assert len(parts.model.get_image_paths()) == 5


def test_recomputed_blocks() -> None:
    plain, again = train(), train("--checkpoint_activations")
    assert distance(plain, again) < 1e-12
    with Ops() as ops:
        again(batch())
    assert ops.names.count("aten.convolution.default") > 4 * 18 + 4 * 4


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
        module.register_forward_hook(lambda module, args, result: kinds.append((type(module).__name__, result.dtype)))
    assert narrow.model.netG_A(batch(dtype=torch.float32)["A"]).dtype == torch.float32
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]
    assert ("Conv2d", half) in kinds and ("Conv2d", torch.float32) not in kinds
    assert (narrow.model.scaler is not None) == (amp == "fp16")


def test_the_scale_of_fp16_finds_itself_and_goes_with_the_state() -> None:
    """Overflows are left out in silence and halve it; unless they never end."""
    step = train("--amp", "fp16", "--lr", "0.0002", double=False, scale=2.0**60, steps=2)
    saved = step.model.training_state()
    assert saved["scaler"]["scale"] == 2.0**58
    assert all(value.isfinite().all() for net in saved["networks"].values() for value in net.values())
    other = train("--amp", "fp16", double=False, steps=0)
    other(batch(dtype=torch.float32))
    other.model.load_training_state(saved)
    assert other.model.scaler.get_scale() == 2.0**58
    step.guard.patience = 3
    with pytest.raises(NonFinite):
        for _ in range(3):
            step(batch(dtype=torch.float32))


def test_channels_last_and_deterministic_padding() -> None:
    assert distance(train(), train("--channels_last")) < 1e-6
    x = torch.rand(2, 3, 5, 6)
    for width in (1, 3):
        assert torch.equal(pad_by_index(x, width), ReflectionPad(width)(x))


@pytest.mark.parametrize("more", [(), ("--amp", "bf16"), ("--checkpoint_activations",)])
def test_compiled(more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Whole networks: fullgraph refuses anything else. The names of the weights stay."""
    monkeypatch.setattr("models.step.BACKEND", "eager")
    torch._dynamo.reset()
    plain = train(*more, "--n_layers_D", "1", double=not more)
    whole = train(*more, "--n_layers_D", "1", "--compile", double=not more)
    assert distance(plain, whole) < 1e-6
    assert list(whole.model.netG_A.state_dict()) == list(plain.model.netG_A.state_dict())
    assert re.fullmatch(r"--compile: \d+ graphs so far, .*\n", capsys.readouterr().out)  # all of them in the first step


def test_compiled_at_odd_sizes() -> None:
    torch._dynamo.reset()
    net = define_G(3, 3, 4, "resnet_6blocks", "instance").eval()
    x = torch.rand(1, 3, 21, 30)
    wanted = net(x)
    net.compile(fullgraph=True, backend="eager")
    assert torch.allclose(net(x), wanted)


def test_averaged_generators() -> None:
    torch.manual_seed(3)
    step = train("--ema", "0.9", steps=0, double=False)
    wanted = {key: value.clone() for key, value in step.model.netG_A.state_dict().items()}
    for _ in range(3):
        step(batch(dtype=torch.float32))
        wanted = {key: 0.9 * value + 0.1 * step.model.netG_A.state_dict()[key] for key, value in wanted.items()}
    assert set(step.model.ema) == {"G_A_ema", "G_B_ema"}
    assert all(torch.allclose(value, wanted[key], atol=1e-7) for key, value in step.model.ema["G_A_ema"].items())


def test_out_of_memory() -> None:
    opt = options("--batch_size", "4")
    shown = str(out_of_memory(MemoryError(), opt, torch.device("cpu")))
    assert all(word in shown for word in ("out of memory on cpu at a peak of", "GB", "--batch_size 1 --accumulate 4",
                                          "--crop_size 128", "--checkpoint_activations"))
    assert out_of_memory(RuntimeError("sizes do not match"), opt, torch.device("cpu")) is None
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert out_of_memory(caught.value, opt, torch.device("cpu"))

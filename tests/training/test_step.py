"""The training step: its operations, the official order and hooks, and non-finite gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from steps import SMALL, Ops, batch, build, options, repeatable  # noqa: F401

from models import create_model
from models.cycle_gan_model import CycleGANModel
from models.training.gradients import NonFinite
from models.training.step import Step


@pytest.fixture(scope="module")
def default() -> Step:
    """The default architecture with 8 filters, after a first step."""
    opt = options("--ngf", "8", "--ndf", "8")
    step = Step(opt, create_model(opt))
    step(batch(dtype=torch.float32))
    return step


def test_operations_of_the_default_step(default: Step) -> None:
    """The official code dispatches 4,622."""
    with Ops() as ops:
        default(batch(dtype=torch.float32))
    assert len(ops.names) <= 2700
    generators, discriminators = 6 * 24, 4 * 5
    convolutions = sum("convolution.default" in name for name in ops.names)
    assert convolutions == generators + discriminators
    assert ops.names.count("aten._fused_adam_.default") == 2


def test_a_step_does_not_wait(default: Step) -> None:
    """No value is copied to the host before the losses are requested."""
    default.check_every_step = False  # as on a GPU
    with Ops(("_local_scalar_dense", "nonzero", "_to_copy")):
        default(batch(dtype=torch.float32))
        default(batch(dtype=torch.float32))
    assert len(default.guard.flags) == 4
    default.check()
    assert not default.guard.flags
    assert all(type(value) is float for value in default.model.get_current_losses().values())


class OfficialOrder(CycleGANModel):
    """Computes all images first; a discriminator sees real and fake images in two passes."""

    def forward(self) -> None:
        self.generated = True
        super().forward()

    def backward_G(self) -> None:
        assert self.generated
        super().backward_G()

    def backward_D_basic(self, netD, real, fake):
        netD.can_join_batches = False
        return super().backward_D_basic(netD, real, fake)


class SharedGraph(CycleGANModel):
    """Passes both images through G_A in one batch, so that the directions share a graph."""

    def forward(self) -> None:
        self.fake_B, self.rec_B = self.netG_A(torch.cat([self.real_A, self.real_B])).chunk(2)
        self.rec_A, self.fake_A = self.netG_B(torch.cat([self.fake_B, self.real_B])).chunk(2)


def test_a_subclass_may_share_a_graph_between_directions() -> None:
    model = build(*SMALL)
    model.__class__ = SharedGraph
    before = [p.detach().clone() for p in model.netG_A.parameters()]
    model.set_input(batch())
    model.optimize_parameters()
    after = model.netG_A.parameters()
    assert any(not torch.equal(p, q) for p, q in zip(before, after, strict=True))


@pytest.mark.parametrize("other", [None, 48])
@pytest.mark.parametrize("identity", ["0.5", "0"])
@pytest.mark.parametrize("norm", ["instance", "none", "batch"])
def test_official_order_gives_the_same_step(norm: str, identity: str, other: int | None) -> None:
    """Gradients, weights, running statistics and images, with B of A's size and of another."""
    model = build(*SMALL, "--norm", norm, "--lambda_identity", identity)
    for optimizer in model.optimizers:  # Adam must not amplify the last bits of tiny gradients
        optimizer.param_groups[0]["eps"] = 1e-3
    official = copy.deepcopy(model)
    official.__class__ = OfficialOrder
    for _ in range(2):
        data = batch(other=other)
        for each in (model, official):
            torch.manual_seed(1)
            each.set_input(data)
            each.optimize_parameters()
    for name, net in model.get_networks().items():
        wanted = official.get_networks()[name]
        for (key, p), q in zip(net.named_parameters(), wanted.parameters(), strict=True):
            assert torch.allclose(p.grad, q.grad, rtol=1e-6, atol=1e-10), (name, key)
        for (key, value), other_value in zip(
            net.state_dict().items(), wanted.state_dict().values(), strict=True
        ):
            assert torch.allclose(value, other_value, rtol=1e-5, atol=1e-6), (name, key)
    assert model.get_current_losses() == pytest.approx(official.get_current_losses(), rel=1e-6)
    assert float(model.loss_G.detach()) == pytest.approx(float(official.loss_G.detach()), rel=1e-6)
    shown = model.get_current_visuals()
    assert ("idt_A" in shown) == (identity != "0")
    for label, image in official.get_current_visuals().items():
        assert torch.allclose(shown[label], image, atol=1e-6), label


@pytest.mark.parametrize(
    "hook", ["forward", "backward_G", "backward_D_A", "backward_D_B", "backward_D_basic"]
)
def test_hooks_of_official_subclasses_are_called(hook: str) -> None:
    model = build(*SMALL)
    calls, ours = [], getattr(CycleGANModel, hook)

    def override(self, *args):
        calls.append(hook)
        return ours(self, *args)

    model.__class__ = type("Subclass", (CycleGANModel,), {hook: override})
    model.set_input(batch())
    model.optimize_parameters()
    assert calls == [hook] * (2 if hook == "backward_D_basic" else 1)
    assert all(value > 0 for value in model.get_current_losses().values())


class Mixin:
    def forward(self) -> None:
        self.mixed = True
        super().forward()


class Mixed(Mixin, CycleGANModel):
    """Has its own forward() by another class than CycleGANModel."""


class OwnGradients(Mixed):
    """Computes the gradients itself, so that neither forward() nor backward_G() is called."""

    def gradients_G(self) -> None:
        self.own = True
        CycleGANModel.gradients_G(self)


@pytest.mark.parametrize(("kind", "called"), [(OwnGradients, {"own"}), (Mixed, {"mixed"})])
def test_hooks_of_mixins_and_gradients_of_subclasses(kind: type, called: set[str]) -> None:
    model = kind(options(*SMALL))
    model.set_input(batch(dtype=torch.float32))
    model.optimize_parameters()
    assert vars(model).keys() & {"own", "mixed"} == called


@pytest.mark.parametrize("fused", [True, False])
def test_bad_gradients_reach_no_weight(fused: bool) -> None:
    """A fused Adam reads a flag on the device; other optimizers get no gradients."""
    opt = options(*SMALL)
    model = create_model(opt)
    if not fused:
        model.optimizers[0] = model.optimizer_G = torch.optim.RMSprop(
            model.optimizer_G.param_groups[0]["params"], lr=0.01
        )
    step = Step(opt, model)
    step(batch(dtype=torch.float32))
    weights = {name: copy.deepcopy(net.state_dict()) for name, net in model.get_networks().items()}
    moments = copy.deepcopy([optimizer.state_dict()["state"] for optimizer in model.optimizers])
    bad = batch(dtype=torch.float32)
    bad["A"][0, 0, 5, 5] = torch.nan
    with pytest.raises(NonFinite, match=r"a\.png"):
        step(bad)
    for name, net in model.get_networks().items():
        assert all(
            torch.equal(value, weights[name][key]) for key, value in net.state_dict().items()
        )
    for optimizer, before in zip(model.optimizers, moments, strict=True):
        for key, values in optimizer.state_dict()["state"].items():
            assert all(torch.equal(value, before[key][name]) for name, value in values.items())
    step(batch(dtype=torch.float32))
    assert not torch.equal(
        model.netG_A.state_dict()["model.1.weight"], weights["G_A"]["model.1.weight"]
    )


def gradients(*args: str) -> list[torch.Tensor]:
    """Return the generators' gradients at learning rate 0, from equal weights and images."""
    torch.manual_seed(1)
    model = build(*SMALL, *args, "--lr", "0", "--lambda_identity", "0")
    model.set_input(batch())
    model.optimize_parameters()
    return [p.grad.clone() for net in (model.netG_A, model.netG_B) for p in net.parameters()]


def test_lambda_GAN() -> None:
    """1 is the default; 0 leaves only the cycle losses; the gradient is linear in it."""
    assert all(
        torch.equal(a, b) for a, b in zip(gradients(), gradients("--lambda_GAN", "1"), strict=True)
    )
    adversarial, cycle = (
        gradients("--lambda_A", "0", "--lambda_B", "0"),
        gradients("--lambda_GAN", "0"),
    )
    both = gradients("--lambda_GAN", "0.5")
    assert any(g.abs().max() > 1e-6 for g in adversarial) and any(
        g.abs().max() > 1e-6 for g in cycle
    )
    for a, c, b in zip(adversarial, cycle, both, strict=True):
        torch.testing.assert_close(0.5 * a + c, b)
    none = gradients("--lambda_GAN", "0", "--lambda_A", "0", "--lambda_B", "0")
    assert all(not g.any() for g in none)

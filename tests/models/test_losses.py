"""Adversarial losses and the gradient penalty, computed by hand."""

import math

import pytest
import torch
from steps import repeatable  # noqa: F401

from models.adversarial_loss import GANLoss
from models.networks import cal_gradient_penalty

# Adversarial losses

LOGITS = torch.tensor([[1.0, -2.0], [0.5, 0.0]])


@pytest.mark.parametrize(
    ("mode", "real", "wanted"),
    [
        ("lsgan", True, (0 + 9 + 0.25 + 1) / 4),
        ("lsgan", False, (1 + 4 + 0.25 + 0) / 4),
        ("vanilla", True, sum(math.log1p(math.exp(-x)) for x in (1, -2, 0.5, 0)) / 4),
        ("vanilla", False, sum(math.log1p(math.exp(x)) for x in (1, -2, 0.5, 0)) / 4),
        ("wgangp", True, 0.125),
        ("wgangp", False, -0.125),
    ],
)
def test_gan_loss(mode, real, wanted):
    for shape in ((2, 2), (1, 1, 2, 2), (4,)):
        loss = GANLoss(mode)(LOGITS.view(shape), real)
        assert loss.shape == () and loss.item() == pytest.approx(wanted)


def test_gan_loss_with_other_labels():
    assert GANLoss("lsgan", target_real_label=0.9)(torch.ones(3), True).item() == pytest.approx(
        0.01
    )
    assert GANLoss("lsgan", target_fake_label=0.1)(torch.ones(3), False).item() == pytest.approx(
        0.81
    )


# The gradient penalty


class Linear(torch.nn.Module):
    """D(x) = w.x, whose gradient is w everywhere."""

    def __init__(self, *w):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w))

    def forward(self, x):
        return (x.flatten(1) * self.w).sum(1)


@pytest.mark.parametrize("kind", ["mixed", "real", "fake"])
@pytest.mark.parametrize(("constant", "weight"), [(1.0, 10.0), (2.0, 0.5)])
def test_gradient_penalty_of_a_linear_critic(kind, constant, weight):
    critic = Linear(3.0, 0.0, -4.0, 0.0)  # of norm 5
    real, fake = torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2)
    penalty, gradients = cal_gradient_penalty(
        critic, real, fake, torch.device("cpu"), kind, constant, weight
    )
    assert penalty.item() == pytest.approx(weight * (5 - constant) ** 2)
    assert torch.allclose(gradients, critic.w.expand(3, 4))
    penalty.backward()  # it trains the critic: d/dw = 2 weight (|w| - c) w / |w|
    assert torch.allclose(critic.w.grad, 2 * weight * (5 - constant) * critic.w.detach() / 5)


def test_where_the_gradient_penalty_looks():
    def critic(x):
        return x.flatten(1).square().sum(1) / 2  # its gradient is the point itself

    real, fake = torch.rand(200, 1, 2, 2), torch.rand(200, 1, 2, 2) - 3
    points = {
        kind: cal_gradient_penalty(critic, real, fake, None, kind)[1]
        for kind in ("real", "fake", "mixed")
    }
    assert torch.allclose(points["real"], real.flatten(1))
    assert torch.allclose(points["fake"], fake.flatten(1))
    shares = (points["mixed"] - fake.flatten(1)) / (real - fake).flatten(1)
    assert torch.allclose(
        shares, shares[:, :1].expand(-1, 4), atol=1e-4
    )  # one point of each line, uniform on it
    assert 0 <= shares.min() < 0.05 and 0.95 < shares.max() <= 1
    assert shares[:, 0].mean().item() == pytest.approx(0.5, abs=4.5 * math.sqrt(1 / 12 / 200))


def test_gradient_penalty_off_and_misnamed():
    assert cal_gradient_penalty(
        Linear(1.0), torch.rand(1, 1, 1, 1), torch.rand(1, 1, 1, 1), lambda_gp=0
    ) == (0.0, None)
    with pytest.raises(NotImplementedError, match="between"):
        cal_gradient_penalty(
            Linear(1.0), torch.rand(1, 1, 1, 1), torch.rand(1, 1, 1, 1), type="between"
        )


def test_parts_of_the_loss_that_models_use() -> None:
    loss = GANLoss("vanilla", target_real_label=0.9)
    labels = loss.get_target_tensor(LOGITS, True)
    assert labels.shape == LOGITS.shape and (labels == 0.9).all() and not labels.is_contiguous()
    assert torch.equal(loss.loss(LOGITS, labels), loss(LOGITS, True))
    assert set(loss.state_dict()) == {"real_label", "fake_label"}
    assert GANLoss("wgangp").loss is None


def test_gradient_penalty_of_vectors_and_of_real_data_alone() -> None:
    critic = torch.nn.Linear(5, 1)
    real, fake = torch.randn(3, 5), torch.randn(3, 5)
    wanted = 10 * (critic.weight.norm() - 1) ** 2
    for kind, other in (("mixed", fake), ("real", None)):
        penalty, gradients = cal_gradient_penalty(critic, real, other, "cpu", type=kind)
        assert torch.allclose(penalty, wanted) and gradients.shape == (3, 5)

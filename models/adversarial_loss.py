"""Adversarial losses."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from util.modules import uncompiled


class GANLoss(nn.Module):
    """Mean loss of a discriminator's output against "real" or "fake".

    lsgan: squared distance to 1 or 0 (CycleGAN paper, section 4). vanilla: cross entropy of the
    logits. wgangp: the critic's score, negated for real; add :func:`cal_gradient_penalty`.
    """

    def __init__(
        self, gan_mode: str, target_real_label: float = 1.0, target_fake_label: float = 0.0
    ) -> None:
        super().__init__()
        if gan_mode not in ("lsgan", "vanilla", "wgangp"):
            raise ValueError(f"gan_mode {gan_mode}: should be lsgan, vanilla or wgangp")
        self.gan_mode = gan_mode
        self.register_buffer("real_label", torch.tensor(target_real_label))
        self.register_buffer("fake_label", torch.tensor(target_fake_label))

    def forward(self, prediction: torch.Tensor, target_is_real: bool) -> torch.Tensor:
        """Return a scalar. ``prediction`` holds logits and may have any shape."""
        if self.gan_mode == "wgangp":
            return -prediction.mean() if target_is_real else prediction.mean()
        label = self.get_buffer("real_label" if target_is_real else "fake_label")
        loss = F.mse_loss if self.gan_mode == "lsgan" else F.binary_cross_entropy_with_logits
        return loss(prediction, label.expand_as(prediction))


def cal_gradient_penalty(
    netD: nn.Module,
    real_data: torch.Tensor,
    fake_data: torch.Tensor,
    device: torch.device | None = None,
    type: str = "mixed",
    constant: float = 1.0,
    lambda_gp: float = 10.0,
):
    """Return ``lambda_gp * mean((|gradient of netD| - constant)^2)`` (Gulrajani 2017, Eq. 3), and
    the gradients (N, C*H*W), at real, fake or mixed (random points between) images.
    """
    if lambda_gp <= 0:
        return 0.0, None
    # With --preprocess none the two may differ in size: use the part that both have.
    height, width = (min(real_data.shape[d], fake_data.shape[d]) for d in (2, 3))
    real_data, fake_data = real_data[..., :height, :width], fake_data[..., :height, :width]
    mixed = torch.rand(len(real_data), 1, 1, 1, device=real_data.device)
    fraction = {"real": torch.ones(()), "fake": torch.zeros(()), "mixed": mixed}[type]
    points = (fraction * real_data + (1 - fraction) * fake_data).detach().requires_grad_()
    with uncompiled():
        scores = netD(points)
    (gradients,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    gradients = gradients.flatten(1)
    norm = (gradients + 1e-16).norm(2, dim=1)  # 1e-16 keeps its derivative finite at 0
    return (norm - constant).square().mean() * lambda_gp, gradients

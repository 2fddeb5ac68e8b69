"""Adversarial losses."""

from __future__ import annotations

import torch
from torch import nn

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
        losses = {"lsgan": nn.MSELoss(), "vanilla": nn.BCEWithLogitsLoss(), "wgangp": None}
        if gan_mode not in losses:
            raise NotImplementedError(f"gan_mode {gan_mode}: should be one of {', '.join(losses)}")
        self.gan_mode, self.loss = gan_mode, losses[gan_mode]
        self.register_buffer("real_label", torch.tensor(target_real_label))
        self.register_buffer("fake_label", torch.tensor(target_fake_label))

    def get_target_tensor(self, prediction: torch.Tensor, target_is_real: bool) -> torch.Tensor:
        label = self.get_buffer("real_label" if target_is_real else "fake_label")
        return label.expand_as(prediction)

    def forward(self, prediction: torch.Tensor, target_is_real: bool) -> torch.Tensor:
        """Return a scalar. ``prediction`` holds logits and may have any shape."""
        if self.loss is None:
            return -prediction.mean() if target_is_real else prediction.mean()
        return self.loss(prediction, self.get_target_tensor(prediction, target_is_real))


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
    if type == "mixed":
        for dim in range(2, real_data.dim()):  # sizes may differ with --preprocess none
            size = min(real_data.shape[dim], fake_data.shape[dim])
            real_data, fake_data = (d.narrow(dim, 0, size) for d in (real_data, fake_data))
        fraction = torch.rand(len(real_data), *[1] * (real_data.dim() - 1), device=real_data.device)
        points = fraction * real_data + (1 - fraction) * fake_data
    elif type in ("real", "fake"):
        points = real_data if type == "real" else fake_data
    else:
        raise NotImplementedError(f"type {type}: should be real, fake or mixed")
    points = points.detach().requires_grad_()
    with uncompiled():
        scores = netD(points)
    (gradients,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    gradients = gradients.flatten(1)
    norm = (gradients + 1e-16).norm(2, dim=1)  # 1e-16 keeps its derivative finite at 0
    return (norm - constant).square().mean() * lambda_gp, gradients

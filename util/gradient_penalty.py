"""The gradient penalty of ``--gan_mode wgangp`` (Gulrajani et al. 2017)."""

from __future__ import annotations

import torch
from torch import nn

from util.modules import uncompiled


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

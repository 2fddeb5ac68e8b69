"""The adversarial losses of ``--gan_mode``."""

from __future__ import annotations

import torch
from torch import nn


class GANLoss(nn.Module):
    """Mean loss of a discriminator's output against "real" or "fake".

    lsgan: squared distance to 1 or 0 (CycleGAN paper, section 4). vanilla: cross entropy of the
    logits. wgangp: the critic's score, negated for real; add cal_gradient_penalty
    (util/gradient_penalty.py).
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

"""The history of generated images (Shrivastava et al. 2017; CycleGAN paper, section 4)."""

from __future__ import annotations

import random

import torch


class ImagePool:
    """Shows the discriminator some of the last ``pool_size`` generated images instead of only the newest."""

    def __init__(self, pool_size: int) -> None:
        self.pool_size = pool_size
        self.images: list[torch.Tensor] = []

    def query(self, images: torch.Tensor) -> torch.Tensor:
        """Exchange new images for a mixture of new and old ones.

        Until the pool is full it keeps and returns each image. Then, per image and with probability 1/2, a random old
        image is returned and the new one takes its place; otherwise the new one is returned.

        Args:
            images: (N, C, H, W). Returns the same shape, detached from no graph but the caller's.
        """
        if self.pool_size == 0:
            return images
        chosen = []
        for image in images.detach().split(1):
            if len(self.images) < self.pool_size:
                self.images.append(image.clone())
            elif random.random() > 0.5:
                slot = random.randrange(self.pool_size)
                image, self.images[slot] = self.images[slot], image.clone()
            chosen.append(image)
        return torch.cat(chosen)

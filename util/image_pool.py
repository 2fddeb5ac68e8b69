"""The history of generated images (Shrivastava et al. 2017; CycleGAN paper, section 4)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import torch

from util.errors import UserError


class ImagePool:
    """A buffer of generated images; a discriminator trains on a mixture of old and new ones."""

    def __init__(self, pool_size: int) -> None:
        self.pool_size = pool_size
        self.images: list[torch.Tensor] = []

    @property
    def num_imgs(self) -> int:
        """The number of images in the pool (official name)."""
        return len(self.images)

    @num_imgs.setter
    def num_imgs(self, count: int) -> None:
        """Ignored: the ``query`` of a subclass may count the images that it appends, as well."""

    def query(self, images: torch.Tensor) -> torch.Tensor:
        """Return a mixture of new and old images, and store new ones.

        Until the pool is full, each image is stored and returned. Afterwards, with probability 1/2
        per image, a random old image is returned and the new one takes its place; otherwise the new
        one is returned and not stored.

        Args:
            images: (N, C, H, W).

        Returns:
            (N, C, H, W), detached from the graph; ``images`` itself if ``pool_size`` is 0.

        Raises UserError: an image of the pool, restored from a file, has another size.
        """
        if self.pool_size == 0:
            return images
        chosen = []
        for image in images.detach().split(1):
            if len(self.images) < self.pool_size:
                self.images.append(image.clone())
            elif random.random() > 0.5:
                slot = random.randrange(self.pool_size)
                self._check(self.images[slot], image, len(images))
                old = self.images[slot].to(image.dtype)  # a restored one may have another
                image, self.images[slot] = old, image.clone()
            chosen.append(image)
        return torch.cat(chosen)

    def _check(self, old: torch.Tensor, new: torch.Tensor, batch_size: int) -> None:
        """Raise a UserError if the two images cannot be in the same place of a batch."""
        if old.shape[1] != new.shape[1] or (batch_size > 1 and old.shape != new.shape):
            raise UserError(
                f"the state of this run is damaged: its history has an image {tuple(old.shape)}, "
                f"and the run generates {tuple(new.shape)}"
            )


def pools_of(model: object) -> dict[str, ImagePool]:
    """Return the image pools in attributes of ``model``, also in lists and dicts there.

    Returns: a pool of the attribute ``pools = {"A": ImagePool(50)}`` is named ``pools.A``.
    """
    found = {}
    for name, value in vars(model).items():
        parts: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, list | tuple):
            parts = enumerate(value)
        entries = [(name, value), *((f"{name}.{key}", part) for key, part in parts)]
        found.update({key: part for key, part in entries if isinstance(part, ImagePool)})
    return found

"""How far two sets of images are from each other in colours and textures, without pairs and without a network.

The sliced Wasserstein distance of small patches at two scales, after Karras et al., "Progressive Growing of GANs", ICLR 2018,
with plain pixels instead of a Laplacian pyramid. Images are uint8 (H, W, C); distances are in levels, 0 to 255.
"""

from __future__ import annotations

import numpy as np

from util.image.metrics import Array

PATCH, PER_IMAGE, DIRECTIONS = 7, 32, 128
STEPS = (1, 4)  # between the pixels of a patch


def cut(image: Array, rng: np.random.Generator) -> list[Array]:
    """For each scale random patches, flat: (PER_IMAGE, PATCH * PATCH * C). Smaller images are continued by their edges."""
    found = []
    for shrunk in (image[::step, ::step] for step in STEPS):
        height, width = shrunk.shape[:2]
        wide = np.pad(
            shrunk, ((0, max(0, PATCH - height)), (0, max(0, PATCH - width)), (0, 0)), mode="edge"
        )
        rows, columns = (rng.integers(side - PATCH + 1, size=PER_IMAGE) for side in wide.shape[:2])
        found.append(
            np.stack(
                [
                    wide[y : y + PATCH, x : x + PATCH].ravel()
                    for y, x in zip(rows, columns, strict=True)
                ]
            )
        )
    return found


def distance(fakes: list[list[Array]], reals: list[list[Array]], rng: np.random.Generator) -> float:
    """Between two sets of equally many images, as :func:`cut` gives them: the mean over the scales."""
    found = []
    for scale in range(len(STEPS)):
        fake, real = (
            np.concatenate([cuts[scale] for cuts in images]).astype(np.float32)
            for images in (fakes, reals)
        )
        found.append(sliced_wasserstein(fake, real, rng))
    return float(np.mean(found))


def sliced_wasserstein(a: Array, b: Array, rng: np.random.Generator) -> float:
    """Between two sets of points (N, d): the mean distance of their sorted projections on random directions."""
    directions = rng.standard_normal((a.shape[1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(a @ directions, 0) - np.sort(b @ directions, 0)).mean())

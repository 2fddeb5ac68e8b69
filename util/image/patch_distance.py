"""Distance between two sets of images in colours and textures; needs neither pairs nor a network.

The sliced Wasserstein distance of small patches at two scales, after Karras et al., "Progressive
Growing of GANs", ICLR 2018, but of plain pixels instead of a Laplacian pyramid. Images are uint8
(H, W, C); distances are in levels, 0 to 255.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from util.image.metrics import Array

PATCH, PER_IMAGE, DIRECTIONS = 7, 32, 128
STRIDES = (1, 4)  # one scale each: distance between neighbouring pixels of a patch


def sample_patches(image: Array, rng: np.random.Generator) -> list[Array]:
    """Draw random patches at each scale.

    Returns:
        For each scale the flattened patches (PER_IMAGE, PATCH * PATCH * C). Images smaller than a
        patch are extended by repeating their last row and column.
    """
    patches = []
    for stride in STRIDES:
        shrunk = image[::stride, ::stride]
        missing = [(0, max(0, PATCH - side)) for side in shrunk.shape[:2]]
        padded = np.pad(shrunk, [*missing, (0, 0)], mode="edge")
        sides = padded.shape[:2]
        rows, columns = (rng.integers(side - PATCH + 1, size=PER_IMAGE) for side in sides)
        windows = sliding_window_view(padded, (PATCH, PATCH), axis=(0, 1))
        chosen = windows[rows, columns].transpose(0, 2, 3, 1)  # (N, C, h, w) to (N, h, w, C)
        patches.append(chosen.reshape(PER_IMAGE, -1))
    return patches


def patch_distance(
    fakes: list[list[Array]], reals: list[list[Array]], rng: np.random.Generator
) -> float:
    """Distance of two sets of equally many images, averaged over the scales.

    Args:
        fakes, reals: for each image what :func:`sample_patches` returned.
    """
    distances = []
    for scale in range(len(STRIDES)):
        fake, real = (
            np.concatenate([patches[scale] for patches in images]).astype(np.float32)
            for images in (fakes, reals)
        )
        distances.append(sliced_wasserstein(fake, real, rng))
    return float(np.mean(distances))


def sliced_wasserstein(a: Array, b: Array, rng: np.random.Generator) -> float:
    """Mean distance of the sorted projections of two point sets (N, d) on random directions."""
    directions = rng.standard_normal((a.shape[1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(a @ directions, 0) - np.sort(b @ directions, 0)).mean())

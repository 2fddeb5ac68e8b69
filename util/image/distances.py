"""FID and KID between two sets of images, from features (n, d) of each set, with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from util.console import warn
from util.errors import UserError
from util.words import amount

Array = NDArray[Any]
KID_IMAGES = 5000  # images per set at most; KID needs three matrices of this size squared
KID_BOOTSTRAPS = 1000
TOO_FEW = 50


def fid(a: Array, b: Array) -> float:
    """Return the Fréchet distance of two normal distributions fitted to ``a`` (n, d) and ``b``.

    Heusel et al., "GANs trained by a two time-scale update rule", 2017, equation 6, with unbiased
    covariances. The trace of the square root of their product is computed without a matrix root,
    as the sum of the singular values of R_a R_b^T, where Q R is the QR decomposition of a centred
    set.

    Raises:
        UserError: fewer than 2 images, or features that are not finite.
    """
    _check(a, b)
    x, y = (s.astype(np.float64) for s in (a, b))
    distance = float(np.sum((x.mean(0) - y.mean(0)) ** 2))
    x, y = ((s - s.mean(0)) / np.sqrt(len(s) - 1) for s in (x, y))
    factor_x, factor_y = (np.asarray(np.linalg.qr(s, mode="r")) for s in (x, y))
    root = np.linalg.norm(factor_x @ factor_y.T, "nuc")
    return max(0.0, distance + float(np.sum(x * x) + np.sum(y * y) - 2 * root))


def kid(a: Array, b: Array, seed: int = 0) -> tuple[float, float, float]:
    """Return the kernel distance of ``a`` (n, d) and ``b`` (m, d), and its 95 % bootstrap interval.

    Bińkowski et al., "Demystifying MMD GANs", 2018: the unbiased squared MMD of the kernel
    (x·y/d + 1)³, which may be negative. A bootstrap sample holds some images several times; pairs
    of an image with itself are left out because they would bias the distance. Of sets with more
    than ``KID_IMAGES`` images a random subset of that size is used.

    Raises:
        UserError: fewer than 2 images, or features that are not finite.
    """
    _check(a, b)
    rng = np.random.default_rng(seed)
    kernels = _kernels(a, b, rng)
    sizes = [len(matrix) for matrix in kernels[:2]]
    weights = [
        rng.multinomial(n, np.full(n, 1 / n), KID_BOOTSTRAPS).T.astype(np.float64) for n in sizes
    ]
    # A bootstrap sample of a very small set may hold a single image and so no pairs: NaN.
    with np.errstate(invalid="ignore"):
        low, high = np.nanpercentile(_mmd(*kernels, *weights), (2.5, 97.5))
    return _once(*kernels), float(low), float(high)


def kid_estimate(a: Array, b: Array, seed: int = 0) -> float:
    """Return the kernel distance of :func:`kid` alone: without the interval, it takes no time."""
    _check(a, b)
    return _once(*_kernels(a, b, np.random.default_rng(seed)))


def _kernels(a: Array, b: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return the kernels within ``a``, within ``b``, both with a diagonal of 0, and between."""
    x, y = (
        s[rng.choice(len(s), KID_IMAGES, replace=False)] if len(s) > KID_IMAGES else s
        for s in (a, b)
    )
    xx, yy, xy = (_kernel(s, t) for s, t in ((x, x), (y, y), (x, y)))
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    return xx, yy, xy


def _once(xx: Array, yy: Array, xy: Array) -> float:
    """Return the squared MMD with each image once."""
    return float(_mmd(xx, yy, xy, np.ones((len(xx), 1)), np.ones((len(yy), 1)))[0])


def _kernel(x: Array, y: Array) -> Array:
    return (x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3


def _mmd(xx: Array, yy: Array, xy: Array, w: Array, v: Array) -> Array:
    """Return the squared MMD (B,) of B samples in which image i occurs ``w[i, b]`` times.

    The diagonals of ``xx`` and ``yy`` must be 0.
    """
    within = [
        np.sum(u * (k @ u), 0) / (np.sum(u, 0) ** 2 - np.sum(u * u, 0))
        for k, u in ((xx, w), (yy, v))
    ]
    return within[0] + within[1] - 2 * np.sum(w * (xy @ v), 0) / (np.sum(w, 0) * np.sum(v, 0))


def warn_small(n: int, m: int, dimension: int) -> None:
    """Warn if the smaller set, of ``n`` and ``m`` images, is too small for FID or KID."""
    few = min(n, m)
    if few < TOO_FEW:
        enough = f"take at least {TOO_FEW}, better thousands"
        count = amount(few, "image is", "images are")
        warn(f"{count} too few for a meaningful FID or KID; {enough}")
    elif few <= dimension:
        warn(
            f"FID of {few} images with {dimension} features is far too high (a covariance needs "
            "more images than features): compare it only with FID of equally many images; KID has "
            "no such bias"
        )


def _check(a: Array, b: Array) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features are (n, d) and (m, d), not {a.shape} and {b.shape}")
    if min(len(a), len(b)) < 2:
        raise UserError(f"FID and KID need at least 2 images per side, not {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UserError("the network returns values that are not finite; check --features_range")

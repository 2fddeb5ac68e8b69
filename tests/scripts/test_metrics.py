"""Metrics compared with scikit-image and with values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from util.errors import UserError
from util.image import metrics

WATER, LAND, ICE = PALETTE = [(144, 202, 228), (242, 239, 233), (255, 255, 255)]
PALETTE_FLAG = ["--palette", *(",".join(map(str, colour)) for colour in PALETTE)]


def noisy_pair(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth image and a noisy copy of it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    image = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return image, (image + rng.normal(0, 20, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(11, 11), (11, 30), (64, 64), (57, 80)])
def test_psnr_and_ssim_agree_with_scikit_image(height: int, width: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for image, target in (noisy_pair(0, height, width), (noise, noise[::-1]), (noise, 255 - noise)):
        ssim = structural_similarity(
            image,
            target,
            gaussian_weights=True,
            sigma=1.5,
            data_range=255,
            use_sample_covariance=False,
            channel_axis=2,
        )
        assert metrics.ssim(image, target) == pytest.approx(ssim, abs=1e-6)
        psnr = peak_signal_noise_ratio(target, image, data_range=255)
        assert metrics.psnr(image, target) == pytest.approx(psnr, abs=1e-9)


def test_values_by_hand() -> None:
    black, gray = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 51, np.uint8)
    assert metrics.psnr(gray, black) == pytest.approx(10 * math.log10(25))  # 51 is a fifth of 255
    assert (
        metrics.l1(gray, black) == metrics.l1(black, gray) == 51
    )  # an overflow of uint8 would give 256 - 51
    c1 = 2.55**2
    # flat images: only the luminance term differs from 1
    assert metrics.ssim(gray, black) == pytest.approx(c1 / (51**2 + c1))
    assert metrics.ssim(gray, gray) == pytest.approx(1)
    assert metrics.psnr(gray, gray) == math.inf
    one_channel = black.copy()
    one_channel[..., 1] = 255
    assert metrics.psnr(one_channel, black) == pytest.approx(10 * math.log10(3))


@pytest.mark.parametrize("low, high, dtype", [(-1024, 3071, "int16"), (0, 1, "float32")])
def test_metrics_of_other_values_are_those_of_their_range(low: float, high: float, dtype: str):
    """PSNR and SSIM agree with scikit-image, and L1 is in the unit of the values."""
    rng = np.random.default_rng(0)
    image, target = (rng.uniform(low, high, (30, 24, 2)).astype(dtype) for _ in range(2))
    floats, span = (image.astype(float), target.astype(float)), high - low
    psnr = peak_signal_noise_ratio(floats[1], floats[0], data_range=span)
    assert metrics.psnr(image, target, span) == pytest.approx(psnr)
    ssim = structural_similarity(
        *floats,
        gaussian_weights=True,
        sigma=1.5,
        data_range=span,
        use_sample_covariance=False,
        channel_axis=2,
    )
    assert metrics.ssim(image, target, span) == pytest.approx(ssim, abs=1e-6)
    assert metrics.l1(image, target, span) == pytest.approx(np.abs(floats[0] - floats[1]).mean())


def test_pixels_without_data_do_not_count():
    rng = np.random.default_rng(0)
    image, target = (rng.uniform(0, 1, (30, 24, 1)) for _ in range(2))
    valid = np.ones((30, 24), bool)
    valid[:12] = False
    hidden = image.copy()
    hidden[:12] = -9999
    for metric in (metrics.psnr, metrics.ssim, metrics.l1):
        expected = metric(image[12:], target[12:], 1)
        assert metric(hidden, target, 1, valid) == pytest.approx(expected)
        assert math.isnan(metric(image, target, 1, np.zeros_like(valid)))


def test_incomparable_images_are_refused() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(UserError, match="at least 11x11 pixels, this one is 16x10"):
        metrics.ssim(image[:10], image[:10])
    with pytest.raises(UserError, match="16x16 with 3 bands and 8x16 with 3 bands"):
        metrics.psnr(image, image[:, :8])
    with pytest.raises(ValueError, match="uint8"):
        metrics.l1(image / 255, image / 255)
    with pytest.raises(ValueError, match=r"\(P, 3\)"):
        metrics.palette_labels(image, [1, 2, 3])


def test_palette_accuracy_by_hand() -> None:
    target = np.array([[WATER, WATER], [LAND, ICE]], np.uint8)
    image = np.array(
        [[(150, 190, 240), (243, 240, 234)], [(240, 238, 230), (250, 252, 251)]], np.uint8
    )
    assert metrics.palette_labels(image, PALETTE).tolist() == [[0, 1], [1, 2]]
    assert metrics.palette_accuracy(image, target, PALETTE) == 0.75


def test_palette_labels_are_the_nearest_colours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    palette = np.random.default_rng(1).integers(0, 256, (35, 3))
    distances = ((image[:, :, None].astype(int) - palette) ** 2).sum(-1)
    assert np.array_equal(metrics.palette_labels(image, palette), distances.argmin(-1))
    between = np.full((1, 1, 3), 10, np.uint8)
    assert metrics.palette_labels(between, [(0, 10, 10), (20, 10, 10)]).item() == 0  # a tie

"""evaluate.py --checkerboards: patterns of 2 and 4 pixels against those of real images."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from conftest import Programs
from PIL import Image, ImageFilter

from scripts import evaluate
from util.errors import UserError
from util.image.checkerboard import checkerboards, grid_power

RNG = np.random.default_rng(0)


def noise(size: tuple[int, int] = (64, 64)) -> np.ndarray:
    return RNG.normal(128, 8, (*size, 3)).round().astype(np.uint8)


def with_pattern(image: np.ndarray, period: int, level: int = 4) -> np.ndarray:
    """Add a wave in both directions; period 2 is a checkerboard."""
    y, x = np.indices(image.shape[:2])
    wave = np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)
    return (image + np.rint(level * wave)[..., None]).astype(np.uint8)


def test_patterns_of_these_periods_are_found() -> None:
    """Those of other periods, noise and edges are not."""
    real = [noise() for _ in range(4)]
    assert checkerboards([noise() for _ in range(4)], real) == pytest.approx(1, abs=0.25)
    assert checkerboards([with_pattern(image, 2) for image in real], real) > 10
    assert checkerboards([with_pattern(image, 4) for image in real], real) > 3
    assert checkerboards([with_pattern(image, 8) for image in real], real) < 1.5
    edges = np.full((64, 64, 3), 50, np.uint8)
    edges[:, 21:] = 200  # the median keeps edges
    assert grid_power(edges) == 0


def test_the_power_is_that_of_the_spectrum() -> None:
    """The cells of 4x4 pixels give the values of the whole Fourier transform."""
    image = noise((33, 47))
    height, width = 32, 44
    smooth = np.asarray(Image.fromarray(image).filter(ImageFilter.MedianFilter(5)))
    detail = (image.astype(float) - smooth)[:height, :width]
    spectrum = np.abs(np.fft.fft2(detail, axes=(0, 1))) ** 2 / (height * width)
    grid = spectrum[:: height // 4, :: width // 4].reshape(16, 3)[1:]
    assert grid_power(image) == pytest.approx(grid.mean())


def test_flat_images() -> None:
    flat = np.full((20, 20, 3), 90, np.uint8)
    assert checkerboards([flat], [flat]) == 1
    assert checkerboards([with_pattern(flat, 2, 20)], [flat]) == math.inf
    with pytest.raises(UserError, match="at least 16 pixels, not 20x15"):
        grid_power(flat[:15])


@pytest.mark.parametrize("more", [(), ("--unpaired",)])
def test_evaluate_prints_them(run: Programs, more: tuple[str, ...]) -> None:
    for i in range(2):
        image, folder = noise(), run.folder / "images"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}_real_B.png")
        Image.fromarray(with_pattern(image, 2)).save(folder / f"{i}_fake_B.png")
    words = ("--fake", "images:fake_B", "--real", "images:real_B", "--json", "out.json", *more)
    result = run.call(evaluate.main, "evaluate.py", "--checkerboards", *words).ok()
    ratio = json.loads((run.folder / "out.json").read_text())["evaluations"][0]["checkerboards"]
    assert ratio > 10
    assert f"images:fake_B: checkerboards {ratio:.2f} times those of images:real_B" in result.out
    run.call(evaluate.main, "evaluate.py", *words[:4], "--unpaired").refused(2, "--checkerboards")

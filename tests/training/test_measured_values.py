"""Validation compares images of any values in the unit and the range of their files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.training.measured import Measured, Value, averages
from util.image import metrics
from util.values import Values

RULES = {"A": Values(-1024, 3071, "int16", 1, nodata=-2000), "B": Values(0, 1, "float32", 2)}


def unit_image(folder: str, seed: int) -> torch.Tensor:
    """Random values of a domain as (1, C, 20, 24) in [-1, 1]."""
    rule = RULES[folder]
    array = np.random.default_rng(seed).uniform(rule.low, rule.high, (20, 24, rule.channels))
    unit = rule.to_unit(array.astype(rule.dtype)).pixels
    return torch.from_numpy(unit.transpose(2, 0, 1).copy())[None]


def measured(label: str, image: torch.Tensor, direction: str = "AtoB", **masks) -> Measured:
    return Measured.of(label, image, direction, RULES, masks)


@pytest.mark.parametrize("direction, label", [("AtoB", "B"), ("BtoA", "A"), ("AtoB", "A")])
def test_metrics_are_those_of_the_values_of_the_files(direction, label):
    folder = label if direction == "AtoB" else {"A": "B", "B": "A"}[label]
    rule = RULES[folder]
    fake, real = unit_image(folder, 1), unit_image(folder, 2)
    images = [
        measured(f"{kind}_{label}", x, direction) for kind, x in (("fake", fake), ("real", real))
    ]
    files = [rule.from_unit(x[0].permute(1, 2, 0).numpy()).astype(float) for x in (fake, real)]
    span = rule.high - rule.low
    assert images[0].is_comparable(images[1])
    l1 = np.abs(files[0] - files[1]).mean()
    assert images[0].compare(images[1], metrics.l1) == pytest.approx(l1)
    psnr = 10 * np.log10(span**2 / ((files[0] - files[1]) ** 2).mean())
    assert images[0].compare(images[1], metrics.psnr) == pytest.approx(psnr)
    ssim = metrics.ssim(files[0] - rule.low, files[1] - rule.low, span)
    assert images[0].compare(images[1], metrics.ssim) == pytest.approx(ssim)


def test_pixels_without_data_in_either_image_do_not_count():
    fake, real = unit_image("A", 1), unit_image("A", 2)
    masks = {folder: torch.ones(1, 1, 20, 24, dtype=torch.bool) for folder in "AB"}
    masks["A"][..., :5] = False  # of the true image
    masks["B"][..., 20:] = False  # of the image that the translation was made from
    images = [measured(f"{kind}_A", x, **masks) for kind, x in (("fake", fake), ("real", real))]
    span, rule = 4095, RULES["A"]
    values = [rule.from_unit(x[0, 0, :, 5:20].numpy()).astype(float) for x in (fake, real)]
    expected = np.abs(values[0] - values[1]).mean()
    assert images[0].compare(images[1], metrics.l1) == pytest.approx(expected)
    assert images[0].span == span and (images[0].levels[:, 20:] == 0).all()


def test_8_bit_pictures_are_compared_as_ever():
    image = Measured.of("fake_B", torch.zeros(1, 1, 20, 24), "AtoB", {}, {})
    assert image.pixels.dtype == np.uint8 and image.pixels.shape == (20, 24, 3)
    assert image.levels is image.pixels and image.span is None
    four = Measured.of("fake_B", torch.zeros(1, 4, 20, 24), "AtoB", {}, {})
    assert not four.is_comparable(four)


def test_an_l1_of_domains_with_different_ranges_is_in_levels_and_for_each_in_its_unit():
    same = [Value("A", 4095, 100.0), Value("B", 4095, 300.0)]
    assert averages("l1", same) == {"l1": 200}
    values = [Value("A", 4095, 409.5), Value("B", 1, 0.2)]
    assert averages("l1", values) == pytest.approx({"l1": 38.25, "l1_A": 409.5, "l1_B": 0.2})
    assert averages("psnr", values) == pytest.approx({"psnr": 204.85})

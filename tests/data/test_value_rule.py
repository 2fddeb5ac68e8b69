"""The rule that maps the values of a domain's files to [-1, 1] and back."""

from __future__ import annotations

import numpy as np
import pytest

from util.errors import UserError
from util.values import Values, domain_of, load, save, source_of

HU = Values(-1024, 3071, "int16", 1, nodata=-2000)


@pytest.mark.parametrize(
    "dtype, low, high", [("uint8", 0, 255), ("int16", -32768, 32767), ("uint16", 0, 65535)]
)
def test_every_whole_number_comes_back_exactly(dtype, low, high):
    rule = Values(low, high, dtype, 1)
    array = np.arange(low, high + 1).astype(dtype).reshape(-1, 16, 1)
    unit = rule.to_unit(array)
    assert (unit.pixels.min(), unit.pixels.max(), unit.clipped) == (-1, 1, 0)
    back = rule.from_unit(unit.pixels)
    assert back.dtype == array.dtype and (back == array).all()


def test_floats_come_back_within_a_ten_millionth_of_the_range():
    array = np.random.default_rng(0).uniform(-3, 1000, (64, 64, 2)).astype(np.float32)
    rule = Values(-3, 1000, "float32", 2)
    assert np.abs(rule.from_unit(rule.to_unit(array).pixels) - array).max() < 1e-7 * 1003


def test_values_outside_are_clipped_and_counted():
    unit = HU.to_unit(np.array([[[-1500], [-1024], [3071], [9000]]], np.int16))
    assert unit.clipped == 2
    assert unit.pixels.ravel().tolist() == [-1, -1, 1, 1]


def test_pixels_without_data_keep_their_value_and_count_as_nothing():
    array = np.array([[[-2000], [0], [3071]]], np.int16)
    unit = HU.to_unit(array)
    assert unit.clipped == 0 and unit.pixels[0, 0, 0] == -1
    assert unit.valid.tolist() == [[False, True, True]]
    assert (HU.from_unit(unit.pixels, unit.valid) == array).all()


def test_a_value_that_is_no_number_is_refused_unless_it_means_no_data():
    array = np.array([[[0.5], [np.nan]]], np.float32)
    with pytest.raises(UserError, match="NaN"):
        Values(0, 1, "float32", 1).to_unit(array)
    unit = Values(0, 1, "float32", 1, nodata=float("nan")).to_unit(array)
    assert unit.valid.tolist() == [[True, False]]


def test_the_rules_of_a_run_are_read_as_they_were_written(tmp_path):
    other = Values(0, 1, "float32", 3, (4, 3, 2), float("nan"), "npy")
    save(tmp_path, {"A": HU, "B": other})
    read = load(tmp_path)
    assert read["A"] == HU
    assert repr(read["B"]) == repr(other)


def test_a_run_of_8_bit_images_has_no_file(tmp_path):
    save(tmp_path, {"A": None, "B": None})
    assert not list(tmp_path.iterdir())
    assert load(tmp_path) == {"A": None, "B": None}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"A": {"low": 1}, "B": null}'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "values.json").write_text(content)
    with pytest.raises(UserError, match=r"values\.json"):
        load(tmp_path)


LABELS = ("real_A", "fake_A", "rec_A", "idt_A", "real_B", "fake_B", "rec_B", "idt_B")
LABELS += ("real", "fake")


def test_domain_of_a_label():
    assert "".join(map(domain_of, LABELS)) == "AAABBBBAAB"
    assert "".join(domain_of(label, "BtoA") for label in LABELS) == "BBBAAAABBA"


def test_the_domain_whose_image_a_label_was_made_from():
    assert "".join(map(source_of, LABELS)) == "ABABBABAAA"
    assert "".join(source_of(label, "BtoA") for label in LABELS) == "BABAABABBB"

"""The options about values of images: ranges, bands, and values without data."""

from __future__ import annotations

from pathlib import Path

import pytest
from parsing import parse

from util.errors import UsageError


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", ["--value_range {}", "--value_range={}", "--value_range_A {}"])
@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("-1024 3071", [-1024, 3071]),
        ("-1e3 1e3", [-1000, 1000]),
        ("-2.5E-3 -.5e-4", [-0.0025, -0.00005]),
        ("-1. +1.5", [-1, 1.5]),
    ],
)
def test_ranges_of_values(words: str, typed: str, numbers: list[float]) -> None:
    """Negative numbers with an exponent are values, also after an equals sign."""
    opt = parse("train", *words.format(typed).split(), "--nodata", "-1e4", record=False)
    assert (opt.value_range or opt.value_range_A) == numbers and opt.nodata == "-1e4"


@pytest.mark.parametrize("limits", ["1 0", "1 1", "-1e3 -1001"])
def test_a_range_needs_low_below_high(limits: str) -> None:
    with pytest.raises(UsageError, match="--value_range_B .*: LOW should be less than HIGH"):
        parse("train", "--value_range_B", *limits.split())


@pytest.mark.parametrize("value", ["inf", "-inf", "x", "1e400"])
def test_a_value_without_data_is_finite_or_nan(value: str) -> None:
    assert parse("train", "--nodata", "NaN", record=False).nodata == "nan"
    with pytest.raises(UsageError, match=f"--nodata {value}: should be a finite number, or nan"):
        parse("train", "--nodata", value)


def test_bands_are_counted_from_1() -> None:
    assert parse("train", "--bands_A", "4", "3", "2", record=False).bands_A == [4, 3, 2]
    assert parse("train", "--bands_A=4", "3", record=False).bands_A == [4, 3]
    with pytest.raises(UsageError, match="--bands_A 0: should be a whole number, at least 1"):
        parse("train", "--bands_A", "0")

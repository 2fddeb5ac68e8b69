"""Computations from series of numbers: smoothing, text, ticks and the ends of an axis."""

from __future__ import annotations

import pytest
from javascript import evaluate, needs_node

pytestmark = needs_node


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, [2, "NaN", 4, 4]),
        (0.5, [2, "NaN", (0.25 * 2 + 0.5 * 4) / 0.75, (0.125 * 2 + 0.25 * 4 + 0.5 * 4) / 0.875]),
    ],
)
def test_smoothing_is_an_unbiased_moving_average_with_gaps(share: float, expected: list) -> None:
    smoothed = evaluate("series.js", f"return smoothed([2, NaN, 4, 4], {share})")
    assert smoothed[1] == expected[1]
    assert [smoothed[i] for i in (0, 2, 3)] == pytest.approx([expected[i] for i in (0, 2, 3)])


def test_smoothing_ignores_infinity() -> None:
    assert evaluate("series.js", "return smoothed([1, Infinity, 1], 0.9)") == [1, "NaN", 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("0.123456", "0.1235"),
        ("12", "12"),
        ("99999", "100000"),
        ("123456", "1.23e+5"),
        ("0.0002", "2e-4"),
        ("-0.00025", "-2.5e-4"),
        ("NaN", "–"),
        ("-Infinity", "–"),
    ],
)
def test_numbers_have_four_digits(value: str, text: str) -> None:
    assert evaluate("series.js", f"return format({value})") == text


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.7, 5, [0, 0.2, 0.4, 0.6]),
        (0, 200, 10, [0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]),
        (-1, 1, 4, [-1, -0.5, 0, 0.5, 1]),
        (0.11, 0.19, 4, [0.12, 0.14, 0.16, 0.18]),
    ],
)
def test_ticks_are_round_numbers_in_the_range(
    low: float, high: float, count: int, expected: list[float]
) -> None:
    assert evaluate("series.js", f"return ticks({low}, {high}, {count})") == expected


@pytest.mark.parametrize("exponent", range(-6, 7))
def test_there_are_never_more_steps_than_asked_for(exponent: int) -> None:
    scale = 10.0**exponent
    for high in (1.01, 2.3, 4.999, 9.7):
        numbers = evaluate("series.js", f"return ticks(0, {high * scale!r}, 5)")
        assert 3 <= len(numbers) <= 6 and numbers[0] == 0 and numbers[-1] <= high * scale * 1.001


@pytest.mark.parametrize(("low", "high"), [("0.7 - 2e-16", "0.7 + 2e-16"), ("3", "3 + 2 ** -50")])
def test_an_axis_as_short_as_rounding_errors(low: str, high: str) -> None:
    assert len(evaluate("series.js", f"return ticks({low}, {high}, 7)")) <= 8


def test_domains_share_a_colour_and_b_is_dashed() -> None:
    names = '["G_A", "G_B", "cycle_A", "lr"]'
    styles = evaluate("series.js", f"return styles({names})")
    assert [style["colour"] for style in styles] == ["--c0", "--c0", "--c1", "--c2"]
    assert [bool(style["dash"]) for style in styles] == [False, True, False, False]


def test_smoothing_leaves_out_places_without_a_measurement() -> None:
    smoothed = evaluate("series.js", "return smoothed([2, null, 4], 0.5)")
    assert smoothed == [2, None, pytest.approx((0.25 * 2 + 0.5 * 4) / 0.75)]


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0.03, 4, 7, [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.1, 10, 7, [0.1, 0.2, 0.5, 1, 2, 5, 10]),
        (0.1, 10, 5, [0.1, 1, 10]),  # seven would be too many
        (1e-8, 1, 5, [1e-8, 1e-6, 1e-4, 0.01, 1]),
        (2.1, 4.9, 5, [3, 4]),  # between two of them
    ],
)
def test_ticks_of_a_logarithmic_axis_are_1_2_and_5(
    low: float, high: float, count: int, expected: list[float]
) -> None:
    code = f"return logTicks(Math.log10({low}), Math.log10({high}), {count})"
    assert evaluate("series.js", code) == pytest.approx(expected)


def test_a_few_extreme_values_do_not_set_the_ends_of_an_axis() -> None:
    """Up to 2 % at each end are left out, unless they are near the others."""
    code = """
        const values = Array.from({ length: 100 }, (_, i) => i / 100);
        return [limits([...values, 500]), limits([...values, -500]), limits([...values, 1.5]),
                limits([1, 2, 500])];
    """
    above, below, near, short = evaluate("series.js", code)
    assert above == [0, 0.98] and below == [0.01, 0.99]
    assert near == [0, 1.5]
    assert short == [1, 500]  # 2 % of three values are none


def test_the_last_measurement() -> None:
    code = "const a = [null, 1, null]; return [latest(a, 0), latest(a, 1), latest(a, 2)]"
    assert evaluate("series.js", code) == [None, 1, 1]

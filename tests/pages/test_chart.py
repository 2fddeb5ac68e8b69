"""The computations of the charts: smoothing, numbers, ticks, ranges, pixels and gaps."""

from __future__ import annotations

import math
from typing import Any

import pytest
from javascript import evaluate, needs_node

pytestmark = needs_node


def chart(code: str) -> Any:
    """Run ``code`` with a chart of the lines A and B in a box of 100 x 50 pixels."""
    setup = """
        const chart = Object.assign(Object.create(Chart.prototype), {
          x: [1, 2, 3, 4], names: ["A", "B"], off: new Set(), log: true, from: 0, to: 4,
          lines: { A: [4, 3, 2, 1], B: [NaN, 10, -5, 2] },
          box: { left: 10, top: 20, width: 100, height: 50 },
        });
    """
    return evaluate("chart.js", setup + code)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, [2, "NaN", 4, 4]),
        (0.5, [2, "NaN", (0.25 * 2 + 0.5 * 4) / 0.75, (0.125 * 2 + 0.25 * 4 + 0.5 * 4) / 0.875]),
    ],
)
def test_smoothing_is_an_unbiased_moving_average_with_gaps(share: float, expected: list) -> None:
    smoothed = evaluate("chart.js", f"return smoothed([2, NaN, 4, 4], {share})")
    assert smoothed[1] == expected[1]
    assert [smoothed[i] for i in (0, 2, 3)] == pytest.approx([expected[i] for i in (0, 2, 3)])


def test_smoothing_ignores_infinity() -> None:
    assert evaluate("chart.js", "return smoothed([1, Infinity, 1], 0.9)") == [1, "NaN", 1]


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
    assert evaluate("chart.js", f"return format({value})") == text


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
    assert evaluate("chart.js", f"return ticks({low}, {high}, {count})") == expected


@pytest.mark.parametrize("exponent", range(-6, 7))
def test_there_are_never_more_steps_than_asked_for(exponent: int) -> None:
    scale = 10.0**exponent
    for high in (1.01, 2.3, 4.999, 9.7):
        numbers = evaluate("chart.js", f"return ticks(0, {high * scale!r}, 5)")
        assert 3 <= len(numbers) <= 6 and numbers[0] == 0 and numbers[-1] <= high * scale * 1.001


def test_domains_share_a_colour_and_b_is_dashed() -> None:
    names = '["G_A", "G_B", "cycle_A", "lr"]'
    styles = evaluate("chart.js", f"return styles({names})")
    assert [style["colour"] for style in styles] == ["--c0", "--c0", "--c1", "--c2"]
    assert [bool(style["dash"]) for style in styles] == [False, True, False, False]


def test_range_starts_at_zero_unless_the_values_are_close() -> None:
    code = """
        const ranges = [];
        for (const values of [[4, 3, 2, 1], [10, 9, 9, 8], [5, 5, 5, 5], [-1, 0, 1, 3]]) {
          chart.lines = { A: values, B: [] };
          chart.range();
          ranges.push([chart.low, chart.high]);
        }
        return ranges;
    """
    wide, close, flat, negative = chart(code)
    assert wide == pytest.approx([0, 4 * 1.06])
    assert close == pytest.approx([8 - 2 * 0.06, 10 + 2 * 0.06])
    assert flat == pytest.approx([0, 5 * 1.06])
    assert negative == pytest.approx([-1 - 4 * 0.06, 3 + 4 * 0.06])


def test_range_leaves_out_hidden_lines_and_what_is_outside_the_zoom() -> None:
    assert chart("chart.range(); return chart.high") == pytest.approx(10 + 15 * 0.06)
    assert chart("chart.off.add('B'); chart.range(); return chart.high") == pytest.approx(4.24)
    zoomed = "chart.off.add('B'); chart.from = 3.5; chart.to = 3.9; chart.range();"
    # the neighbours outside the zoom count: the line is drawn up to them
    assert chart(zoomed + "return [...chart.visible(), chart.high]") == [2, 4, pytest.approx(2.12)]


def test_logarithmic_axis() -> None:
    """Values up to 0 have no logarithm: neither the range nor the line contains them."""
    code = "view.log = true; chart.range(); return [chart.low, chart.high, chart.py(10)]"
    low, high, y = chart(code)
    assert [low, high] == pytest.approx([-0.05, math.log10(10) + 0.05])
    assert y == pytest.approx(20 + 50 * 0.05 / 1.1)


def test_a_chart_without_values_has_a_range() -> None:
    code = "chart.lines = { A: [NaN], B: [] }; chart.range(); return [chart.low, chart.high]"
    assert chart(code) == pytest.approx([0, 1.06])


def test_pixels_and_back() -> None:
    code = "chart.from = 2; chart.to = 4; chart.low = 0; chart.high = 10;"
    code += (
        "return [chart.px(2), chart.px(3), chart.px(4), chart.at(60), chart.py(0), chart.py(10)]"
    )
    assert chart(code) == [10, 60, 110, 3, 70, 20]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("false", [["moveTo", 2], ["lineTo", 3], ["lineTo", 4]]),
        # single values between gaps are drawn as short dashes
        ("true", [["moveTo", 2], ["lineTo", 2.08], ["moveTo", 4], ["lineTo", 4.08]]),
    ],
)
def test_lines_have_gaps(log: str, expected: list) -> None:
    """At NaN, and on a logarithmic axis at values that are not positive."""
    code = f"""
        const calls = [], note = (name) => (x) => calls.push([name, chart.at(x)]);
        const context = {{ moveTo: note("moveTo"), lineTo: note("lineTo") }};
        for (const name of ["beginPath", "stroke", "setLineDash"]) context[name] = () => {{}};
        view.log = {log};
        chart.range();
        chart.stroke(context, chart.lines.B, 1, 1, []);
        return calls;
    """
    calls = chart(code)
    assert [name for name, _ in calls] == [name for name, _ in expected]
    assert [x for _, x in calls] == pytest.approx([x for _, x in expected])

"""The computations of a chart: ranges, pixels, gaps, steps, dots and marks."""

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
    return evaluate("series.js chart.js", setup + code)


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


@pytest.mark.parametrize(("value", "low", "high"), [(0.7, 0, 0.742), (-3, -3.18, -2.82)])
def test_range_of_a_constant(value: float, low: float, high: float) -> None:
    """Smoothing adds rounding errors to it, which are not to fill the axis."""
    code = f"chart.lines = {{ A: smoothed(new Array(1000).fill({value}), 0.6), B: [] }};"
    code += "chart.x = chart.lines.A.map((_, i) => i / 250); chart.range();"
    found = chart(code + "return [new Set(chart.lines.A).size > 1, chart.low, chart.high]")
    assert found == [True, pytest.approx(low), pytest.approx(high)]


def test_range_leaves_out_hidden_lines_and_what_is_outside_the_zoom() -> None:
    assert chart("chart.range(); return chart.high") == pytest.approx(10 + 15 * 0.06)
    assert chart("chart.off.add('B'); chart.range(); return chart.high") == pytest.approx(4.24)
    zoomed = "chart.off.add('B'); chart.from = 3.5; chart.to = 3.9; chart.range();"
    # the neighbours outside the zoom count: the line is drawn up to them
    shown = "return [...chart.visible(chart.lines.A), chart.high]"
    assert chart(zoomed + shown) == [2, 4, pytest.approx(2.12)]


def test_logarithmic_axis() -> None:
    """Values up to 0 have no logarithm: neither the range nor the line contains them."""
    code = "view.log = true; chart.range(); return [chart.low, chart.high, chart.py(10)]"
    low, high, y = chart(code)
    assert [low, high] == pytest.approx([-0.05, math.log10(10) + 0.05])
    assert y == pytest.approx(20 + 50 * 0.05 / 1.1)


def test_a_chart_without_values_has_a_range() -> None:
    code = "chart.lines = { A: [NaN], B: [] }; chart.range(); return [chart.low, chart.high]"
    assert chart(code) == pytest.approx([0, 1.06])


def test_zooming_in_ends_at_a_thousandth_of_an_epoch() -> None:
    zooms = "zoomTo(1, 2); zoomTo(1.2, 1.2005);"
    assert chart(f"{zooms} return [view.from, view.to]") == [1, 2]


def test_pixels_and_back() -> None:
    code = "chart.from = 2; chart.to = 4; chart.low = 0; chart.high = 10;"
    code += (
        "return [chart.px(2), chart.px(3), chart.px(4), chart.at(60), chart.py(0), chart.py(10)]"
    )
    assert chart(code) == [10, 60, 110, 3, 70, 20]


PEN = """
    const calls = [];
    const note = (name) => (x, y) => calls.push([name, +chart.at(x).toFixed(3), y]);
    const context = { moveTo: note("moveTo"), lineTo: note("lineTo"), arc: note("arc") };
    for (const name of ["beginPath", "stroke", "fill", "setLineDash"]) context[name] = () => {};
"""


@pytest.mark.parametrize(
    ("log", "line", "dots"),
    [
        ("false", [["moveTo", 2], ["lineTo", 3], ["lineTo", 4]], [2, 3, 4]),
        ("true", [["moveTo", 2], ["moveTo", 4]], [2, 4]),
    ],
)
def test_lines_have_gaps(log: str, line: list, dots: list) -> None:
    """At NaN, and on a logarithmic axis at values that are not positive."""
    code = f"""{PEN}
        view.log = {log};
        chart.range();
        chart.stroke(context, chart.lines.B, 1, 1, []);
        chart.dots(context, chart.lines.B);
        return calls;
    """
    calls = chart(code)
    assert [call[:2] for call in calls if call[0] != "arc"] == line
    assert [call[1] for call in calls if call[0] == "arc"] == dots


def test_places_without_a_measurement_are_no_gaps() -> None:
    """A line that is measured at every other point only is whole, and starts outside the zoom."""
    code = f"""{PEN}
        chart.x = [0.5, 1, 1.5, 2, 2.5, 3];
        chart.names = ["A"];
        chart.lines = {{ A: [1, null, 3, null, NaN, 2] }};
        chart.range();
        chart.stroke(context, chart.lines.A, 1, 1, []);
        const whole = calls.splice(0);
        Object.assign(chart, {{ from: 1.2, to: 4 }});
        return [whole, chart.visible(chart.lines.A)];
    """
    whole, visible = chart(code)
    assert [call[:2] for call in whole] == [["moveTo", 0.5], ["lineTo", 1.5], ["moveTo", 3]]
    assert visible == [0, 6]


def test_only_few_values_have_dots() -> None:
    code = f"""{PEN}
        chart.x = Array.from({{ length: 100 }}, (_, i) => i);
        Object.assign(chart, {{ names: ["A"], lines: {{ A: chart.x.map(() => 1) }}, to: 99 }});
        chart.range();
        chart.dots(context, chart.lines.A);
        const many = calls.splice(0).length;
        chart.to = 20;
        chart.dots(context, chart.lines.A);
        return [many, calls.length];
    """
    assert chart(code) == [0, 22]  # the zoom, and one beyond it


def test_values_outside_the_axis_are_triangles_at_its_edge() -> None:
    code = f"""{PEN}
        chart.x = Array.from({{ length: 100 }}, (_, i) => i / 25);
        const values = chart.x.map((x) => (x === 2 ? 900 : 1 + x));
        Object.assign(chart, {{ names: ["A"], lines: {{ A: values }} }});
        chart.range();
        chart.dots(context, chart.lines.A);
        return [chart.high, calls];
    """
    high, calls = chart(code)
    assert high < 6
    assert [call[0] for call in calls] == ["moveTo", "lineTo", "lineTo"]
    assert calls[0][1:] == [2, 20]  # the tip is at the top of the box


def test_steps() -> None:
    """A learning rate holds from the value before it, the first one from its epoch's start."""
    code = f"""{PEN}
        Object.assign(chart, {{ steps: true, lowest: 0, names: ["A"], x: [0.5, 1, 2] }});
        chart.lines = {{ A: [0.2, 0.2, 0.19] }};
        chart.range();
        chart.stroke(context, chart.lines.A, 1, 1, []);
        chart.dots(context, chart.lines.A);
        return [chart.low, calls.map(([name, x, y]) => [x, +(chart.high -
            ((y - chart.box.top) / chart.box.height) * (chart.high - chart.low)).toFixed(3)])];
    """
    low, points = chart(code)
    assert low == 0  # although the values are close to each other
    assert points == [[0, 0.2], [0.5, 0.2], [0.5, 0.2], [1, 0.2], [1, 0.19], [2, 0.19]]


def test_an_axis_shows_at_least_what_it_should() -> None:
    code = "Object.assign(chart, { lowest: 0, highest: 1, lines: { A: [0.7, 0.8], B: [] } });"
    assert chart(code + "chart.range(); return [chart.low, chart.high]") == [0, 1.06]


def test_the_share_of_smoothing_depends_on_the_number_of_measurements() -> None:
    code = """
        chart.smooth = true;
        const many = new Array(600).fill(1);
        const few = many.map((value, i) => (i % 2 ? null : value));
        return [chart.share(many), chart.share(few)];
    """
    assert chart(code) == pytest.approx([0.8, 0.6])

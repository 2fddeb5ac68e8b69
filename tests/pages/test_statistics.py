"""Statistics of the metrics on a results page."""

from __future__ import annotations

import json
from statistics import mean, stdev

import pytest
from javascript import evaluate, needs_node

from util.image.metrics import METRICS

pytestmark = needs_node


def test_mean_deviation_and_histogram() -> None:
    values = [1.0, 2.0, 2.5, 7.0]
    found = evaluate("statistics.js", f"return statistics([...{json.dumps(values)}, null, NaN])")
    assert found["count"] == 4 and [found["low"], found["high"]] == [1, 7]
    assert [found["mean"], found["std"]] == pytest.approx([mean(values), stdev(values)])
    assert [i for i, n in enumerate(found["bins"]) if n] == [0, 4, 6, 23]  # of 24, 0.25 wide


def test_few_or_equal_values() -> None:
    code = "return [statistics([]), statistics([NaN]), statistics([3]), statistics([3, 3])]"
    nothing, nan, one, equal = evaluate("statistics.js", code)
    assert nothing is None and nan is None
    assert [one["mean"], one["std"], one["bins"][0]] == [3, 0, 1]
    assert [equal["mean"], equal["std"], equal["bins"][0]] == [3, 0, 2]


def test_the_worst_comes_first_for_all_metrics_of_evaluate() -> None:
    names = [name for name, _ in METRICS.values()]
    orders = evaluate("statistics.js", f"return {json.dumps(names)}.map(ordersOf)")
    assert names == ["PSNR (dB)", "SSIM", "L1", "palette (%)"]
    assert ["".join(value[0] for value, _ in order) for order in orders] == ["+-", "+-", "-+", "+-"]
    assert orders[0][0][1] == "PSNR (dB), worst first"


def test_orders_of_a_metric_of_unknown_direction() -> None:
    orders = evaluate("statistics.js", "return ordersOf('mine')")
    assert [text for _, text in orders] == ["mine, lowest first", "mine, highest first"]


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [(21.3456, 2.1, "21.3"), (0.68123, 0.16, "0.68"), (5, 0, "5.00"), (1234.5, 300, "1235")],
)
def test_digits_follow_the_deviation(value: float, std: float, text: str) -> None:
    assert evaluate("statistics.js", f"return rounded({value}, {std})") == text

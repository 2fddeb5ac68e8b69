"""Computations of the training page from the events in data.js."""

from __future__ import annotations

import json
from typing import Any

import pytest
from javascript import evaluate, needs_node

pytestmark = needs_node

BEGIN = {"epochs": 10, "batch": 2, "time": 1000, "metric": "auto", "at": 0}


def events(code: str, *calls: tuple) -> Any:
    """Take in events (kind, value, ...), then run ``code``."""
    lines = [f"run({', '.join(map(json.dumps, call))});" for call in calls]
    return evaluate("events.js", "".join(lines) + code)


def point(epoch: int, share: float, total: int, time: float, *values: float) -> tuple:
    return ("point", [epoch, share, total, time, *values])


def test_points_get_the_names_that_were_announced_before_them() -> None:
    calls = (("keys", ["G", "lr"]), point(2, 0.5, 15, 1010, 0.3, 0.1), ("keys", ["val_l1"]))
    points = events("return data.points", ("begin", BEGIN), *calls, point(2, 1, 20, 1020, 7))
    assert [entry["x"] for entry in points] == [1.5, 2]
    assert [entry["numbers"] for entry in points] == [{"G": 0.3, "lr": 0.1}, {"val_l1": 7}]


def test_newer_images_of_an_epoch_replace_older_ones() -> None:
    calls = [("images", epoch, [["fake", url, 8, 8]], 1) for epoch, url in ((1, "a"), (2, "b"))]
    shown = events("return data.images", *calls, ("images", 2, [["fake", "c", 8, 8]], 2))
    assert [(entry["epoch"], entry["figures"][0][1]) for entry in shown] == [(1, "a"), (2, "c")]


@pytest.mark.parametrize(
    ("ago", "gap", "ended", "expected"),
    [
        (10, 5, False, True),
        (10, 5, True, False),
        (1000, 5, False, False),
        (1000, 300, False, True),  # its points are usually 5 minutes apart
        (2000, 300, False, False),
    ],
)
def test_a_silent_run_counts_as_dead(ago: int, gap: int, ended: bool, expected: bool) -> None:
    code = f"""
        const now = Date.now() / 1000 - {ago};
        run("keys", []);
        for (const i of [3, 2, 1, 0]) run("point", [1, 0.1, 1, now - {gap} * i]);
        if ({json.dumps(ended)}) run("end", "stopped", now);
        return alive();
    """
    assert events(code, ("begin", BEGIN)) is expected


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        ("auto", {"val_patches": [5, 3, 4]}, ["patches", 2, 3, 4]),
        ("auto", {"val_l1": [5, 3, 4], "val_psnr": [1, 2, 3]}, ["l1", 2, 3, 4]),
        ("psnr", {"val_l1": [5, 3, 4], "val_psnr": [9, 2, 3]}, ["psnr", 1, 9, 3]),
        ("ssim", {"val_l1": [5, 3, 4]}, None),
    ],
)
def test_best_epoch(metric: str, values: dict[str, list[float]], expected: list | None) -> None:
    points = [point(i + 1, 1, i, i, *(numbers[i] for numbers in values.values())) for i in range(3)]
    code = """
        const found = validationResults();
        return found && [found.metric, found.best.epoch, found.best.value, found.last.value];
    """
    calls = (("begin", BEGIN | {"metric": metric}), ("keys", list(values)), *points)
    assert events(code, *calls) == expected


HEALTH = ["accuracy_real_D_A", "change_G_A"]


def test_a_measurement_can_be_missing_at_a_point() -> None:
    """With --print_freq below 50, only some points have health measurements."""
    calls = (("begin", BEGIN), ("keys", ["G", "lr", *HEALTH], ["G"]))
    calls += (point(1, 0.2, 2, 1, 1, 0.1), point(1, 0.4, 4, 2, 2, 0.1, 0.7, 0.5))
    calls += (point(1, 0.6, 6, 3, 3, 0.1, None, 0.6), point(1, 0.8, 8, 4, 4, 0.1))
    code = f"return [seriesOf(['G'], data.points), seriesOf({json.dumps(HEALTH)}, data.points)]"
    losses, health = events(code, *calls)
    assert losses == {"x": [0.2, 0.4, 0.6, 0.8], "lines": {"G": [1, 2, 3, 4]}}
    assert health == {"x": [0.4, 0.6], "lines": {HEALTH[0]: [0.7, None], HEALTH[1]: [0.5, 0.6]}}


@pytest.mark.parametrize("named", [True, False])
def test_each_chart_has_its_numbers(named: bool) -> None:
    """Files of older versions do not name the losses: they come before the learning rate."""
    keys = ["G", "D", "lr", "time", "data", *HEALTH, "logging"]
    keys_calls = [("keys", keys, ["G", "D"]) if named else ("keys", keys)]
    keys_calls += [("keys", [*keys, "val_l1"], ["G", "D"])] if named else []
    calls = [("begin", BEGIN), *keys_calls, point(1, 1, 2, 1, *range(8), *([9] * named))]
    if not named:
        calls += [("keys", ["lr", "val_l1"]), point(1, 1, 2, 1, 0.1, 9)]
    assert events("return namesByChart()", *calls) == {
        "losses": ["G", "D"],
        "validation": ["val_l1"],
        "discriminators": HEALTH[:1],
        "generators": HEALTH[1:],
    }


WARNING = "D_A has won. Try more images (loss 0.05; docs/reading_a_run.md)"


def test_marks_of_the_charts() -> None:
    calls = [("begin", BEGIN), ("keys", ["G", "lr", "val_patches"], ["G"])]
    calls += [point(1, 0.5, 5, 1, 1, 0.1), ("text", 1, WARNING, 1), ("text", 1, "a fact", 1)]
    calls += [point(1, 1, 10, 2, None, 0.1, 3), point(2, 1, 20, 3, None, 0.1, 4)]
    calls += [("begin", BEGIN | {"at": 2})]
    marks = events("return marks().map(({ x, kind, text }) => [x, kind, text])", *calls)
    assert sorted(marks) == [
        [0.5, "warning", "warning: loss"],
        [1, "best", "best epoch: 1"],
        [2, "resumed", "resumed here"],
    ]


def test_images_per_second() -> None:
    """All time counts, except that between a stop and a resume."""
    keys = ("keys", ["time", "data"])
    code = "return imagesPerSecond()"
    calls = [("begin", BEGIN), keys, point(1, 0.5, 10, 1000, 0.2, 0.2)]
    assert events(code, *calls) == 5  # a single point: its seconds per image
    calls += [point(1, 1, 30, 1010, 0.2, 0.2)]
    assert events(code, *calls) == 2
    calls += [("begin", BEGIN), point(2, 0.5, 40, 9000, 0.2, 0.2), point(2, 1, 50, 9002, 0.2, 0.2)]
    assert events(code, *calls) == 5


def test_time_is_split_into_what_was_measured_and_the_rest() -> None:
    """10 images in 5 s: 0.2 s of steps, 0.1 s of waiting and 0.05 s of logging for each image."""
    calls = (("begin", BEGIN), ("keys", ["time", "data", "logging"]))
    calls += (point(1, 0.5, 10, 1000, 0.2, 0.2, 0.5), point(1, 1, 20, 1005, 0.2, 0.2, 0.5))
    split = events("return timeSplit(data.points)", *calls)
    assert split["compute"] == [0.2, 0.2] and split["data"] == [0.1, 0.1]
    assert split["logging"] == ["NaN", 0.05]
    assert split["saving, other"] == ["NaN", pytest.approx(0.5 - 0.2 - 0.1 - 0.05)]


def test_time_between_a_stop_and_a_resume_does_not_count() -> None:
    calls = (("begin", BEGIN), ("keys", ["time", "data"]), point(1, 0.5, 10, 1000, 0.2, 0.2))
    calls += (("begin", BEGIN), point(1, 1, 20, 9000, 0.2, 0.2))
    assert events("return timeSplit(data.points)", *calls)["saving, other"] == ["NaN", "NaN"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(42, "42 s"), (187, "3 min"), (7500, "2 h 5 min"), (3 * 86400 + 4 * 3600, "3 d 4 h")],
)
def test_duration(seconds: int, text: str) -> None:
    assert evaluate("events.js", f"return duration({seconds})") == text

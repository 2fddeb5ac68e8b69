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
    ("metric", "values", "title"),
    [
        ("auto", {"val_patches": [5, 3, 4]}, "Validation: patches 4, best 3 in epoch 2"),
        ("auto", {"val_l1": [5, 3, 4], "val_psnr": [1, 2, 3]}, "Validation: l1 4, best 3 in epoch"),
        ("psnr", {"val_l1": [5, 3, 4], "val_psnr": [9, 2, 3]}, "Validation: psnr 3, best 9 in ep"),
        ("ssim", {"val_l1": [5, 3, 4]}, "Validation"),
    ],
)
def test_best_epoch(metric: str, values: dict[str, list[float]], title: str) -> None:
    points = [point(i + 1, 1, i, i, *(numbers[i] for numbers in values.values())) for i in range(3)]
    code = f"return validationTitle(data.points, {json.dumps(list(values))})"
    calls = (("begin", BEGIN | {"metric": metric}), ("keys", list(values)), *points)
    assert events(code, *calls).startswith(title)


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

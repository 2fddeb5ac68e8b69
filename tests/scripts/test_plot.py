"""scripts/plot.py: which points it draws, means over seeds, labels, widths and refusals."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Programs
from PIL import Image

from scripts import plot
from scripts.figures.curves import average, smooth
from scripts.figures.drawing import draw, layout_of, settings, style

LOG = """================ Training Loss (Mon) ================
(epoch: 1, iters: 50, time: 0.100, data: 0.010) G: 9.000
================ Training Loss (Tue) ================
(epoch: 1, iters: 100, time: 0.100, data: 0.010) G: 1.500 D_real: nan\x20
(epoch: 2, iters: 200, time: 0.200, data: 0.010) G: 0.500 D_real: 0.250\x20
"""


@pytest.fixture
def two(run: Programs) -> Programs:
    """checkpoints/new with metrics.jsonl, and checkpoints/official with only loss_log.txt."""
    for name in ("new", "official"):
        (run.runs / name).mkdir(parents=True)
    start = {"epoch": 1, "note": "the run starts"}
    entries: list[dict] = [start, {"epoch": 1, "losses": {"old": 1}}, start]
    entries += [
        {
            "epoch": 1,
            "iters": i,
            "share": i / 4,
            "total": i,
            "losses": {"G": 2 / i, "D": None},
            "lr": 0.1,
        }
        for i in range(1, 5)
    ]
    entries.insert(5, {"epoch": 1, "note": "a warning"})
    (run.runs / "new" / "metrics.jsonl").write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries) + '{"epoch": 1, "it'
    )
    (run.runs / "official" / "loss_log.txt").write_text(LOG)
    return run


def test_runs_are_read(two: Programs) -> None:
    new = plot.read("new", two.runs)
    assert [(entry["epoch"], entry["total"]) for entry in new] == [(i / 4, i) for i in range(1, 5)]
    assert new[1]["values"] == {"G": 1.0, "D": None, "lr": 0.1} and new[1]["losses"] == {
        "G": 1.0,
        "D": None,
    }
    official = plot.read(str(two.runs / "official"), Path("elsewhere"))
    assert [(entry["epoch"], entry["total"]) for entry in official] == [(0.5, 100), (2, 400)]
    assert official[1]["values"] == {"G": 0.5, "D_real": 0.25, "time": 0.2, "data": 0.01}


def test_a_log_of_2025_is_read(run: Programs) -> None:
    """Its lines name the rank, losses have commas, and empty lines are between; rank 0 counts."""
    (run.runs / "x").mkdir(parents=True)
    lines = ["================ Training Loss (Tue) ================"]
    for rank, loss in ((0, 1.5), (1, 7.0), (0, 0.5), (12, 7.0)):
        epoch = "1" if loss == 1.5 else "2"
        place = f"[Rank {rank}] (epoch: {epoch}, iters: 100, time: 0.098, data: 0.210) "
        lines += [f"{place}, D_A: {loss:.3f}, G_A: -0.401", ""]
    (run.runs / "x" / "loss_log.txt").write_text("\n".join(lines))
    entries = plot.read("x", run.runs)
    assert [entry["losses"] for entry in entries] == [
        {"D_A": 1.5, "G_A": -0.401},
        {"D_A": 0.5, "G_A": -0.401},
    ]
    assert [(entry["epoch"], entry["total"]) for entry in entries] == [(1, 100), (2, 200)]


def test_smoothing_has_no_bias_and_keeps_gaps() -> None:
    assert smooth([3.0, 3.0, 3.0], 0.9) == pytest.approx([3, 3, 3])
    assert smooth([1.0, 2.0], 0) == [1, 2]
    assert smooth([1.0, math.nan, 4.0], 0.5) == pytest.approx([1, math.nan, 3], nan_ok=True)


def write_log(folder: Path, seed: float = 0, epochs: int = 3) -> None:
    """Write a log as a training with --val_freq 1 does: losses, validations and notes in turn."""
    lines: list[dict] = []
    for epoch in range(1, epochs + 1):
        for step in range(1, 5):
            place = {"epoch": epoch, "iters": step, "share": step / 4}
            place["total"] = 4 * epoch - 4 + step
            losses = {"G_A": seed + epoch + step / 4}
            times = {"lr": 0.1 / epoch, "time": 0.5, "data": 0.01}
            health = {"change_G_A": 1.0} if step == 1 else {}
            lines.append({**place, "losses": losses, **times, **health, "logging": 0.1})
        times = {"lr": 0.1 / epoch, "time": 9.0, "data": 0.0}
        lines.append({**place, "losses": {}, **times, "val_patches": seed + 20 - epoch})
        lines.append({"epoch": epoch, "note": "a warning"})
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def figure_of(run: Programs, *words: object, arranged: bool = False) -> Any:
    """Return the figure that the program would save; ``arranged``: with its final layout."""
    matplotlib = pytest.importorskip("matplotlib")
    known = ("--checkpoints_dir", str(run.runs), "--output", "c.png")
    args = plot.build_parser().parse_args([*map(str, words), *known])
    groups = plot.read_groups(args.runs, args.checkpoints_dir)
    panels = plot.make_panels(groups, plot.chosen_keys(groups, args), args)
    layout = layout_of(len(panels), list(groups), args.width)
    with matplotlib.rc_context(settings(layout.font)):
        figure = draw(panels, list(groups), layout, args.x, args.log)
        if arranged:
            figure.draw_without_rendering()
    return figure


def test_interleaved_lines(run: Programs) -> None:
    """Every key has a curve without gaps, though no line of the log has all keys."""
    write_log(run.runs / "a")
    keys = ("G_A", "val_patches", "lr", "time", "change_G_A")
    figure = figure_of(run, "--runs", "a", "--keys", *keys)
    drawn = {axes.get_title().split()[0]: axes.lines for axes in figure.axes}
    assert list(drawn) == [*keys]
    counts = {key: len(lines[-1].get_xdata()) for key, lines in drawn.items()}
    assert counts == {"G_A": 12, "val_patches": 3, "lr": 15, "time": 12, "change_G_A": 3}
    for lines in drawn.values():
        assert np.isfinite(lines[-1].get_ydata()).all()
    assert list(drawn["val_patches"][-1].get_xdata()) == [1, 2, 3]
    for key in "val_patches", "change_G_A":  # few points: each has a marker
        assert list(drawn[key][-1].get_markevery()) == [0, 1, 2]


def test_only_losses_and_health_are_smoothed(run: Programs) -> None:
    write_log(run.runs / "a")
    keys = ("G_A", "change_G_A", "lr", "val_patches", "time", "data", "logging")
    figure = figure_of(run, "--runs", "a", "--keys", *keys, "--smooth", "0.95")
    lines = dict(zip(keys, (axes.lines for axes in figure.axes), strict=True))
    assert [key for key in keys if len(lines[key]) == 2] == ["G_A", "change_G_A"]  # pale raw values
    assert list(lines["val_patches"][0].get_ydata()) == [19, 18, 17]
    rates = [rate for epoch in (1, 2, 3) for rate in [0.1 / epoch] * 5]
    assert list(lines["lr"][0].get_ydata()) == rates and figure.axes[2].get_ylim()[0] == 0
    assert lines["lr"][0].get_drawstyle() == "steps-pre"
    assert set(lines["time"][0].get_ydata()) == {0.5}  # not those of the validation images
    assert list(lines["G_A"][0].get_ydata()) != list(lines["G_A"][1].get_ydata())


def test_gaps_are_values_that_are_not_finite(run: Programs) -> None:
    """Such a value interrupts the line; a point alone between two of them has a marker."""
    values = [*[1.0] * 20, None, 2.0, None, *[1.0] * 30]
    places = [{"epoch": 1, "iters": i, "share": i / 60, "total": i} for i in range(1, 54)]
    losses = [{"G": value, "D": None} for value in values]
    lines = [p | {"losses": loss} for p, loss in zip(places, losses, strict=True)]
    (run.runs / "a").mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.runs / "a/metrics.jsonl").write_text(text)
    figure = figure_of(run, "--runs", "a")
    line = figure.axes[0].lines[-1]
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [20, 22]
    assert line.get_markevery() == [21]
    assert [text.get_text() for text in figure.axes[1].texts] == ["no finite values"]


def test_mean_and_deviation_over_seeds(run: Programs) -> None:
    """Runs with one label are one curve and a band, up to the end of the shortest run."""
    for seed, epochs in ((1, 3), (2, 3), (6, 2)):
        write_log(run.runs / f"s{seed}", seed, epochs)
    words = ("--runs", "w = 2=s1", "w = 2=s2", "w = 2=s6", "one=s1", "--keys", "val_patches")
    axes = figure_of(run, *words).axes[0]
    ours, one = axes.lines
    assert list(ours.get_xdata()) == [1, 2] and list(ours.get_ydata()) == [22, 21]
    band = axes.collections[0].get_paths()[0].vertices
    deviation = np.std([1, 2, 6], ddof=1)
    assert band[:, 1].max() == pytest.approx(22 + deviation)
    assert band[:, 1].min() == pytest.approx(21 - deviation)
    assert len(one.get_xdata()) == 3 and len(axes.collections) == 1
    done = run.call(plot.main, "plot.py", *words, "--output", "c.svg").ok()
    assert "4 runs in 2 curves, mean ± standard deviation" in done.out
    assert "the mean of w = 2 is drawn up to epoch 2, where run s6 ends" in done.err


def test_runs_of_different_steps_are_interpolated() -> None:
    x, y = np.array([0.0, 2, 4]), np.array([0.0, 2, 4])
    mean = average([(x, y), (np.array([1.0, 3, 9]), np.array([1.0, 3, 9]))])
    assert mean.x.tolist() == mean.y.tolist() == [1, 2, 3, 4]
    assert mean.std is not None and mean.std.tolist() == [0, 0, 0, 0]
    rates = np.array([8.0, 4, 2])  # each holds since the place before
    assert average([(x, rates), (x + 0.5, rates)], steps=True).y.tolist() == [6, 4, 3, 2]


def test_a_run_that_lacks_a_key(run: Programs) -> None:
    write_log(run.runs / "a")
    write_log(run.runs / "b", 1)
    log = run.runs / "b/metrics.jsonl"
    log.write_text("".join(line for line in log.open() if "val_" not in line))
    words = ("--runs", "m=a", "m=b", "--keys", "val_patches", "--output", "c.svg")
    error = run.call(plot.main, "plot.py", *words).ok().err
    assert "run b has no val_patches; the mean of m is that of 1 run" in error


def test_colours_and_direct_labels(run: Programs) -> None:
    """Each curve has a colour of Okabe and Ito, and its label in that colour at its end."""
    for seed, name in enumerate(("a", "b", "_$c$")):
        write_log(run.runs / name, seed / 50)
    axes = figure_of(run, "--runs", "a", "b", "_$c$", "--smooth", "0", arranged=True).axes[0]
    colours = [line.get_color() for line in axes.lines]
    assert colours == ["#0072B2", "#D55E00", "#009E73"]
    assert [text.get_color() for text in axes.texts] == colours
    assert [text.get_text() for text in axes.texts] == ["a", "b", " _$c$"]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(box.x0 > axes.bbox.x1 for box in boxes)
    assert boxes[0].y1 <= boxes[1].y0 + 1 and boxes[1].y1 <= boxes[2].y0 + 1  # not over another
    assert not axes.get_figure().legends
    styles = [tuple(style(i).values()) for i in range(20)]
    assert len(set(styles)) == 20


def test_labels_that_do_not_fit_are_a_legend(run: Programs) -> None:
    for name in ("a" * 60, "b" * 60):
        write_log(run.runs / name)
    figure = figure_of(run, "--runs", "a" * 60, "b" * 60, "--width", "2")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text[:2] for text in texts] == ["…a", "…b"] and not figure.axes[0].texts


def test_width_of_a_column(run: Programs) -> None:
    """The figure is as wide as asked for, its text has 8 points, and no label is cut off."""
    for name in ("seed1", "seed2"):
        write_log(run.runs / name)
    words = ("--runs", "seed1", "seed2", "--keys", "G_A", "val_patches", "--width")
    for width, columns in ((3.25, 1), (6.875, 2)):
        figure = figure_of(run, *words, width, arranged=True)
        assert figure.get_size_inches()[0] == width
        assert len({axes.get_position().x0 for axes in figure.axes}) == columns
        for axes in figure.axes:
            assert axes.title.get_fontsize() == 8
            assert axes.get_tightbbox().x1 <= figure.bbox.x1
    one = ("--runs", "seed1", "--keys", "lr", "--width", "3.25", "--output", "c.png")
    run.call(plot.main, "plot.py", *one).ok()
    with Image.open(run.folder / "c.png") as image:
        assert image.width == 650
    assert settings(8)["pdf.fonttype"] == 42  # TrueType


def test_logarithmic_axis(run: Programs) -> None:
    """Points that it cannot show are counted, and a panel without others says why it is empty."""
    write_log(run.runs / "a", -3)
    words = ("--runs", "a", "--log", "--keys", "G_A", "lr", "val_patches", "--smooth", "0")
    error = run.call(plot.main, "plot.py", *words, "--output", "c.svg").ok().err
    assert "--log: 8 points of G_A cannot be drawn, being 0 or less" in error
    figure = figure_of(run, *words)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        labels = [float(text.get_text()) for text in axes.get_yticklabels()]
        assert sum(low <= label <= high for label in labels) > 1
    write_log(run.runs / "b", -30)
    (axes,) = figure_of(run, "--runs", "b", "--log", arranged=True).axes
    assert [text.get_text() for text in axes.texts] == ["no values above 0"]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(two: Programs, ending: str) -> None:
    pytest.importorskip("matplotlib")
    output = two.folder / "figures" / f"curves.{ending}"
    two.call(plot.main, "plot.py", "--runs", "new", "official", "--output", output).ok()
    if ending == "png":
        image = np.asarray(Image.open(output).convert("RGB")).reshape(-1, 3)
        for colour in (0, 114, 178), (213, 94, 0):  # a curve for each run
            assert (abs(image.astype(int) - colour).max(1) < 3).sum() > 50
    else:
        assert output.read_text().count('<g id="axes_') == 3  # G, D, D_real


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        ("--runs none", 1, '--runs: no run "none" in checkpoints (there are: '),
        ("--runs new --keys G x", 1, "--keys x: the runs have G, D, lr"),
        ("--runs new --smooth 1", 2, "--smooth 1"),
        ("--runs x=", 2, "--runs x=: should be RUN or LABEL=RUN"),
        ("--runs x=none", 1, '--runs: no run "none" in checkpoints'),
        ("--runs new --width 1", 2, "--width 1: should be a finite number, at least 2"),
        ("--runs new --output curves.gif", 2, ".svg"),
    ],
)
def test_plot_refuses(two: Programs, args: str, status: int, words: str) -> None:
    two.call(plot.main, "plot.py", "--output", "c.png", *args.split()).refused(status, words)


def test_plot_without_matplotlib(two: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    two.call(plot.main, "plot.py", "--runs", "new", "--output", "c.png").refused(
        1, "matplotlib", "pip install"
    )

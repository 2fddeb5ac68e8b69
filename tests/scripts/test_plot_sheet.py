"""scripts/plot.py and scripts/sheet.py: inputs, pictures and refusals."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Programs, picture
from PIL import Image

sys.path.insert(0, str(ROOT / "scripts"))
import plot
import sheet

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
    assert plot.smooth([3.0, 3.0, 3.0], 0.9) == pytest.approx([3, 3, 3])
    assert plot.smooth([1.0, 2.0], 0) == [1, 2]
    assert plot.smooth([1.0, math.nan, 4.0], 0.5) == pytest.approx([1, math.nan, 3], nan_ok=True)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(two: Programs, ending: str) -> None:
    pytest.importorskip("matplotlib")
    output = two.folder / "figures" / f"curves.{ending}"
    two.call(plot.main, "plot.py", "--runs", "new", "official", "--output", output).ok()
    if ending == "png":
        image = np.asarray(Image.open(output).convert("RGB")).reshape(-1, 3)
        for colour in (31, 119, 180), (255, 127, 14):  # a curve for each run
            assert (abs(image.astype(int) - colour).max(1) < 3).sum() > 50
    else:
        assert output.read_text().count('<g id="axes_') == 3  # G, D, D_real


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        ("--runs none", 1, '--runs: no run "none" in checkpoints (there are: '),
        ("--runs new --keys G x", 1, "--keys x: the runs have G, D, lr"),
        ("--runs new --smooth 1", 2, "--smooth 1"),
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


def paint(path: Path, colour: str, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def draw(run: Programs, *args: str) -> list[list[str]]:
    """Make a sheet of 10-pixel images, and return the name of the colour of each."""
    names = {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue", (0, 0, 0): "black"}
    done = run.call(sheet.main, "sheet.py", *args, "--size", "10", "--output", "s.png").ok()
    image = np.asarray(Image.open(run.folder / "s.png"))
    rows = [image.shape[0] - 5 - 14 * row for row in range(int(done.out.split(" x ")[0]))]
    return [
        [names[tuple(map(int, image[y, x]))] for x in range(5, image.shape[1], 14)] for y in rows
    ][::-1]


def test_sheet_of_labels_and_models(run: Programs) -> None:
    for model, colour in ("a", "green"), ("b", "blue"):
        for stem in "1", "sub/2":
            paint(run.folder / model / "images" / f"{stem}_real_A.png", "red")
            paint(
                run.folder / model / "images" / f"{stem}_fake_B.png",
                colour if stem == "1" else "black",
            )
    labels = ("--labels", "real_A", "fake_B")
    assert draw(run, "--images", "a/images", *labels) == [["red", "green"], ["red", "black"]]
    models = ("--images", "a/images", "b/images", "--rows", "1", "--titles", "x", "y", "z")
    assert draw(run, *models, *labels) == [["red", "green", "blue"]]
    assert draw(run, "--images", "a/images", *labels, "--every", "2") == [["red", "green"]]


def test_abbreviations_and_names_with_an_at_sign(run: Programs) -> None:
    paint(run.folder / "@run/images/1_fake_B.png", "red")
    assert draw(run, "--im", "@run/images", "--label", "fake_B") == [["red"]]


def test_sheet_takes_the_newest_of_two_formats(run: Programs) -> None:
    for age, (name, colour) in enumerate({"1": "green", "2": "blue"}.items()):
        for ending, seconds in {"bmp": 10, "png": 10 + 20 * age - 10}.items():
            path = run.folder / f"images/{name}_fake_B.{ending}"
            paint(path, colour if ending == "bmp" else "red")
            os.utime(path, (seconds, seconds))
    assert draw(run, "--images", "images", "--labels", "fake_B") == [["green"], ["red"]]
    flags = ("--images", "images", "--labels", "fake_B", "--output", "s.png")
    error = run.call(sheet.main, "sheet.py", *flags).ok().err
    assert error.count("\n") == 1 and "the same stem, in all 2 stems; the newest" in error


def test_sheet_of_epochs(run: Programs) -> None:
    """An epoch without a panel image shows the image of the epoch before."""
    for name, colour in {
        "epoch001_panel0_real_A": "red",
        "epoch001_panel0_fake_B": "green",
        "epoch003_panel0_fake_B": "blue",
        "epoch001_fake_B": "black",
        "epoch001_real_A": "black",
    }.items():
        paint(run.folder / "web" / f"{name}.png", colour)
    labels = ("--images", "web", "--labels", "real_A", "fake_B", "--epochs")
    assert draw(run, *labels) == [["red", "green", "blue"]]
    assert draw(run, *labels, "1", "2", "9") == [["red", "green", "green", "blue"]]
    for path in (run.folder / "web").glob("*panel*"):
        path.unlink()
    assert draw(run, *labels) == [["black", "black"]]


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        ("--labels fake_C", 1, "no image named STEM_fake_C"),
        ("--labels fake_B --rows 7", 1, "column fake_B has no image '7'; it has 1"),
        ("--labels fake_B --size 0", 2, "--size"),
        ("--labels fake_B --titles a b", 2, "--titles: 2 for 1"),
        ("--labels fake_B --epochs", 1, "epochNNN_fake_B.png"),
        ("--labels fake_B --output x.txt", 2, "--output x.txt"),
    ],
)
def test_sheet_refuses(run: Programs, args: str, status: int, words: str) -> None:
    picture(run.folder / "images" / "1_fake_B.png")
    run.call(
        sheet.main, "sheet.py", "--images", "images", "--output", "s.png", *args.split()
    ).refused(status, words)

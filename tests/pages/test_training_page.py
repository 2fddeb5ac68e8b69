"""The training page changes nothing in the training, and its cost per epoch stays the same."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, QUIET, TINY, Programs, picture, pictures
from PIL import Image
from survival import interrupt, resume

from options.train_options import TrainOptions
from util.sinks import training_page
from util.sinks.training_page import POINTS, ROWS, TrainingPage

pytest_plugins = ["survival"]

NETWORKS = (*QUIET, "--ngf", "2", "--ndf", "2", "--seed", "3")
TWO_EPOCHS = ("--n_epochs", "1", "--n_epochs_decay", "1")


def events(folder: Path) -> list[list]:
    """The events in data.js: [kind, value, ...]."""
    lines = (folder / "web" / "data.js").read_text().splitlines()
    return [json.loads(f"[{line[4:-1]}]") for line in lines]


def panel(folder: Path) -> list[list]:
    """The validation images on the page: [epoch, rows]."""
    return [values for kind, *values in events(folder) if kind == "panel"]


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_the_panel_changes_nothing_in_the_training(
    run: Programs, unaligned: Path, tmp_path: Path, model: str
) -> None:
    """Weights are equal to the last bit although dropout is random and batch norm has state."""
    if model == "pix2pix":
        data = tmp_path / "pairs"
        pictures(data / "train", [f"{i}.png" for i in range(4)], size=(80, 40))
        more = ("--model", "pix2pix", "--netG", "unet_128", "--load_size", "128")
        more += ("--crop_size", "128")
        labels = ["real_A", "fake_B", "real_B"]
    else:
        data = unaligned
        more = ("--netG", "resnet_6blocks", "--no_dropout", "--load_size", "34")
        more += ("--crop_size", "32", "--max_dataset_size", "3")
        # without idt_A and idt_B, which exist in training only
        labels = ["real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"]
    for name, size in ("with", "3"), ("without", "0"):
        flags = ("--dataroot", data, "--name", name, "--panel_size", size)
        run.train(*flags, *NETWORKS, *TWO_EPOCHS, *more).ok()
    files = [path.name for path in (run.runs / "with").glob("latest_net_*.pth")]
    assert len(files) == (4 if model == "cycle_gan" else 2)
    for file in files:
        a, b = (torch.load(run.runs / name / file) for name in ("with", "without"))
        assert all(torch.equal(a[key], b[key]) for key in a), file
    assert not panel(run.runs / "without")
    assert [epoch for epoch, _ in panel(run.runs / "with")] == [0, 1, 2]
    for epoch, rows in panel(run.runs / "with"):
        assert [[figure[0] for figure in figures] for _, figures in rows] == [labels] * 3
        for label, url, width, height in rows[0][1]:
            assert Image.open(run.runs / "with" / "web" / url).size == (width, height)
            saved_in = 0 if label.startswith("real") else epoch  # unchanged: not saved again
            assert url == f"images/epoch{saved_in:03d}_panel0_{label}.png"


def test_a_crash_before_the_first_save(run: Programs, data: Path, after_step: Callable) -> None:
    """The page of the resumed run has the first panel once."""
    interrupt(run, data, after_step, step=1)
    assert [epoch for epoch, _ in panel(run.runs / "x")] == [0]
    resume(run).ok()
    assert [epoch for epoch, _ in panel(run.runs / "x")] == [0, 1, 2]


def test_images_of_the_panel(run: Programs, tmp_path: Path) -> None:
    """val before test before train; --panel replaces the images of the file's domain."""
    data = tmp_path / "data"
    for folder in ("trainA", "trainB", "testA", "testB"):
        pictures(data / folder, [f"{folder}{i}.png" for i in range(3)])
    flags = ("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH)

    def names(*more: object) -> list[str]:
        run.train(*flags, "--max_dataset_size", "1", *more).ok()
        (before, first), (after, last) = panel(run.runs / "x")
        assert [before, after] == [0, 1] and [row[0] for row in first] == [row[0] for row in last]
        return [name for name, _ in last]

    def title() -> str:
        return events(run.runs / "x")[0][1]["panel"]

    assert names() == [f"testA{i}.png · testB{i}.png" for i in range(3)]
    assert title() == "Test images"
    assert names("--panel_size", "2") == names("--panel_size", "2")
    file = picture(tmp_path / "file.png")
    (name,) = names("--panel", file)
    assert name.startswith("file.png · testB")
    assert names("--panel", data / "trainB" / "trainB1.png", file) == ["file.png · trainB1.png"]
    assert title() == "Chosen images (--panel)"
    pictures(data / "valA", ["v.png"])
    pictures(data / "valB", ["w.png"])
    assert names() == ["v.png · w.png"] and title() == "Validation images"
    for folder in ("testA", "valA"):
        shutil.rmtree(data / folder)
    names("--val_share", "0.4", "--val_freq", "1", "--max_dataset_size", "3")
    assert title() == "Held-out training images"
    names()
    assert title() == "Training images, translated as in a test"
    run.train(*flags, "--panel", "no.png").refused(1, "--panel", "no.png")


def test_a_model_that_cannot_be_tested(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """The panel reports its failure once, and the training continues."""
    (tmp_path / "odd_model.py").write_text(
        "from models.cycle_gan_model import CycleGANModel as Base\n\n\nclass OddModel(Base):\n"
        "    def test(self):\n        raise ZeroDivisionError('odd')\n"
    )
    flags = ("--dataroot", unaligned, "--name", "x", "--model", tmp_path / "odd_model.py")
    result = run.train(*flags, *TINY, *TWO_EPOCHS).ok()
    assert result.err.count("no panel") == 1 and "ZeroDivisionError: odd" in result.err


def page_of(folder: Path, epochs: int) -> TrainingPage:
    (folder / "data").mkdir(exist_ok=True)
    flags = ["--dataroot", str(folder / "data"), "--checkpoints_dir", str(folder), "--name", "x"]
    flags += ["--gpu_ids", "-1", "--n_epochs", str(epochs), "--n_epochs_decay", "0"]
    opt = TrainOptions().parse([*flags, "--beta1", "0.25"], record=False)
    return TrainingPage(opt, folder / "x" / "web")


def report_epoch(page: TrainingPage, epoch: int, steps: int = 100) -> float:
    """Report an epoch to the page. Returns the CPU seconds that this took."""
    image = np.full((8, 8, 3), epoch % 256, np.uint8)
    start = time.process_time()
    for step in range(1, steps + 1):
        values = {"G": step / epoch, "lr": 1e-4, "time": 0.1, "data": 0.0}
        page.scalars(epoch, step / steps, (epoch - 1) * steps + step, values)
    page.images(epoch, {"real": image, "fake": image}, True)
    page.panel(epoch, [("a.png", {"real": image * 0, "fake": image})])
    return time.process_time() - start


def test_300_epochs(tmp_path: Path) -> None:
    """The time of an update stays flat; no file that is rewritten grows; points are averaged."""
    page = page_of(tmp_path, 300)
    times, data_sizes, other_sizes = [], [], []
    for epoch in range(1, 301):
        times.append(report_epoch(page, epoch, steps=100 if epoch in (1, 2, 300) else 20))
        data_sizes.append((page.folder / "data.js").stat().st_size)
        shell = (page.folder / "index.html").stat().st_size
        other_sizes.append((shell, len(json.dumps(page.memory))))
    # the minimum is disturbed least by other programs
    early, late = min(times[20:60]), min(times[-41:-1])
    assert late < 1.5 * early, f"{1000 * early:.1f} ms became {1000 * late:.1f} ms"
    grown = np.diff(data_sizes)[20:-1]
    assert grown.max() < 1.2 * grown.min()
    assert np.all(np.subtract(other_sizes[-1], other_sizes[20]) < 100)
    page.close()
    points = [values[0] for kind, *values in events(tmp_path / "x") if kind == "point"]
    counts = [sum(point[0] == epoch for point in points) for epoch in (1, 2, 300)]
    assert counts == [100, POINTS, POINTS]
    assert points[100][:2] == [2, 0.02]
    assert points[100][4] == pytest.approx((1 + 2) / 2 / 2)  # the mean of two steps
    assert events(tmp_path / "x")[-1][:2] == ["end", "finished"]


def test_without_scripts_the_page_shows_the_last_epochs(tmp_path: Path) -> None:
    page = page_of(tmp_path, ROWS + 2)
    for epoch in range(1, ROWS + 3):
        report_epoch(page, epoch, steps=1)
    page.close()
    html = (page.folder / "index.html").read_text()
    places = [html.index(f"<h2>Epoch {epoch}<") for epoch in range(ROWS + 2, 2, -1)]
    assert places == sorted(places) and html.count("<h2>Epoch ") == ROWS
    assert "Epoch 12: G 0.0833, lr 0.0001" in html


@pytest.mark.parametrize("panel_size", ["2", "0"])
def test_a_finished_run_says_so(run: Programs, unaligned: Path, panel_size: str) -> None:
    """Even if the last point of the curves lies before the end of the last epoch."""
    flags = ("--dataroot", unaligned, "--name", "x", "--print_freq", "3")
    run.train(*flags, *TINY, *ONE_EPOCH, "--panel_size", panel_size).ok()
    calls = events(run.runs / "x")
    assert [call[1][:2] for call in calls if call[0] == "point"] == [[1, 0.6]]
    assert calls[-1][:2] == ["end", "finished"]


def test_values_that_some_points_lack(tmp_path: Path) -> None:
    """Each value is the mean over the points that have it; validation is a point of its own."""
    page = page_of(tmp_path, 9)
    losses = {"G": 1.0, "lr": 0.1, "time": 0.1, "data": 0.0}
    page.scalars(2, 0.101, 10, losses | {"logging": 1.0})
    page.scalars(2, 0.105, 20, losses | {"G": 3.0, "accuracy": 0.5, "logging": 2.0})
    page.scalars(2, 0.11, 30, losses | {"G": 5.0, "logging": 4.0})
    page.scalars(2, 0.119, 40, losses | {"G": 7.0, "logging": 8.0})
    page.scalars(2, 0.119, 40, {"lr": 0.1, "time": 9.0, "val_l1": 2.0, "logging": 0.5})
    page.close()
    calls = events(tmp_path / "x")
    keys = [values for kind, *values in calls if kind == "keys"]
    names = ["G", "lr", "time", "data", "logging", "accuracy", "val_l1"]
    assert keys == [[names[:5], ["G"]], [names[:6], ["G"]], [names, ["G"]]]
    points = [[*point[:3], *point[4:]] for kind, point in (c for c in calls if c[0] == "point")]
    assert points == [
        [2, 0.101, 10, 1, 0.1, 0.1, 0, 1],  # a new name ends the mean before it
        [2, 0.119, 40, 5, 0.1, 0.1, 0, 14, 0.5],
        [2, 0.119, 40, None, 0.1, 9, None, 0.5, None, 2],
    ]


def test_resumed(tmp_path: Path) -> None:
    """Events from after the save are cut off and written again, so that each appears once."""
    page = page_of(tmp_path, 4)
    report_epoch(page, 1)
    shown = {"shown": dict(page.memory["shown"])}  # JSON would turn its keys into text
    saved = json.loads(json.dumps(page.memory)) | shown
    report_epoch(page, 2)
    report_epoch(page, 3)
    page.close()
    assert events(tmp_path / "x")[-1][:2] == ["end", "stopped"]
    page = page_of(tmp_path, 4)
    page.memory.update(saved)
    for epoch in range(2, 5):
        report_epoch(page, epoch)
    page.close()
    calls = events(tmp_path / "x")
    shares = [call[1][0] - 1 + call[1][1] for call in calls if call[0] == "point"]
    assert shares == sorted(set(shares)) and shares[-1] == 4
    assert [call[0] for call in calls].count("begin") == 2
    assert [call[1] for call in calls if call[0] == "panel"] == [1, 2, 3, 4]
    assert calls[-1][:2] == ["end", "finished"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(tmp_path, 4)
    report_epoch(page, 1)
    before = (page.folder / "data.js").read_bytes()

    class Full:
        """A file on a disk that is full after nine bytes."""

        def __init__(self, path: Path) -> None:
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def write(self, line: bytes) -> None:
            os.write(handle := os.open(self.path, os.O_WRONLY | os.O_APPEND), line[:9])
            os.close(handle)
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(training_page, "open", lambda path, *_, **__: Full(path), raising=False)
        with pytest.raises(OSError):
            page.text(1, "x")
    assert (page.folder / "data.js").read_bytes() == before


def test_changed_options_come_first(tmp_path: Path) -> None:
    page = page_of(tmp_path, 7)
    page.close()
    first, _, others = (page.folder / "index.html").read_text().rpartition("<summary>")
    assert "<dt>beta1</dt><dd>0.25</dd>" in first and "<dt>n_epochs</dt><dd>7</dd>" in first
    assert "<dt>lr</dt><dd>0.0002</dd>" in others and "beta1" not in others
    assert "<dt>device</dt>" not in first + others  # another start may use another


def test_options_that_no_parser_made_are_all_shown(tmp_path: Path) -> None:
    opt = page_of(tmp_path, 7).opt
    del opt.changed
    page = TrainingPage(opt, tmp_path / "x" / "web")
    page.close()
    html = (page.folder / "index.html").read_text()
    assert "<summary>" not in html and "<dt>lr</dt><dd>0.0002</dd>" in html

"""The page of a training: its fixed panel leaves the training alone, and an epoch costs the same early and late."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, QUIET, TINY, Programs, picture, pictures
from PIL import Image

from options.train_options import TrainOptions
from util.sinks.training_page import POINTS, ROWS, TrainingPage

SMALL = (
    *QUIET,
    "--ngf",
    "2",
    "--ndf",
    "2",
    "--n_epochs",
    "1",
    "--n_epochs_decay",
    "1",
    "--seed",
    "3",
)


def told(folder: Path) -> list[list]:
    """The calls in data.js: [kind, ...]."""
    return [
        json.loads(f"[{line[4:-1]}]")
        for line in (folder / "web" / "data.js").read_text().splitlines()
    ]


def panel(folder: Path) -> list[tuple[int, list]]:
    return [
        (epoch, rows)
        for kind, *values in told(folder)
        if kind == "panel"
        for epoch, rows in [values]
    ]


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_training_does_not_notice(
    run: Programs, unaligned: Path, tmp_path: Path, model: str
) -> None:
    """Dropout draws from the generators, batch norm counts what passes: still the weights are equal to the last bit."""
    if model == "pix2pix":
        pictures(tmp_path / "pairs" / "train", [f"{i}.png" for i in range(4)], size=(80, 40))
        data, more = (
            tmp_path / "pairs",
            (
                "--model",
                "pix2pix",
                "--netG",
                "unet_128",
                "--load_size",
                "128",
                "--crop_size",
                "128",
            ),
        )
    else:
        data, more = (
            unaligned,
            (
                "--netG",
                "resnet_6blocks",
                "--no_dropout",
                "--load_size",
                "34",
                "--crop_size",
                "32",
                "--max_dataset_size",
                "3",
            ),
        )
    for name, size in ("with", "3"), ("without", "0"):
        run.train("--dataroot", data, "--name", name, *SMALL, *more, "--panel_size", size).ok()
    files = [p.name for p in (run.runs / "with").glob("latest_net_*.pth")]
    for file in files:
        a, b = (
            torch.load(run.runs / name / file, weights_only=True) for name in ("with", "without")
        )
        assert all(torch.equal(a[key], b[key]) for key in a), file
    assert len(files) == (4 if model == "cycle_gan" else 2)
    assert [epoch for epoch, _ in panel(run.runs / "with")] == [1, 2] and not panel(
        run.runs / "without"
    )
    labels = (
        "real_A fake_B rec_A real_B fake_A rec_B"
        if model == "cycle_gan"
        else "real_A fake_B real_B"
    )
    for epoch, rows in panel(run.runs / "with"):
        assert [[figure[0] for figure in figures] for _, figures in rows] == [
            labels.split()
        ] * 3  # not idt_A
        for label, url, width, height in rows[0][1]:
            assert Image.open(run.runs / "with" / "web" / url).size == (width, height)
            assert (
                url
                == f"images/epoch{1 if label.startswith('real') else epoch:03d}_panel0_{label}.png"
            )
    assert panel(run.runs / "with")[0][1][0][0] == panel(run.runs / "with")[1][1][0][0]


def test_which_images(run: Programs, tmp_path: Path) -> None:
    """val before test before train; or those that are given, each in its domain; a file that is missing stops the run."""
    data = tmp_path / "data"
    for folder in ("trainA", "trainB", "testA", "testB"):
        pictures(data / folder, [f"{folder}{i}.png" for i in range(3)])

    def names(*more: object) -> list[str]:
        run.train(
            "--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, "--max_dataset_size", "1", *more
        ).ok()
        return [name for _, rows in panel(run.runs / "x") for name, _ in rows]

    assert names() == [f"testA{i}.png · testB{i}.png" for i in range(3)]
    assert names("--panel_size", "2") == names("--panel_size", "2")
    mine = picture(tmp_path / "mine.png")
    found = names("--panel", mine)
    assert len(found) == 1 and found[0].startswith("mine.png · testB")
    assert names("--panel", data / "trainB" / "trainB1.png", mine) == ["mine.png · trainB1.png"]
    pictures(data / "valA", ["v.png"])
    pictures(data / "valB", ["w.png"])
    assert names() == ["v.png · w.png"]
    run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, "--panel", "no.png").refused(
        1, "--panel", "no.png"
    )


def test_a_model_that_cannot_be_tested(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """It is said once, and the training goes on."""
    (tmp_path / "odd_model.py").write_text(
        "from models.cycle_gan_model import CycleGANModel as Base\n\n\nclass OddModel(Base):\n"
        "    def test(self):\n        raise ZeroDivisionError('odd')\n"
    )
    result = run.train(
        "--dataroot",
        unaligned,
        "--name",
        "x",
        *TINY,
        *ONE_EPOCH,
        "--n_epochs_decay",
        "1",
        "--model",
        tmp_path / "odd_model.py",
    ).ok()
    assert result.err.count("no panel") == 1 and "ZeroDivisionError: odd" in result.err


def page_of(folder: Path, epochs: int) -> TrainingPage:
    (folder / "data").mkdir(exist_ok=True)
    opt = TrainOptions().parse(
        [
            "--dataroot",
            str(folder / "data"),
            "--checkpoints_dir",
            str(folder),
            "--name",
            "x",
            "--gpu_ids",
            "-1",
            "--n_epochs",
            str(epochs),
            "--n_epochs_decay",
            "0",
            "--beta1",
            "0.25",
        ],
        record=False,
    )
    return TrainingPage(opt, folder / "x" / "web")


def epoch_of(page: TrainingPage, epoch: int, steps: int = 100) -> float:
    """Tell the page of an epoch; the seconds that this took, but for the image files."""
    image = np.full((8, 8, 3), epoch % 256, np.uint8)
    start = time.process_time()
    for step in range(1, steps + 1):
        page.scalars(
            epoch,
            step / steps,
            (epoch - 1) * steps + step,
            {"G": step / epoch, "lr": 1e-4, "time": 0.1, "data": 0.0},
        )
    page.images(epoch, {"real": image, "fake": image}, True)
    page.panel(epoch, [("a.png", {"real": image * 0, "fake": image})])
    return time.process_time() - start


def test_300_epochs(tmp_path: Path) -> None:
    """The time of an update stays flat; no file that is written again grows; points are joined."""
    page = page_of(tmp_path, 300)
    times, sizes = [], []
    for epoch in range(1, 301):
        times.append(epoch_of(page, epoch, steps=100 if epoch in (1, 2, 300) else 20))
        sizes.append(
            (
                *((page.folder / file).stat().st_size for file in ("data.js", "index.html")),
                len(json.dumps(page.memory)),
            )
        )
    early, late = min(times[20:60]), min(times[-41:-1])  # which other programs disturb least
    assert late < 1.5 * early, f"{1000 * early:.1f} ms became {1000 * late:.1f} ms"
    grown = np.diff([size for size, _, _ in sizes])[20:-1]
    assert grown.max() < 1.2 * grown.min()
    assert sizes[-1][1] < sizes[20][1] + 100 and sizes[-1][2] < sizes[20][2] + 100
    page.close()
    points = [values[0] for kind, *values in told(tmp_path / "x") if kind == "point"]
    assert [sum(point[0] == epoch for point in points) for epoch in (1, 2, 300)] == [
        100,
        POINTS,
        POINTS,
    ]
    assert points[100][:2] == [2, 0.02] and points[100][4] == pytest.approx(
        (1 + 2) / 2 / 2
    )  # the mean of two
    assert told(tmp_path / "x")[-1][:2] == ["end", "finished"]
    html = (page.folder / "index.html").read_text()
    assert html.count("<h2>Epoch ") == ROWS and html.index("Epoch 300") < html.index(
        "Epoch 299"
    ) < html.index("Epoch 291")
    assert "Epoch 300: G 0.333, lr 0.0001" in html  # where no script runs


@pytest.mark.parametrize("panel", ["2", "0"])
def test_a_finished_run_says_so(run: Programs, unaligned: Path, panel: str) -> None:
    """Also where the last point of the curves lies before the end of the last epoch."""
    run.train(
        "--dataroot",
        unaligned,
        "--name",
        "x",
        *TINY,
        *ONE_EPOCH,
        "--print_freq",
        "3",
        "--panel_size",
        panel,
    ).ok()
    calls = told(run.runs / "x")
    assert [call[1][:2] for call in calls if call[0] == "point"] == [[1, 0.6]] and calls[-1][
        :2
    ] == ["end", "finished"]


def test_resumed(tmp_path: Path) -> None:
    """What was written after the save is cut off, and written once in the end."""
    page = page_of(tmp_path, 4)
    epoch_of(page, 1)
    saved = json.loads(json.dumps({**page.memory, "shown": None})) | {
        "shown": dict(page.memory["shown"])
    }
    epoch_of(page, 2)
    epoch_of(page, 3)
    page.close()
    assert told(tmp_path / "x")[-1][:2] == ["end", "stopped"]
    page = page_of(tmp_path, 4)
    page.memory.update(saved)
    for epoch in range(2, 5):
        epoch_of(page, epoch)
    page.close()
    calls = told(tmp_path / "x")
    shares = [call[1][0] - 1 + call[1][1] for call in calls if call[0] == "point"]
    assert shares == sorted(set(shares)) and shares[-1] == 4
    assert [call[0] for call in calls].count("begin") == 2
    assert [call[1] for call in calls if call[0] == "panel"] == [1, 2, 3, 4] and calls[-1][:2] == [
        "end",
        "finished",
    ]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(tmp_path, 4)
    epoch_of(page, 1)
    before = (page.folder / "data.js").read_bytes()

    class Full:
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
        patch.setattr(Path, "open", lambda self, *args, **more: Full(self))
        with pytest.raises(OSError):
            page.text(1, "x")
    assert (page.folder / "data.js").read_bytes() == before


def test_options_that_differ_come_first(tmp_path: Path) -> None:
    page = page_of(tmp_path, 7)
    page.close()
    first, _, others = (page.folder / "index.html").read_text().rpartition("<summary>")
    assert "<dt>beta1</dt><dd>0.25</dd>" in first and "<dt>n_epochs</dt><dd>7</dd>" in first
    assert "<dt>lr</dt><dd>0.0002</dd>" in others and "beta1" not in others

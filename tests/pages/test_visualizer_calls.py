"""The Visualizer in the training loops of forks, which call it as either generation does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY
from displays import IMAGES, LOSSES, fake, free_port, options, server

from data import create_dataset
from util.sinks.base import read_metrics
from util.visualizer import Visualizer


class Recorder:
    """A display that records its calls."""

    def __init__(self) -> None:
        self.memory: dict = {}
        self.calls: list[tuple] = []

    def images(self, epoch: int, images: dict, save: bool) -> None:
        self.calls.append((epoch, list(images), save))

    def scalars(self, *arguments: object) -> None:
        pass

    text = close = scalars


def places(folder: Path) -> list[tuple]:
    """(epoch, iters, share, total) of each line in metrics.jsonl."""
    keys = ("epoch", "iters", "share", "total")
    return [tuple(entry[key] for key in keys) for entry in read_metrics(folder)]


def test_attributes(unaligned: Path, tmp_path: Path) -> None:
    opt = options(unaligned, tmp_path, "--display_ncols", "3", "--display_winsize", "99")
    visualizer = Visualizer(opt)
    assert (visualizer.name, visualizer.win_size, visualizer.ncols) == ("x", 99, 3)
    assert visualizer.display_id == 0 and visualizer.port == 8097
    assert visualizer.use_html and not visualizer.use_wandb and visualizer.wandb_run is None
    assert visualizer.web_dir == str(tmp_path / "x" / "web")
    assert (visualizer.img_dir / "x.png").parent.is_dir()
    assert visualizer.log_name == str(tmp_path / "x" / "loss_log.txt")
    assert visualizer.current_epoch == 0 and not visualizer.saved
    visualizer.display_current_results(IMAGES, 1, False)
    assert visualizer.saved and (visualizer.img_dir / "epoch001_fake_B.png").is_file()
    visualizer.reset()
    assert not visualizer.saved
    visualizer.print_current_losses(4, 1, LOSSES, 0.1, 0.1)
    assert visualizer.current_epoch == 4
    assert not Visualizer(options(unaligned, tmp_path, "--no_html")).use_html


@pytest.mark.parametrize(
    ("arguments", "keywords", "save"),
    [
        ((3, True), {}, True),
        ((3, False), {}, False),
        ((3,), {"save_result": True}, True),
        ((3, np.bool_(True)), {}, True),
        ((3, 400, True), {}, True),
        ((3, 400), {}, False),
        ((3,), {"total_iters": 1, "save_result": False}, False),
        ((3, 400), {"save_result": True}, True),
    ],
)
def test_arguments_of_images(
    unaligned: Path, tmp_path: Path, arguments: tuple, keywords: dict, save: bool
) -> None:
    visualizer = Visualizer(options(unaligned, tmp_path, "--no_html"))
    visualizer.sinks["x"] = recorder = Recorder()
    visualizer.display_current_results(IMAGES, *arguments, **keywords)
    assert recorder.calls == [(3, list(IMAGES), save)]


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((1, 0.5, LOSSES), {}),
        ((1,), {"counter_ratio": 0.5, "losses": LOSSES}),
        ((2, LOSSES), {}),
        ((2,), {"losses": LOSSES}),
        ((), {"total_iters": 2, "losses": LOSSES}),
        (None, {}),
    ],
)
def test_arguments_of_losses(
    unaligned: Path, tmp_path: Path, arguments: tuple | None, keywords: dict
) -> None:
    """Both forms give the same line, and so does a script that never plots (``None``)."""
    opt = options(unaligned, tmp_path, "--max_dataset_size", "4")
    create_dataset(opt)  # it has 4 images
    visualizer = Visualizer(opt)
    visualizer.print_current_losses(1, 2, LOSSES, 0.1, 0.2)
    if arguments is not None:
        visualizer.plot_current_losses(*arguments, **keywords)
    visualizer.close()
    visualizer.close()  # a script may do so, too
    (entry,) = read_metrics(tmp_path / "x")
    assert entry.pop("logging") >= 0
    place = {"epoch": 1, "iters": 2, "share": 0.5, "total": 2}
    assert entry == place | {"losses": LOSSES, "time": 0.1, "data": 0.2}
    page = (tmp_path / "x/web/data.js").read_text()
    assert page.count('run("point"') == 1 and '"G_A"' in page


def test_places_in_an_epoch_of_unknown_length(unaligned: Path, tmp_path: Path) -> None:
    """Until the first epoch is over the shares only grow; then its length is known."""
    visualizer = Visualizer(options(unaligned, tmp_path))
    for epoch in 1, 2:
        visualizer.reset()
        for iters in 2, 4:
            visualizer.print_current_losses(epoch, iters, LOSSES, 0.1, 0.1)
    visualizer.close()
    first, second, *others = places(tmp_path / "x")
    assert 0 < first[2] < second[2] < 0.1 and (first[3], second[3]) == (2, 4)
    assert others == [(2, 2, 0.5, 6), (2, 4, 1.0, 8)]
    visualizer = Visualizer(options(unaligned, tmp_path))
    visualizer.set_dataset_size(8)
    visualizer.print_current_losses(3, 2, LOSSES, 0.1, 0.1)
    visualizer.plot_current_losses(18, LOSSES)
    assert places(tmp_path / "x") == [(3, 2, 0.25, 18)]


def test_values_of_any_kind_and_a_log_of_its_own(unaligned: Path, tmp_path: Path) -> None:
    visualizer = Visualizer(options(unaligned, tmp_path))
    with open(visualizer.log_name, "a") as log:
        log.write("a line of the script\n")
    losses = {"G": torch.tensor(0.5, requires_grad=True), "D": np.float32(0.25)}
    visualizer.print_current_losses(1, 1, losses, 0.1, 0.1)  # type: ignore[arg-type]
    visualizer.plot_current_losses(1, 1.5, losses)  # type: ignore[arg-type]  # a last, partial batch
    lines = (tmp_path / "x" / "loss_log.txt").read_text().splitlines()
    assert lines[0] == "a line of the script" and lines[2].endswith(") G: 0.500 D: 0.250 ")
    (entry,) = read_metrics(tmp_path / "x")
    assert entry["losses"] == {"G": 0.5, "D": 0.25} and entry["share"] == 1.0
    visualizer.log_name = str(tmp_path / "other.txt")
    visualizer.print_current_losses(1, 2, LOSSES, 0.1, 0.1)
    assert (tmp_path / "other.txt").read_text().startswith("(epoch: 1, iters: 2,")


def test_run_of_wandb(unaligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks log more in the run; it is started once, whoever asks first."""
    wandb, _ = fake(monkeypatch)
    visualizer = Visualizer(options(unaligned, tmp_path, "--use_wandb"))
    visualizer.wandb_run.log({"learning_rate": 0.1}, step=5)
    visualizer.print_current_losses(1, 2, LOSSES, 0.1, 0.1)
    visualizer.plot_current_losses(2, LOSSES)
    visualizer.close()
    assert len(wandb.named("init")) == 1
    assert wandb.named("log")[0] == ("log", {"learning_rate": 0.1}, {"step": 5})
    assert len(wandb.named("log")) == 2 and len(wandb.named("finish")) == 1
    assert "images_per_epoch" not in wandb.named("init")[0][-1]["config"]


def test_visdom_draws_the_losses_only(unaligned: Path, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    with server() as running:
        port = running.server_address[1]
        flags = ("--display_id", "1", "--display_server", "http://127.0.0.1", "--display_port")
        visualizer = Visualizer(options(unaligned, tmp_path, *flags, port))
        visualizer.print_current_losses(1, 2, LOSSES, 0.1, 0.1)
        visualizer.plot_current_losses(1, 0.5, LOSSES)
        visualizer.vis.text("from a fork")
        visualizer.close()
        windows = [post for post in running.got if "data" in post]
        curves = [post for post in windows if post.get("win") == 1]
        legends = [[trace["name"] for trace in post["data"]] for post in curves]
        assert legends == [list(LOSSES)]
        assert any("from a fork" in json.dumps(post) for post in windows)
    lost = Visualizer(options(unaligned, tmp_path, *flags, free_port()))
    with pytest.raises(OSError):
        _ = lost.vis


def test_a_visualizer_for_tests(unaligned: Path, tmp_path: Path) -> None:
    """Some forks log the losses of a test; a test has no page of a training."""
    opt = options(unaligned, tmp_path)
    opt.isTrain = False
    for name in ("no_html", "use_tensorboard", "device", "display_port"):
        delattr(opt, name)
    visualizer = Visualizer(opt)
    visualizer.print_current_losses(1, 1, LOSSES, 0.1, 0.1)
    visualizer.close()
    assert not visualizer.use_html and not (tmp_path / "x" / "web").exists()


SCRIPT = """if True:
    import sys, torch
    from options.train_options import TrainOptions
    from util.visualizer import Visualizer
    visualizer = Visualizer(TrainOptions().parse())
    for epoch in 1, 2:
        visualizer.reset()
        for i in range(2):
            visualizer.display_current_results({"fake": torch.zeros(1, 3, 8, 8)}, epoch, False)
            visualizer.print_current_losses(epoch, i + 1, {"G": 1.0}, 0.1, 0.1)
"""


@pytest.mark.slow
def test_a_script_that_ends_without_close(unaligned: Path, tmp_path: Path) -> None:
    flags = ["--dataroot", str(unaligned), "--name", "x", "--checkpoints_dir", str(tmp_path)]
    flags += [*TINY, "--n_epochs", "2", "--n_epochs_decay", "0"]
    subprocess.run([sys.executable, "-c", SCRIPT, *flags], cwd=ROOT, check=True)
    assert [place[:2] for place in places(tmp_path / "x")] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    page = (tmp_path / "x/web/data.js").read_text().splitlines()
    assert page[-1].startswith('run("end", "finished"')

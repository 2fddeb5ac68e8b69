"""Displays may be absent, slow or broken; training continues, and logs have every line once."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from displays import IMAGES, LOSSES, MORE, Bad, fake, log, options, server

from util.sinks import visdom_sink
from util.sinks.base import END, ThreadedSink, read_metrics
from util.visualizer import Visualizer


@pytest.mark.slow
def test_every_sink_and_none_give_equal_weights(
    run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compares all displays (visdom stops answering) with none, and no package installed."""
    often = ("--print_freq", "1", "--display_freq", "2")

    def train(name: str, *flags: object) -> dict[str, torch.Tensor]:
        run.train("--dataroot", unaligned, "--name", name, *TINY, *often, *ONE_EPOCH, *flags).ok()
        return {
            f"{path.name[7:-4]} {key}": value
            for path in sorted((run.runs / name).glob("latest_net_*.pth"))
            for key, value in torch.load(path).items()
        }

    with monkeypatch.context() as without:
        for package in ("wandb", "tensorboard", "visdom"):
            without.setitem(sys.modules, package, None)
        plain = train("plain", "--no_html")
    wandb, writer = fake(monkeypatch)
    monkeypatch.setattr(visdom_sink, "TIMEOUT", 60)
    with server(silent=True) as silent:
        visdom = ("--display_id", "1", "--display_port", silent.server_port)
        shown = train("shown", "--use_wandb", "--use_tensorboard", *visdom)
    for thread in threading.enumerate():  # its messages must not appear in other tests
        if thread.name == "VisdomSink":
            thread.join(10)
    assert plain.keys() == shown.keys() and len(plain) > 20
    assert all(torch.equal(plain[name], shown[name]) for name in plain)

    logged = [call[1] for call in wandb.named("log")]
    assert [entry["epoch"] for entry in logged if "cycle_A" in entry] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert any(entry.get("fake_B") == (32, 32, 3) for entry in logged)
    assert wandb.calls[-1][0] == "finish"
    scalars = writer.named("add_scalar")
    assert [call[3] for call in scalars if call[1] == "loss/G_A"] == [1, 2, 3, 4, 5]
    assert ("schedule/lr", 0.0002) in [call[1:3] for call in scalars]
    assert {call[1] for call in writer.named("add_image")} >= {"real_A", "fake_B"}
    assert writer.calls[-1][0] == "close"

    entries = read_metrics(run.runs / "shown")
    assert entries.pop() == {"epoch": 1, "note": f"{END}finished"}
    places = [(entry["iters"], entry["total"], entry["share"]) for entry in entries]
    assert places == [(i, i, i / 5) for i in range(1, 6)]
    line = (run.runs / "shown" / "loss_log.txt").read_text().splitlines()[-1]
    losses = [f"{name}: {value:.3f}" for name, value in entries[-1]["losses"].items()]
    assert line.split(") ")[1].split() == " ".join(losses).split()
    assert [e["losses"] for e in entries] == [
        entry["losses"] for entry in read_metrics(run.runs / "plain")[:-1]
    ]


def test_keys_in_groups(unaligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses keep their official keys, and each of our own keys is in a group."""
    wandb, writer = fake(monkeypatch)
    visualizer = Visualizer(options(unaligned, tmp_path, "--use_wandb", "--use_tensorboard"))
    visualizer.print_current_losses(1, 4, LOSSES, 0.1, 0.01)
    visualizer.plot_current_losses(1, 1.0, LOSSES, 4, {**MORE, "change_G_A": 0.5})
    visualizer.plot_current_losses(1, 1.0, {}, 4, {**MORE, "time": 0.7, "val_l1": 9.0})
    visualizer.close()
    steps, validation = (dict(call[1]) for call in wandb.named("log"))
    ours = {"schedule/lr": 0.0002, "time/image": 0.1, "time/data": 0.01, "health/change_G_A": 0.5}
    assert steps.pop("time/logging") >= 0 and validation.pop("time/logging") >= 0
    assert steps == {**LOSSES, **ours, "epoch": 1.0, "images": 4}
    measured = {"schedule/lr": 0.0002, "time/val_image": 0.7, "val/l1": 9.0}
    assert validation == {**measured, "epoch": 1.0, "images": 4}
    shown = {call[1]: call[2] for call in writer.named("add_scalar")}
    assert shown.pop("time/logging") >= 0
    losses = {f"loss/{name}": value for name, value in LOSSES.items()}
    assert shown == {**losses, **ours, **measured}


@pytest.mark.parametrize("package", ["wandb", "tensorboard"])
def test_missing_package(
    run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for module in (package, "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    result = run.train("--dataroot", unaligned, "--name", "x", *TINY, f"--use_{package}")
    result.refused(1, f"--use_{package}", "pip install")
    assert not (run.runs / "x" / "loss_log.txt").exists()


def test_resume_has_every_line_once(
    unaligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines from after the save are written again in both logs; wandb continues the same run."""
    wandb, _ = fake(monkeypatch)
    old = Visualizer(options(unaligned, tmp_path, "--use_wandb"))
    for images in 1, 2:
        log(old, images, 4)
    memory = old.memory()
    log(old, 3, 4)
    old.text(1, "a warning from after the save")
    old.close()
    (tmp_path / "x" / "state.pth").touch()
    (tmp_path / "x" / "train_opt.json").write_text("{}")
    new = Visualizer(options(unaligned, tmp_path, "--use_wandb", "--continue_train"))
    new.restore(memory)
    for images in 3, 4:
        log(new, images, 4)
    new.text(1, "collapse?")
    new.close()
    entries = read_metrics(tmp_path / "x")
    assert [entry.get("total", entry.get("note")) for entry in entries] == [1, 2, 3, 4, "collapse?"]
    lines = (tmp_path / "x" / "loss_log.txt").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == [f" iters: {i}" for i in range(1, 5)]
    starts = wandb.named("init")
    assert len(starts) == 2 and starts[0][-1]["id"] == starts[1][-1]["id"]
    again = Visualizer(options(unaligned, tmp_path))  # a new run in the same folder
    log(again, 1, 4)
    assert len(read_metrics(tmp_path / "x")) == 1  # lines of the old run do not count


def test_official_calls_are_logged_too(unaligned: Path, tmp_path: Path) -> None:
    """Scripts with a training loop of their own pass no total; NaN becomes null in JSON."""
    visualizer = Visualizer(options(unaligned, tmp_path))
    visualizer.print_current_losses(2, 3, {"G": float("nan")}, 0.1, 0.2)
    visualizer.plot_current_losses(2, 0.5, {"G": float("nan")})
    visualizer.close()
    entry = read_metrics(tmp_path / "x")[0]
    assert entry.pop("logging") >= 0
    expected = {"epoch": 2, "iters": 3, "share": 0.5, "total": 9, "losses": {"G": None}}
    assert entry == {**expected, "time": 0.1, "data": 0.2}


@pytest.mark.parametrize("threaded", [False, True])
def test_failing_sink_is_reported_once_and_dropped(
    unaligned: Path, tmp_path: Path, capsys: pytest.CaptureFixture, threaded: bool
) -> None:
    visualizer = Visualizer(options(unaligned, tmp_path))
    bad = Bad(OSError("no space left"))
    visualizer.sinks["bad"] = ThreadedSink(bad) if threaded else bad
    for images in range(1, 6):
        log(visualizer, images, 5)
        visualizer.display_current_results(IMAGES, 1, True)
        time.sleep(0.01)
    visualizer.close()
    assert bad.calls == 1
    message = "bad failed and is not used again in this run: no space left"
    assert capsys.readouterr().err.count(message) == 1
    assert len(read_metrics(tmp_path / "x")) == 5
    assert visualizer.memory()["bad"] == {}


def test_slow_sink_does_not_slow_the_training(
    unaligned: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    visualizer = Visualizer(options(unaligned, tmp_path, "--no_html"))
    bad = Bad()
    visualizer.sinks["bad"] = slow = ThreadedSink(bad, length=4)
    start = time.monotonic()
    for images in range(1, 51):
        log(visualizer, images, 50)
    assert time.monotonic() - start < 1
    assert slow.queue.qsize() == 4
    visualizer.close()
    assert time.monotonic() - start < 4
    assert bad.calls == 1
    assert "bad was slower than the training: 50 of its reports" in capsys.readouterr().err


def test_the_queue_keeps_the_order_of_calls() -> None:
    class Recording(Bad):
        def scalars(self, *arguments: object) -> None:
            calls.append(arguments)

        images = text = close = scalars

    calls: list[tuple] = []
    sink = ThreadedSink(Recording(), length=100)
    for i in range(50):
        sink.scalars(1, i / 50, i, {**LOSSES, **MORE})
        sink.text(1, str(i))
    sink.close()
    assert [call[-1] for call in calls[1:-1:2]] == [str(i) for i in range(50)]
    assert [call[2] for call in calls[:-1:2]] == list(range(50)) and calls[-1] == ()

"""visdom: absent, silent and lost servers, and a real one that shows images and curves."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from displays import IMAGES, LOSSES, MORE, deaf, free_port, log, options, server

from util.sinks import visdom_sink
from util.sinks.base import ThreadedSink
from util.sinks.visdom_sink import VisdomSink
from util.visualizer import Visualizer


def visdom_options(data: Path, folder: Path, port: int, *flags: object, number: int = 1):
    address = ("--display_server", "127.0.0.1", "--display_port", port)
    return options(data, folder, "--display_id", number, *address, *flags)


@pytest.mark.parametrize(
    ("server_name", "silent"),
    [("127.0.0.1", False), ("no-such-host.invalid", False), ("127.0.0.1", True)],
    ids=["closed port", "unknown host", "silent server"],
)
def test_no_server_is_reported_once(
    unaligned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    server_name: str,
    silent: bool,
) -> None:
    monkeypatch.setattr(visdom_sink, "TIMEOUT", 0.5)
    monkeypatch.setattr(visdom_sink, "PAUSE", 0)
    if silent:
        pytest.importorskip("visdom")
    with deaf() as port:
        opt = visdom_options(unaligned, tmp_path, port if silent else free_port())
        opt.display_server = server_name
        sink = VisdomSink(opt, tmp_path)
        for images in 1, 2:
            sink.scalars(1, images / 2, images, {**LOSSES, **MORE})
    assert capsys.readouterr().out.count("it is tried again during the run") == 1


@pytest.mark.parametrize("case", ["closed port", "silent server", "unknown host"])
def test_a_training_does_not_wait_for_a_server(unaligned: Path, tmp_path: Path, case: str) -> None:
    """The requests are made by a thread, which the process does not wait for at its end."""
    with deaf() as silent:
        port = silent if case == "silent server" else free_port()
        opt = visdom_options(unaligned, tmp_path, port)
        if case == "unknown host":
            opt.display_server = "no-such-host.invalid"
        start = time.monotonic()
        visualizer = Visualizer(opt)
        for images in 1, 2:
            log(visualizer, images, 2)
            visualizer.display_current_results(IMAGES, 1, True)
        assert time.monotonic() - start < 1.5
        assert isinstance(visualizer.sinks["visdom"], ThreadedSink)


def test_without_the_package(
    unaligned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """If a server answers but the package is missing, one line names the package."""
    monkeypatch.setitem(sys.modules, "visdom", None)
    with server() as running:
        visualizer = Visualizer(visdom_options(unaligned, tmp_path, running.server_port))
        log(visualizer, 1, 2)
        visualizer.close()
    assert capsys.readouterr().err.count("visdom failed and is not used again") == 1


def test_a_lost_server_is_shown_everything_when_it_is_back(
    unaligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The curve begins before a resume, too; the loss of the server is reported once."""
    pytest.importorskip("visdom")
    monkeypatch.setattr(visdom_sink, "PAUSE", 0)
    port = free_port()
    opt = visdom_options(unaligned, tmp_path, port, number=3)
    log(Visualizer(options(unaligned, tmp_path)), 1, 4)  # before the resume, without visdom
    images = {label: np.zeros((8, 8, 3), np.uint8) for label in IMAGES}
    windows = [3, 4, 5, "3_notes"]
    with server(port) as first:
        sink = VisdomSink(opt, tmp_path / "x")
        sink.scalars(1, 0.5, 2, {**LOSSES, **MORE})
        sink.images(1, images, True)
        sink.text(1, "1 < 2")
        assert [post["win"] for post in first.got] == windows
        curves = first.got[0]["data"]
        assert [curve["x"] for curve in curves] == [[0.25, 0.5]] * 2
        assert [curve["name"] for curve in curves] == ["D_A", "G_A"]
    sink.scalars(1, 0.75, 3, {**LOSSES, **MORE})
    sink.images(1, images, True)
    assert capsys.readouterr().out.count("it is tried again during the run") == 1
    with server(port) as second:
        sink.scalars(1, 1.0, 4, {**LOSSES, **MORE})
        assert [post["win"] for post in second.got] == windows
        assert second.got[0]["data"][0]["x"] == [0.25, 0.5, 0.75, 1.0]
        assert second.got[-1]["data"][0]["content"] == "<p>Epoch 1: 1 &lt; 2</p>"


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A visdom server in its own process; its start-up, which downloads files, is left out."""
    port, folder = free_port(), str(tmp_path_factory.mktemp("visdom"))
    code = "from visdom.server.run_server import start_server; start_server("
    code += f"port={port}, hostname='127.0.0.1', base_url='', env_path={folder!r})"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], **quiet) as process:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield port
        finally:
            process.kill()


@pytest.mark.parametrize("columns", [4, 0])
def test_real_server_shows_images_and_curves(
    unaligned: Path, tmp_path: Path, real_server: int, columns: int
) -> None:
    pytest.importorskip("visdom")
    flags = ("--display_env", f"e{columns}", "--display_ncols", columns)
    opt = visdom_options(unaligned, tmp_path, real_server, *flags)
    opt.display_server = "http://127.0.0.1"
    visualizer = Visualizer(opt)
    assert isinstance(visualizer.sinks["visdom"], ThreadedSink)
    for images in 1, 2:
        log(visualizer, images, 2)
        visualizer.display_current_results(IMAGES, 1, True)
    visualizer.close()
    windows = json.loads(visdom_sink.connect(opt).get_window_data())
    titles = {int(key): window["title"] for key, window in windows.items()}
    if columns:
        assert titles == {1: "x loss over time", 2: "x images", 3: "x labels"}
    else:
        assert titles == {1: "x loss over time", 2: "x real_A", 3: "x fake_B"}
    assert [curve["y"] for curve in windows["1"]["content"]["data"]] == [[0.5, 0.5], [1.5, 1.5]]
    assert windows["2"]["type"] == "image"
    assert windows["2"]["content"]["src"].startswith("data:image")

"""Live display in visdom: a server may be absent, deaf, dying or back; a real one shows images and curves."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from displays import IMAGES, LOSSES, MORE, deaf, free_port, options, server

from util.sinks import visdom_sink
from util.sinks.base import ThreadedSink
from util.sinks.visdom_sink import VisdomSink, answers
from util.visualizer import Visualizer

needs_visdom = pytest.mark.skipif(
    importlib.util.find_spec("visdom") is None, reason="visdom is not installed"
)


def test_no_answer_is_one_line(
    unaligned: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A closed port, one that accepts and never answers, a name that nobody has: within a second each."""
    with deaf() as port:
        for flags in (
            (free_port(),),
            (port,),
            (port, "--display_server", "no-such-host.invalid"),
            (99999,),
        ):
            start = time.monotonic()
            assert not answers(
                options(unaligned, tmp_path, "--display_id", "1", "--display_port", *flags)
            )
            assert time.monotonic() - start < 1.5
    assert capsys.readouterr().out.count("visdom") == 4


@needs_visdom
def test_server_that_dies_and_comes_back(
    unaligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """It is told about once; a server that is new to the run is shown everything, from before a resume too."""
    monkeypatch.setattr(visdom_sink, "PAUSE", 0)
    port = free_port()
    opt = options(
        unaligned,
        tmp_path,
        "--display_id",
        "3",
        "--display_server",
        "127.0.0.1",
        "--display_port",
        port,
    )
    log = Visualizer(opt)  # without visdom, for nobody answers yet
    assert "visdom" not in log.sinks
    log.scalars(1, 1, 4, 1, LOSSES, MORE)
    images = {label: np.zeros((8, 8, 3), np.uint8) for label in IMAGES}
    with server(port) as first:
        assert answers(opt)
        sink = VisdomSink(opt, tmp_path / "x")
        sink.scalars(1, 0.5, 2, {**LOSSES, **MORE})
        sink.images(1, images, True)
        sink.text(1, "1 < 2")
        assert [post.get("win") for post in first.got if "data" in post] == [3, 4, 5, "3_notes"]
        curves = first.got[0]["data"]
        assert [trace["x"] for trace in curves] == [[0.25, 0.5]] * 2 and [
            trace["name"] for trace in curves
        ] == ["D_A", "G_A"]
    sink.scalars(1, 0.75, 3, {**LOSSES, **MORE})
    sink.images(1, images, True)
    assert capsys.readouterr().err.count("visdom does not answer any more") == 1
    with server(port) as second:
        sink.scalars(1, 1.0, 4, {**LOSSES, **MORE})
        assert [post.get("win") for post in second.got if "data" in post] == [3, 4, 5, "3_notes"]
        assert second.got[0]["data"][0]["x"] == [0.25, 0.5, 0.75, 1.0]
        assert second.got[-1]["data"][0]["content"] == "<p>Epoch 1: 1 &lt; 2</p>"


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A visdom server of a process of its own, without the start-up that fetches files for browsers."""
    port = free_port()
    code = f"start_server(port={port}, hostname='127.0.0.1', base_url='', env_path={str(tmp_path_factory.mktemp('visdom'))!r})"
    with subprocess.Popen(
        [sys.executable, "-c", f"from visdom.server.run_server import start_server; {code}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield port
        finally:
            process.kill()


@needs_visdom
@pytest.mark.parametrize("columns", [4, 0])
def test_real_server_shows_images_and_curves(
    unaligned: Path, tmp_path: Path, real_server: int, columns: int
) -> None:
    opt = options(
        unaligned,
        tmp_path,
        "--display_id",
        "1",
        "--display_server",
        "http://127.0.0.1",
        "--display_port",
        real_server,
        "--display_env",
        f"e{columns}",
        "--display_ncols",
        columns,
    )
    visualizer = Visualizer(opt)
    assert isinstance(visualizer.sinks.get("visdom"), ThreadedSink)
    for i in 1, 2:
        visualizer.scalars(1, i, 2, i, LOSSES, MORE)
        visualizer.display_current_results(IMAGES, 1, True)
    visualizer.close()
    windows = json.loads(visdom_sink.connect(opt).get_window_data())
    titles = (
        {1: "x loss over time", 2: "x images", 3: "x labels"}
        if columns
        else {1: "x loss over time", 2: "x real_A", 3: "x fake_B"}
    )
    assert {int(key): window["title"] for key, window in windows.items()} == titles
    assert [trace["y"] for trace in windows["1"]["content"]["data"]] == [[0.5, 0.5], [1.5, 1.5]]
    assert windows["2"]["type"] == "image" and windows["2"]["content"]["src"].startswith(
        "data:image"
    )

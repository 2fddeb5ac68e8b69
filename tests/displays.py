"""Shared by the tests of displays: numbers and images to show, and fake servers and packages."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import sys
import threading
import time
import types
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import TINY

from options.train_options import TrainOptions
from util.visualizer import Visualizer

LOSSES = {"D_A": 0.5, "G_A": 1.5}
MORE = {"lr": 0.0002, "time": 0.1, "data": 0.01}
IMAGES = {"real_A": torch.zeros(1, 3, 8, 8), "fake_B": torch.ones(1, 3, 8, 8)}


def options(data: Path, folder: Path, *flags: object) -> Namespace:
    args = ["--dataroot", data, "--name", "x", *TINY, "--checkpoints_dir", folder, *flags]
    return TrainOptions().parse([str(arg) for arg in args], record=False)


def log(visualizer: Visualizer, images: int, size: int) -> None:
    """Print and plot the losses after ``images`` of the ``size`` images of the first epoch."""
    visualizer.print_current_losses(1, images, LOSSES, MORE["time"], MORE["data"])
    visualizer.plot_current_losses(1, images / size, LOSSES, images, MORE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(port: int = 0, silent: bool = False) -> Iterator[http.server.ThreadingHTTPServer]:
    """Run a server that speaks enough HTTP for the client of visdom.

    Args:
        silent: leave POST requests unanswered.

    Yields:
        The server; its ``got`` lists what was posted.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(b"ok")

        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if silent:
                held.wait(30)
            self.answer(b"1")

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    got: list[dict] = []
    held = threading.Event()
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as running:
        running.got = got  # type: ignore[attr-defined]
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            held.set()
            running.shutdown()


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """Yields a port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


class Recorder:
    """Stands in for the packages wandb and tensorboard; records every call."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.run = None
        self.Image = lambda image, caption: image.shape

    def __getattr__(self, name: str) -> Callable:
        return lambda *args, **options: self.calls.append((name, *args, options)) or self

    def named(self, name: str) -> list[tuple]:
        return [call for call in self.calls if call[0] == name]


def fake(monkeypatch: pytest.MonkeyPatch) -> tuple[Recorder, Recorder]:
    """Install fake packages; returns wandb and the writer of tensorboard."""
    wandb, writer = Recorder(), Recorder()
    monkeypatch.setitem(sys.modules, "wandb", wandb)  # type: ignore[misc]
    tensorboard = types.ModuleType("torch.utils.tensorboard")
    vars(tensorboard)["SummaryWriter"] = writer.SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", tensorboard)
    return wandb, writer


class Bad:
    """A sink whose calls raise ``error``; without one they take a minute."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.memory, self.calls = error, {}, 0

    def scalars(self, *arguments: object) -> None:
        self.calls += 1
        if self.error:
            raise self.error
        time.sleep(60)

    images = text = close = scalars

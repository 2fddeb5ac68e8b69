"""Live display in a visdom server, if one answers: the official windows."""

from __future__ import annotations

import html
import logging
import socket
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from util.console import say
from util.sinks.base import losses_of, read_metrics

TIMEOUT = 10.0  # seconds a server may take to answer a request
PAUSE = 15.0  # seconds until a server that did not answer is tried again
POINTS = 2000  # maximum number of points drawn per curve


class VisdomSink:
    """Draws the official windows; its methods may block, so it is meant for a thread.

    Losses are drawn in window ``display_id``, images in the next one and their labels in the one
    after that. A server that does not answer is tried again later, and then gets everything.
    """

    def __init__(self, opt: Namespace, folder: Path) -> None:
        self.opt, self.folder = opt, folder
        self.memory: dict = {}  # empty, because the curves are also in metrics.jsonl
        self.server: Any = None
        self.retry_at = 0.0  # time.monotonic() before which a silent server is not tried again
        self.warned = False
        self.points: list[tuple[float, dict[str, float]]] = []  # epochs done, losses
        self.pictures: dict[str, np.ndarray] = {}
        self.notes: list[str] = []

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        losses = losses_of(values)
        if not losses:  # validation measurements: not part of the official windows
            return
        if not self.points and total:
            self.points = [
                (entry["epoch"] - 1 + entry["share"], entry["losses"])
                for entry in read_metrics(self.folder)
                if entry.get("losses") and entry["total"] < total
            ]
        self.points.append((epoch - 1 + share, losses))
        self._show(self._draw_curves)

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        self.pictures = images
        self._show(self._draw_images)

    def text(self, epoch: int, message: str) -> None:
        self.notes.append(f"<p>{f'Epoch {epoch}: ' * bool(epoch)}{html.escape(message)}</p>")
        self._show(self._draw_notes)

    def close(self) -> None:
        pass

    def _show(self, *windows: Callable[[], None]) -> None:
        """Draw the windows if the server answers, all windows if this is a new connection."""
        if time.monotonic() < self.retry_at:
            return
        try:
            if self.server is None:
                self.server = connect(self.opt)
                windows = (self._draw_curves, self._draw_images, self._draw_notes)
            for draw in windows:
                draw()
        except OSError as error:
            self.server, self.retry_at = None, time.monotonic() + PAUSE
            if not self.warned:
                address = f"{self.opt.display_server}:{self.opt.display_port}"
                reason = f"{error.strerror or error}; it is tried again during the run"
                say(f"visdom at {address}: {reason} (--display_id 0 turns it off)")
            self.warned = True

    def _opts(self, title: str, **more: Any) -> dict[str, Any]:
        return {"title": f"{self.opt.name} {title}", **more}

    def _draw_curves(self) -> None:
        if self.points:
            points = self.points[:: 1 + len(self.points) // POINTS]
            points += self.points[-1:] if points[-1] is not self.points[-1] else []
            names = list(points[-1][1])
            x = np.array([epoch for epoch, _ in points])
            y = np.array([[losses.get(name) for name in names] for _, losses in points], float)
            opts = self._opts("loss over time", legend=names, xlabel="epoch", ylabel="loss")
            self.server.line(X=x, Y=y, opts=opts, win=self.opt.display_id)

    def _draw_images(self) -> None:
        first, count = self.opt.display_id, self.opt.display_ncols
        pictures = [Image.fromarray(image).convert("RGB") for image in self.pictures.values()]
        arrays = [np.asarray(picture).transpose(2, 0, 1) for picture in pictures]
        if count == 0 or len({array.shape for array in arrays}) > 1:
            for i, (label, array) in enumerate(zip(self.pictures, arrays, strict=True), 1):
                self.server.image(array, opts=self._opts(label), win=first + i)
        elif arrays:
            labels = "".join(
                f"{'' if i % count else '<tr>'}<td>{html.escape(label)}</td>"
                for i, label in enumerate(self.pictures)
            )
            nrow, opts = min(count, len(arrays)), self._opts("labels")
            self.server.images(np.stack(arrays), nrow, opts=self._opts("images"), win=first + 1)
            self.server.text(f"<table>{labels}</table>", win=first + 2, opts=opts)

    def _draw_notes(self) -> None:
        if self.notes:
            win = f"{self.opt.display_id}_notes"
            self.server.text("".join(self.notes), win=win, opts=self._opts("notes"))


def connect(opt: Namespace) -> Any:
    """Returns a client whose requests raise OSError unless the server answers in time.

    Raises:
        OSError: no server answers.
        ImportError: one does, but the package visdom is not installed.
    """
    server, port = opt.display_server, opt.display_port
    host = urlsplit(server if "//" in server else f"//{server}").hostname
    socket.create_connection((host, port), timeout=TIMEOUT).close()
    import requests  # only now, because most trainings run without a server
    import visdom

    class TimeLimit(requests.adapters.HTTPAdapter):
        def send(self, request, **options):  # type: ignore[override]
            answer = super().send(request, **options | {"timeout": TIMEOUT})
            answer.raise_for_status()
            return answer

    logging.getLogger("visdom").setLevel(logging.ERROR)  # it logs sessions and sockets
    # send=False: no request before the time limit is set. The incoming socket would only report
    # clicks, and its thread can hang.
    options: dict[str, Any] = {"raise_exceptions": True, "use_incoming_socket": False}
    client: Any = visdom.Visdom(server, port=port, env=opt.display_env, send=False, **options)
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, TimeLimit())
    client.send = True
    return client

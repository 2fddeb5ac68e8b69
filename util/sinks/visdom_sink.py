"""Live display in a visdom server: the official windows, drawn again whenever a server that was away answers."""

from __future__ import annotations

import contextlib
import html
import importlib.util
import logging
import threading
import time
import urllib.error
import urllib.request
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from util.console import say, warn
from util.sinks.base import losses_of, read_metrics

TIMEOUT = 10.0  # seconds that a server may take over one request
PAUSE = 15.0  # seconds until one that did not answer is tried again
POINTS = 2000  # at most so many are drawn of a curve


def answers(opt: Namespace) -> bool:
    """Whether a server answers within a second; if not, one line says so."""
    address = f"{opt.display_server if '//' in opt.display_server else f'http://{opt.display_server}'}:{opt.display_port}"
    found: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # nobody there, no such host, no HTTP
            with contextlib.suppress(
                urllib.error.HTTPError
            ):  # it wants a login, say; that is an answer
                urllib.request.urlopen(address, timeout=1).close()
            found.append(True)

    missing = importlib.util.find_spec("visdom") is None
    thread = threading.Thread(
        target=ask, daemon=True
    )  # for looking up a name may take longer than any time limit
    if not missing:
        thread.start()
        thread.join(1)
    if not found:
        shown = "see metrics.jsonl" if opt.no_html else "the page web/index.html shows the run"
        say(
            f"{'visdom is not installed' if missing else f'No visdom server answers at {address}'}; {shown} "
            "(--display_id 0 silences this)"
        )
    return bool(found)


class VisdomSink:
    """Official windows: losses in ``display_id``, images in the next one, their labels in the one after. Works in a thread."""

    def __init__(self, opt: Namespace, folder: Path) -> None:
        self.opt, self.folder = opt, folder
        self.memory: dict = {}  # the curve is in metrics.jsonl
        self.server: Any = None
        self.again, self.told = (
            0.0,
            False,
        )  # when to try again; whether it was said that there is no answer
        self.points: list[tuple[float, dict[str, float]]] = []
        self.pictures: dict[str, np.ndarray] = {}
        self.notes: list[str] = []

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        losses = losses_of(values)
        if not losses:  # other measures
            return
        if not self.points and total:
            self.points = [
                (entry["epoch"] - 1 + entry["share"], entry["losses"])
                for entry in read_metrics(self.folder)
                if entry.get("total", total) < total
            ]
        self.points.append((epoch - 1 + share, losses))
        self._show(self._draw_curves)

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        self.pictures = images
        self._show(self._draw_images)

    def text(self, epoch: int, message: str) -> None:
        self.notes.append(f"<p>Epoch {epoch}: {html.escape(message)}</p>")
        self._show(self._draw_notes)

    def close(self) -> None:
        pass

    def _show(self, draw: Callable[[], None]) -> None:
        """Draw, if the server answers; one that was away gets everything."""
        if time.monotonic() < self.again:
            return
        try:
            if self.server is None:
                self.server = connect(self.opt)
                self._draw_curves()
                self._draw_images()
                self._draw_notes()
            else:
                draw()
        except OSError as error:
            self.server, self.again = None, time.monotonic() + PAUSE
            if not self.told:
                warn(
                    f"visdom does not answer any more ({error}); the run goes on, and shows there again when it does"
                )
            self.told = True

    def _draw_curves(self) -> None:
        if not self.points:
            return
        points = self.points[:: 1 + len(self.points) // POINTS]
        points += self.points[-1:] if points[-1] is not self.points[-1] else []
        names = list(points[-1][1])
        x = np.array([point[0] for point in points])
        y = np.array([[losses.get(name, np.nan) for name in names] for _, losses in points], float)
        opts = {
            "title": f"{self.opt.name} loss over time",
            "legend": names,
            "xlabel": "epoch",
            "ylabel": "loss",
        }
        if len(names) == 1:
            self.server.line(X=x, Y=y[:, 0], opts=opts, win=self.opt.display_id)
        elif names:
            self.server.line(
                X=np.stack([x] * len(names), 1), Y=y, opts=opts, win=self.opt.display_id
            )

    def _draw_images(self) -> None:
        first, name = self.opt.display_id, self.opt.name
        arrays = [
            np.asarray(Image.fromarray(image).convert("RGB")).transpose(2, 0, 1)
            for image in self.pictures.values()
        ]
        if self.opt.display_ncols == 0 or len({array.shape for array in arrays}) > 1:
            for i, (label, array) in enumerate(zip(self.pictures, arrays, strict=True), 1):
                self.server.image(array, opts={"title": f"{name} {label}"}, win=first + i)
        elif arrays:
            columns = min(self.opt.display_ncols, len(arrays))
            labels = "".join(
                f"{'<tr>' if i % columns == 0 else ''}<td>{html.escape(label)}</td>"
                for i, label in enumerate(self.pictures)
            )
            self.server.images(
                np.stack(arrays),
                nrow=columns,
                padding=2,
                win=first + 1,
                opts={"title": f"{name} images"},
            )
            self.server.text(
                f"<table>{labels}</table>", win=first + 2, opts={"title": f"{name} labels"}
            )

    def _draw_notes(self) -> None:
        if self.notes:
            self.server.text(
                "".join(self.notes),
                win=f"{self.opt.display_id}_notes",
                opts={"title": f"{self.opt.name} notes"},
            )


def connect(opt: Namespace) -> Any:
    """A client that waits for an answer for a limited time only. Raises OSError: no visdom server answers."""
    visdom: Any = importlib.import_module("visdom")
    logging.getLogger("visdom").setLevel(logging.ERROR)  # it speaks of sessions and sockets

    class Client(visdom.Visdom):
        def _handle_post(self, url: str, data: Any = None) -> str:
            answer = self.session.post(url, data=data or {}, timeout=TIMEOUT)
            answer.raise_for_status()
            return answer.text

    # the incoming socket would only tell of clicks, and its thread can hang
    return Client(
        server=opt.display_server,
        port=opt.display_port,
        env=opt.display_env,
        raise_exceptions=True,
        use_incoming_socket=False,
    )

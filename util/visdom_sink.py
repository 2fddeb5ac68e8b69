"""Live display in a visdom server, if one answers. Nothing here can stop or slow the training."""
from __future__ import annotations

import html
import queue
import socket
import threading
from argparse import Namespace
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from util.console import say, warn


def connect(opt: Namespace) -> list[VisdomSink]:
    """One sink if a server accepts a connection within a second, else none and one line that says so."""
    host = urlsplit(opt.display_server).hostname or "localhost"
    try:
        socket.create_connection((host, opt.display_port), timeout=1).close()
        import visdom  # noqa: F401
    except OSError:
        say(f"No visdom server at {opt.display_server}:{opt.display_port}; the page web/index.html shows the run "
            "(--display_id 0 silences this)")
    except ImportError:
        say("visdom is not installed; the page web/index.html shows the run")
    else:
        return [VisdomSink(opt)]
    return []


class VisdomSink:
    """Official windows: losses in ``display_id``, images in the next one. Works in a thread behind a short queue."""

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        self.memory: dict = {"points": []}  # (epoch, losses)
        self.queue: queue.Queue[Callable] = queue.Queue(maxsize=8)
        self.thread = threading.Thread(target=self._work, daemon=True, name="visdom")
        self.thread.start()

    def _work(self) -> None:
        try:
            import visdom
            server = visdom.Visdom(server=self.opt.display_server, port=self.opt.display_port, env=self.opt.display_env,
                                   raise_exceptions=True, use_incoming_socket=False)
            while True:
                self.queue.get()(server)
                self.queue.task_done()
        except Exception as error:  # whatever it is, the training goes on
            self.queue.maxsize = -1  # full from now on: everything is dropped
            warn(f"visdom dropped for this run: {type(error).__name__}: {str(error)[:120]}")

    def _send(self, job: Callable) -> None:
        try:
            if self.thread.is_alive():
                self.queue.put_nowait(job)
        except queue.Full:  # the server is slower than the training: this update is left out
            pass

    def losses(self, epoch: int, share: float, losses: dict[str, float]) -> None:
        points = self.memory["points"]
        points.append((epoch - 1 + share, list(losses.values())))
        x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
        names = list(losses)
        opts = {"title": f"{self.opt.name} loss over time", "legend": names, "xlabel": "epoch", "ylabel": "loss"}
        x = np.stack([x] * len(names), 1) if len(names) > 1 else x
        self._send(lambda server: server.line(X=x, Y=y if len(names) > 1 else y[:, 0], opts=opts, win=self.opt.display_id))

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        first, name = self.opt.display_id, self.opt.name
        arrays = [np.asarray(Image.fromarray(image).convert("RGB")).transpose(2, 0, 1) for image in images.values()]
        if self.opt.display_ncols == 0 or len({array.shape for array in arrays}) > 1:
            for i, (label, array) in enumerate(zip(images, arrays, strict=True), 1):
                self._send(lambda server, i=i, label=label, array=array: server.image(
                    array, opts={"title": f"{name} {label}"}, win=first + i))
            return
        columns = min(self.opt.display_ncols, len(arrays))
        labels = "".join(f"{'<tr>' if i % columns == 0 else ''}<td>{html.escape(label)}</td>" for i, label in enumerate(images))
        self._send(lambda server: server.images(np.stack(arrays), nrow=columns, padding=2, win=first + 1,
                                                opts={"title": f"{name} images"}))
        self._send(lambda server: server.text(f"<table>{labels}</table>", win=first + 2, opts={"title": f"{name} labels"}))

    def close(self) -> None:
        """Give what is queued two seconds."""
        done = threading.Thread(target=self.queue.join, daemon=True)
        done.start()
        done.join(timeout=2)

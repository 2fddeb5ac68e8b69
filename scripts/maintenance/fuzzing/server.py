"""A small host of archives and weights for the download programs."""

from __future__ import annotations

import os
import socket
import tarfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATASET = "cyclegan/datasets/facades.zip"
PAIRS = "pix2pix/datasets/maps.tar.gz"
MODEL = "cyclegan/pretrained_models/horse2zebra.pth"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def make_files(www: Path, images: Path, weights: Path) -> None:
    """Write the archives of ``images`` and a copy of ``weights`` below ``www``."""
    for name in (DATASET, PAIRS, MODEL):
        (www / name).parent.mkdir(parents=True, exist_ok=True)
    (www / MODEL).write_bytes(weights.read_bytes())
    with zipfile.ZipFile(www / DATASET, "w") as archive:
        for path in sorted((images / "two").rglob("*.png")):
            archive.write(path, f"facades/{path.relative_to(images / 'two')}")
    with tarfile.open(www / PAIRS, "w:gz") as tar:
        for path in sorted((images / "AB").rglob("*.png")):
            tar.add(path, f"maps/{path.relative_to(images / 'AB')}")


def serve(www: Path) -> tuple[int, int]:
    """Serve ``www`` in a process of its own; returns its port and process ID."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    pid = os.fork()
    if pid:
        listener.close()
        return port, pid
    server = ThreadingHTTPServer(
        ("127.0.0.1", port), partial(Quiet, directory=str(www)), bind_and_activate=False
    )
    server.socket.close()
    server.socket = listener
    try:
        server.serve_forever()
    finally:
        os._exit(0)

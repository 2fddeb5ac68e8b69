"""A web server in a thread that can be slow, close connections, stall or send wrong responses."""

from __future__ import annotations

import contextlib
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``files``; each request gets the next of ``faults``, as long as there are any.

    Faults: a status code, ``no ranges``, ``page`` (text/html), ``bad length``, ``cut``,
    ``slow``, ``stall``, ``drip`` (a byte at a time), ``redirect`` (to itself), ``ftp`` (a redirect
    to another kind of server), ``endless`` (no length, and no end), ``huge`` (a length of 100 TB),
    ``digits`` (a length of 5000 digits).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.ranges: list[str | None] = []  # the header of each request
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        fault = self.server.faults.pop(0) if self.server.faults else ""
        requested = self.headers.get("Range")
        self.server.ranges.append(requested)
        body = self.server.files.get(self.path)
        if body is None or fault in ("404", "503"):
            return self.send_error(int(fault or 404))
        if fault in ("redirect", "ftp"):
            self.send_response(302)
            if fault == "redirect":
                self.server.faults.insert(0, fault)
            self.send_header("Location", self.path if fault == "redirect" else "ftp://127.0.0.1/x")
            return self.end_headers()
        start = (
            int(requested.removeprefix("bytes=").rstrip("-"))
            if requested and fault != "no ranges"
            else 0
        )
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Type", "text/html" if fault == "page" else "application/zip")
        lengths = {"bad length": "many", "huge": "1" + "0" * 14, "digits": "9" * 5000}
        if fault != "endless":
            self.send_header("Content-Length", lengths.get(fault, str(len(body) - start)))
        self.end_headers()
        return self.send(body[start:], fault)

    def send(self, body: bytes, fault: str) -> None:
        if fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault in ("slow", "stall"):
            for i in range(0, len(body), 20_000):
                self.wfile.write(body[i : i + 20_000])
                self.wfile.flush()
                time.sleep(0.05 if fault == "slow" else 0.6)
        elif fault == "drip":
            for i in range(30):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                time.sleep(0.03)
        elif fault == "endless":
            with contextlib.suppress(ConnectionError):
                while True:
                    self.wfile.write(body)
        else:
            self.wfile.write(body)

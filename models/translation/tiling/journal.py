"""How far the translation of an image has come, in a file from which another process resumes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from models.translation.tiling.statistics import Moments
from util.console import say
from util.errors import UserError
from util.files import read_json, write_atomically
from util.modules import digest

INTERVAL = 20.0  # seconds between two saves
RECORD = [object]
KIND = {
    "key": str,
    "known": {str: {str: RECORD}},
    "partial": {str: RECORD},
    "written": int,
    "check": str,  # the checksum of the others: no image is made from damaged statistics
}


class Journal:
    """Statistics that are known so far and tiles that are written.

    Attributes:
        known: name of a set of tiles -> step of a norm -> its statistics.
        partial: name of a set -> [step, number of tiles, statistics of these tiles].
        written: number of tiles of the result that are written.
        resumed: True if an earlier process has left something.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        """Read what an earlier process has left.

        Args:
            path: the file; None: nothing is kept.
            key: of the network, the image and the settings; what has another key is not used.
        """
        self.path, self.key = path, key
        self.known: dict[str, dict[int, Moments]] = {}
        self.partial: dict[str, tuple[int, int, Moments]] = {}
        self.written, self.saved = 0, time.monotonic()
        content = self._content() if path and path.exists() else None
        self.resumed = content is not None
        if content:
            self.written = content["written"]
            self.known = {
                name: {int(step): Moments(*record) for step, record in norms.items()}
                for name, norms in content["known"].items()
            }
            self.partial = {
                name: (step, tiles, Moments(*record))
                for name, (step, tiles, record) in content["partial"].items()
            }

    def _content(self) -> dict | None:
        """Return the content of the file if it belongs to this translation, else None."""
        assert self.path is not None
        try:
            content = read_json(self.path, KIND)
        except UserError as error:
            say(f"{self.path} is not used: {error}")
            return None
        if content.pop("check") != checksum(content):
            say(f"{self.path} is not used: it is damaged (its checksum is another)")
            return None
        if content["key"] != self.key:
            say(f"{self.path} is not used: it is of another image, network or setting")
            return None
        return content

    def save(self, flush: Callable[[], None] | None = None, force: bool = False) -> None:
        """Write the file if the last save was a while ago.

        Args:
            flush: called before; it writes the tiles that the file counts as written.
            force: write it in any case.
        """
        if self.path is None or not (force or time.monotonic() - self.saved > INTERVAL):
            return
        if flush:
            flush()
        content = {
            "key": self.key,
            "known": {
                name: {step: moments.record() for step, moments in norms.items()}
                for name, norms in self.known.items()
            },
            "partial": {
                name: [step, tiles, moments.record()]
                for name, (step, tiles, moments) in self.partial.items()
            },
            "written": self.written,
        }
        content["check"] = checksum(content)
        write_atomically(self.path, json.dumps(content).encode())
        self.saved = time.monotonic()

    def nothing_written(self) -> None:
        """Forget the tiles that are written, also on the disk: their file is a new one."""
        self.written = 0
        if self.resumed:
            self.save(force=True)

    def remove(self) -> None:
        """Remove the file: the image is finished."""
        if self.path:
            self.path.unlink(missing_ok=True)


def identity(path: str) -> str:
    """Return what changes when another file takes the place of this one."""
    status = os.stat(path)
    return f"{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}"


def checksum(content: dict) -> str:
    """Return a text that depends on all of the content, as JSON holds it."""
    return digest((), json.dumps(content))

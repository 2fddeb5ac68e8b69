"""Which of several files are finished, so that after a kill they are not made again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from models.translation.tiling import journal
from models.translation.tiling.journal import identity
from util.console import say
from util.errors import UserError
from util.files import read_json, write_atomically

KIND = {"files": {str: str}, "notes": [str]}


class Finished:
    """A record of finished files and of what the page says about them.

    Attributes:
        notes: lines of the page that an earlier process has left.
    """

    def __init__(self, path: Path) -> None:
        """Read what an earlier process has left in the file ``path``."""
        self.path, self.saved = path, time.monotonic()
        content: dict[str, Any] = {"files": {}, "notes": []}
        try:
            content = read_json(path, KIND, content)
        except UserError as error:
            say(f"{path} is not used: {error}")
        self.files: dict[str, str] = content["files"]
        self.notes: list[str] = content["notes"]

    def __contains__(self, file: tuple[Path, str]) -> bool:
        """True if a file is finished and unchanged, and was made from what its key says."""
        path, key = file
        return path.is_file() and self.files.get(str(path)) == f"{key} {identity(str(path))}"

    def add(self, path: Path, key: str, notes: list[str]) -> None:
        """Record a file; on the disk, too, unless the last time is only a moment ago.

        Args:
            key: depends on everything that the file was made from.
            notes: all lines of the page so far.
        """
        self.files[str(path)] = f"{key} {identity(str(path))}"
        if time.monotonic() - self.saved > journal.INTERVAL:
            content = {"files": self.files, "notes": notes}
            write_atomically(self.path, json.dumps(content).encode())
            self.saved = time.monotonic()

    def remove(self) -> None:
        """Remove the record: all files are finished."""
        self.path.unlink(missing_ok=True)

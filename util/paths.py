"""Text that also works as a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class PathText(str):
    """A path as text, as the official code of 2022 has it, for callers of 2025, which use a Path.

    It has the operator ``/`` and the attributes and methods of ``Path``, both of which give a Path.
    Where text has a method of the same name, such as ``replace``, it is that of text.
    """

    def __new__(cls, path: str | os.PathLike[str]) -> PathText:
        return super().__new__(cls, os.fspath(path))

    def __truediv__(self, other: str | os.PathLike[str]) -> Path:
        return Path(str(self)) / other

    def __getattr__(self, name: str) -> Any:
        return getattr(Path(str(self)), name)

"""Text that also works as a path, and a path that also works as text."""

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


class TextPath(type(Path())):  # type: ignore[misc]  # 3.12 could inherit from Path itself
    """A Path that can also be used as text: ``path + "/x"`` and ``path.endswith("x")`` give text.

    The official models of 2022 have such folders as text, those of 2025 as a Path.
    """

    def __add__(self, text: str) -> str:
        return str(self) + text

    def __radd__(self, text: str) -> str:
        return text + str(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # pathlib asks for names that are not set yet
        return getattr(str(self), name)

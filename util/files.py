"""Writing files atomically, and reading small files that may be damaged or from elsewhere."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

from util.errors import UserError, first_line, reason_of

NOT_A_FILE = object()  # read_json has no default


class Maybe(NamedTuple):
    """The kind of a part of a dict that may be missing (see :func:`mismatch`)."""

    kind: Any


def write_atomically(
    path: Path, data: bytes | Callable[[IO[bytes]], object], flag: str = ""
) -> None:
    """Write a file that at any moment has either its complete old or its complete new content.

    Args:
        data: the content, or a function that writes it into an open file.
        flag: the option that named the folder, for the error message.

    Raises UserError: the folder cannot be created or written; the old file stays.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            data(file) if callable(data) else file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.umask(umask := os.umask(0))
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        # torch.save raises a RuntimeError that hides the OSError of a full disk
        cause = error if isinstance(error, OSError) else error.__context__
        reason = getattr(cause, "strerror", None) or first_line(error)
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"{flag + ': ' if flag else ''}cannot write {path}: {reason}") from None


def no_link(path: str, flags: int) -> int:
    """An opener for ``open()`` that opens no links, so that nothing is written elsewhere.

    Raises OSError: ``path`` is a link.
    """
    if os.path.islink(path):  # also where the system has no O_NOFOLLOW
        raise OSError(errno.ELOOP, "it is a link, and what it points to is not changed", path)
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and those above it; return the ones that were missing, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of ``folders`` that are empty, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def read_json(path: Path, kind: Any = dict, missing: Any = NOT_A_FILE) -> Any:
    """Return the content of a JSON file that has the given kind (see :func:`mismatch`).

    Args:
        missing: returned if there is no such file.

    Raises UserError: the file is missing, unreadable, no JSON, or of another kind. The message
        names the file.
    """
    if missing is not NOT_A_FILE and not path.exists() and not path.is_symlink():
        return missing
    return parse_json(read_text(path), kind, str(path))


def real_path(path: str | Path) -> Path:
    """Return the absolute path without links; a loop of links stays as it is.

    Path.resolve raises a RuntimeError for a loop before Python 3.13.
    """
    return Path(os.path.realpath(path))


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file.

    Raises UserError: it is missing, unreadable, no regular file, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a file")  # reading a pipe would wait for ever
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read {path}: it is damaged (not UTF-8 text)") from None


def parse_json(text: str, kind: Any, source: str) -> Any:
    """Return the value that ``text`` holds as JSON.

    Args:
        source: where the text is from, for the error message.

    Raises UserError: the text is no JSON, or its value has another kind (see :func:`mismatch`).
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        reason = "its values are nested too deeply" if deep else first_line(error)
        raise UserError(f"cannot read {source}: it is damaged ({reason})") from None
    if problem := mismatch(value, kind):
        raise UserError(f"cannot read {source}: it has other content than expected ({problem})")
    return value


def mismatch(value: Any, kind: Any, name: str = "it") -> str:
    """Describe the first part of ``value`` that is not of ``kind``; "" if all parts are.

    A kind is one of

    * a type or None; ``float`` accepts integers, ``int`` and ``float`` do not accept booleans, and
      ``object`` accepts everything;
    * a tuple of kinds, any of which is right;
    * ``[kind]``: a list or tuple whose items have that kind;
    * ``{str: kind}``: a dict whose keys have that type and whose values have that kind;
    * ``{"key": kind, ...}``: a dict with at least these keys, except for those of :class:`Maybe`;
    * a function from the value and its name to such a description.
    """
    if isinstance(kind, tuple):
        problems = [mismatch(value, part, name) for part in kind]
        return "" if "" in problems else problems[0]
    if isinstance(kind, list):
        if not isinstance(value, (list, tuple)):
            return f"{name} should be a list, found {shown_value(value)}"
        found = (mismatch(item, kind[0], f"{name}[{i}]") for i, item in enumerate(value))
        return next(filter(None, found), "")
    if isinstance(kind, dict):
        return _mismatch_of_dict(value, kind, name)
    if kind is None or isinstance(kind, type):
        types = (int, float) if kind is float else kind or type(None)
        right = isinstance(value, types)
        if isinstance(value, bool) and kind in (int, float):
            right = False
        expected = kind.__name__ if kind else "null"
        return "" if right else f"{name} should be {expected}, found {shown_value(value)}"
    return kind(value, name)


def _mismatch_of_dict(value: Any, kind: dict, name: str) -> str:
    if not isinstance(value, dict):
        return f"{name} should be a dict, found {shown_value(value)}"
    prefix = "" if name == "it" else f"{name}."
    if kind and isinstance(key_type := next(iter(kind)), type):
        if wrong := [key for key in value if mismatch(key, key_type)]:
            return f"{name} has the key {shown_value(wrong[0])}"
        kind = dict.fromkeys(value, kind[key_type])
    absent = [key for key in kind if key not in value]
    if required := [key for key in absent if not isinstance(kind[key], Maybe)]:
        return f"{prefix}{required[0]} is missing"
    problems = (mismatch(value[key], kind[key], f"{prefix}{key}") for key in kind if key in value)
    return next(filter(None, problems), "")


def shown_value(value: Any) -> str:
    """Return a short printable description of a value from a file."""
    text = ascii(value) if isinstance(value, (str, int, float, type(None))) else ""
    return text if 0 < len(text) <= 40 else f"a value of type {type(value).__name__}"

"""The Python files and shell scripts of a fork, parsed and never executed."""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from util.errors import UserError

PACKAGES = ("models", "data", "options", "util")
SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}
MAX_FILES = 5000  # Python files, scripts and folders; the largest fork seen has 300
MAX_BYTES = 4 * 2**20  # a program of more is data


@dataclass(order=True)
class Finding:
    """One line of the report.

    Attributes:
        path: relative to the fork.
        line: 0 if the whole file is meant.
        text: what was found, and what to do.
        works: True for a remark, False for what does not work here.
    """

    path: str
    line: int
    text: str
    works: bool = field(default=False, compare=False)


@dataclass
class Source:
    """A Python file.

    Attributes:
        path: relative to the fork, with slashes.
        module: the name by which the project imports it, e.g. "models.my_model".
    """

    path: str
    module: str
    tree: ast.Module


@dataclass
class Checkout:
    """A folder that holds what lies in the root of the official code, or a part of it."""

    folder: str
    sources: dict[str, Source] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)  # path -> text of a shell script


@dataclass
class Fork:
    """All files of a fork.

    Attributes:
        checkouts: most forks are one; some repositories hold several.
        findings: the files that cannot be read.
    """

    checkouts: list[Checkout]
    findings: list[Finding]


def _files(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        path = Path(error.filename).relative_to(folder).as_posix()
        findings.append(Finding(path, 0, f"cannot be read: {error.strerror}"))

    count = 0
    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        found = [Path(root, name) for name in sorted(files) if name.endswith((".py", ".sh"))]
        count += len(found) + len(folders)
        if count > MAX_FILES:
            raise UserError(f"{folder}: holds more than {MAX_FILES} files; name the fork's folder")
        yield from found


def _bytes(path: Path) -> bytes:
    """The content of a file. Raises OSError: it cannot be read, or is no program."""
    if not path.is_file():
        raise OSError(0, "no regular file")
    if path.stat().st_size > MAX_BYTES:
        raise OSError(0, "too large for a program")
    return path.read_bytes()


def _text(path: Path) -> str:
    """The text of a file. Raises OSError, SyntaxError, UnicodeError: it cannot be read."""
    data = _bytes(path)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def _parsed(path: Path, name: str) -> ast.Module | Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings
            return ast.parse(_text(path))
    except SyntaxError as error:
        text = (error.text or "").strip()
        if isinstance(error.msg, str) and "encoding" in error.msg or "decode" in str(error.msg):
            reason = f"cannot be decoded: {error.msg}. Save the file as UTF-8"
        elif re.match(r"print\b|exec\b|except .*,|raise .*,", text) or "print" in error.msg:
            reason = "is Python 2. Convert it (2to3 -w FILE)"
        else:
            reason = f"no valid Python: {error.msg}"
        return Finding(name, error.lineno or 0, reason)
    except UnicodeError:
        return Finding(name, 0, "is neither UTF-8 nor in the encoding it names. Save it as UTF-8")
    except (ValueError, RecursionError, MemoryError):
        return Finding(name, 0, "no valid Python: it has NUL bytes or is nested too deeply")
    except OSError as error:
        return Finding(name, 0, f"cannot be read: {error.strerror}")


def _roots(paths: list[str]) -> list[str]:
    """The folders that hold packages of the official code, the deepest first."""
    endings = r"models/\w*(?:_model|networks)|data/\w*_dataset|options/\w*options|util/\w+"
    found = {m[1] for p in paths if (m := re.fullmatch(rf"(.*?)(?:{endings})\.py", p))}
    found = {root for root in found if not root or root.endswith("/")}
    nested = {r for r in found if re.search(rf"(^|/)({'|'.join(PACKAGES)})/$", r)}
    return sorted((found - nested) | {""}, key=len, reverse=True)


def _module(path: str) -> str:
    """The name by which a file is imported; a lone my_model.py belongs into models."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if "." not in name and name.endswith("_model"):
        return f"models.{name}"
    if "." not in name and name.endswith("_dataset"):
        return f"data.{name}"
    return name


def read_fork(folder: Path) -> Fork:
    """Parse all files of ``folder``.

    Raises:
        UserError: it is no folder, or holds no Python files.
    """
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {reason}")
    findings: list[Finding] = []
    paths = {path.relative_to(folder).as_posix(): path for path in _files(folder, findings)}
    if not any(name.endswith(".py") for name in paths):
        raise UserError(f"{folder}: has no Python files")
    roots = _roots(list(paths))
    checkouts = {root: Checkout(root) for root in roots}
    for name, path in paths.items():
        root = next(root for root in roots if name.startswith(root))
        inner = name.removeprefix(root)
        if name.endswith(".sh"):
            try:
                checkouts[root].scripts[name] = _bytes(path).decode("utf-8", errors="replace")
            except OSError as error:
                findings.append(Finding(name, 0, f"cannot be read: {error.strerror}"))
            continue
        package = folder.resolve().name if root == "" and folder.name in PACKAGES else ""
        parsed = _parsed(path, name)
        if isinstance(parsed, Finding):
            findings.append(parsed)
        else:
            module = _module(f"{package}/{inner}" if package else inner)
            checkouts[root].sources[module] = Source(name, module, parsed)
    found = [checkouts[root] for root in sorted(roots) if checkouts[root].sources]
    return Fork(found or [checkouts[""]], findings)

"""Runs by their names: folders in ``--checkpoints_dir``, or in a folder of it, such as exp/run1."""

from __future__ import annotations

import contextlib
import os
import re
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from util.errors import UsageError, UserError
from util.plugins import did_you_mean

SHOWN = 10  # names in an error
DEPTH = 3  # folders in a name that an error suggests
DEEPEST = 5  # folders in a name that find_runs finds
ENTRIES = 5000  # of a folder that are read until it counts as no run, e.g. one of images
RUN_FILE = re.compile(r"\.pth$|^(train_opt|loss_log)\.txt$")  # a run has at least one of these
NO_RUNS = {"web", "tensorboard", "latents", "wandb"}  # folders in a run that hold no other runs


def check_inside(flag: str, name: str, folder: str) -> None:
    """Raise UsageError if ``name`` does not name something below ``folder``.

    Args:
        flag: the option with the name, e.g. "--name x".
        folder: in words, for the message.
    """
    path = Path(name)
    if path.is_absolute() or path.drive or ".." in path.parts or not path.parts or "\0" in name:
        raise UsageError(f"{flag}: should name a folder inside of {folder}")


def is_run(folder: Path) -> bool:
    """True if the folder holds what a training or a download of weights leaves."""
    return any(RUN_FILE.search(entry.name) for entry in _entries(folder))


def names_of_runs(root: Path, depth: int = DEPTH) -> list[str]:
    """The sorted names of the runs in ``root``; those in sub-folders as ``exp/run1``."""
    names = []
    for entry in _entries(root):
        with contextlib.suppress(OSError):
            if entry.name.startswith(".") or not entry.is_dir():
                continue
            if is_run(Path(entry.path)):
                names.append(entry.name)
            elif depth > 1:
                inner = names_of_runs(Path(entry.path), depth - 1)
                names += [f"{entry.name}/{name}" for name in inner]
    return sorted(names)


def run_folder(name: str, root: Path, flag: str) -> Path:
    """Return the folder of a run: ``root / name`` or, if there is none, the folder ``name``.

    Args:
        root: the value of ``--checkpoints_dir``.
        flag: the option that asks for the run.

    Raises UserError: there is neither.
    """
    for folder in (root / name, Path(name)):
        if name and folder.is_dir():
            return folder
    raise no_run(root, name, flag)


def find_runs(root: Path) -> Iterator[tuple[str, dict[str, os.DirEntry[str]]]]:
    """Yield the name of each run in ``root`` and its folder's entries, also of runs inside of runs.

    Each folder is read once, under its shortest name, so that links in a circle do no harm.
    """
    seen: set[tuple[int, int]] = set()
    folders = deque([("", str(root), DEEPEST)])
    while folders:
        name, path, levels = folders.popleft()
        try:
            status = os.stat(path)
        except OSError:  # removed meanwhile
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        entries = {entry.name: entry for entry in islice(_entries(Path(path)), ENTRIES)}
        if name and any(map(RUN_FILE.search, entries)):
            yield name, entries
        inner = _folders(entries.values()) if levels else []
        for entry in sorted(inner, key=lambda entry: (entry.is_symlink(), entry.name)):
            folders.append((f"{name}/{entry.name}".lstrip("/"), entry.path, levels - 1))


def _folders(entries: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Return those of ``entries`` that are folders and may hold runs."""
    folders = []
    for entry in entries:
        try:
            if entry.is_dir() and entry.name not in NO_RUNS and not entry.name.startswith("."):
                folders.append(entry)
        except OSError:  # of a link
            continue
    return folders


def did_you_mean_folder(path: Path) -> str:
    """A hint such as "; did you mean atlas?" for a missing folder, or ""."""
    if path.exists():
        return ""
    return did_you_mean(path.name, [entry.name for entry in _entries(path.parent)])


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none if it is missing or cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from entries


def require_run(opt: Namespace, flag: str = "--name") -> None:
    """Raise UserError if the run of ``opt`` has no folder, or one that only holds other runs."""
    folder = Path(opt.checkpoints_dir, opt.name)
    if not folder.is_dir() or (not is_run(folder) and names_of_runs(folder)):
        raise no_run(Path(opt.checkpoints_dir), opt.name, flag)


def no_run(root: Path, name: str, flag: str = "--name") -> UserError:
    """An error that names the missing run, those that exist, and the one that was probably meant.

    Args:
        root: the value of ``--checkpoints_dir``.
        flag: the option that asks for the run.
    """
    if root.exists() and not root.is_dir():
        return UserError(f"--checkpoints_dir: {root} is a file; it should be a folder of runs")
    if not root.is_dir():
        return UserError(f'{flag}: no run "{name}", because there is no folder {root}')
    names = names_of_runs(root)
    listed = f"there are: {', '.join(names[:SHOWN])}" if names else "it holds no runs"
    more = f", ... {len(names)} in all" if len(names) > SHOWN else ""
    longer = [n for n in names if name.lower() in n.lower()]  # a forgotten suffix or folder
    hint = did_you_mean(name, names) or (f"; did you mean {longer[0]}?" if longer else "")
    return UserError(f'{flag}: no run "{name}" in {root} ({listed}{more}){hint}')

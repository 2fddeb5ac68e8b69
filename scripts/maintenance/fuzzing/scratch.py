"""Scratch folders of cases: made from the fixture, compared, and deleted."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from scripts.maintenance.fuzzing.cases import Case
from scripts.maintenance.fuzzing.disks import unmount
from scripts.maintenance.fuzzing.fixtures import odd_places

Files = dict[str, str]  # path -> digest, or what else is there


def prepare(case: Case, slot: Path, place: Path, fixture: Path) -> None:
    """Make the scratch folder of ``case``."""
    remove(slot)
    for folder in (place, slot / "home", slot / "tmp"):
        folder.mkdir(parents=True)
    for item in case.program.needs:
        source = fixture / item
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        (place / item).parent.mkdir(parents=True, exist_ok=True)
        copy(source, place / item)
    odd_places(place / "odd")
    if case.before:
        case.before(place)


def snapshot(folder: Path) -> Files:
    """Return a digest of every file below ``folder``, and what else is there."""
    found: Files = {}
    for root, folders, names in os.walk(folder, onerror=None):
        for name in [*folders, *names]:
            path = os.path.join(root, name)
            found[os.path.relpath(path, folder)] = digest(path)
    return found


def digest(path: str) -> str:
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            return f"-> {os.readlink(path)}"
        if not stat.S_ISREG(info.st_mode):
            return stat.filemode(info.st_mode)[0]
        if info.st_size > 64 << 20:
            return f"{info.st_size} bytes"
        with open(path, "rb") as file:
            return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    except OSError as error:
        return error.strerror or "unreadable"


def remove(folder: Path) -> None:
    """Delete ``folder``, also with sub-folders that may not be entered."""
    unmount(folder)
    for _ in range(3):
        if not os.path.lexists(folder):
            return
        for root, folders, _ in os.walk(folder):
            for name in folders:
                path = os.path.join(root, name)
                if not os.path.islink(path):
                    with suppress(OSError):
                        os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)

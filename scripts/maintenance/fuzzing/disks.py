"""Small disks that become full: file systems in memory, mounted in a scratch folder (as root)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path

from scripts.maintenance.fuzzing.cases import Case, Program

PAGE = 4096  # bytes that even a small file takes
FOLDERS = ("checkpoints", "results", "out", "work", "../tmp")  # where programs write
FREE = (0, 5, 40)  # pages


def disk_cases(program: Program) -> list[Case]:
    """Return the cases of full disks; none if nothing can be mounted here."""
    if program.slow or not can_mount():
        return []
    return [
        Case(
            f"{program.name}:disk:{folder} has {pages * PAGE} bytes",
            program,
            before=partial(fill, folder, pages),
        )
        for folder in FOLDERS
        for pages in FREE
    ]


@cache
def can_mount() -> bool:
    """True if this process may mount file systems."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = mount(Path(folder), 1)
        if mounted:
            unmount(Path(folder))
    return mounted


def mount(folder: Path, pages: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={max(pages, 1) * PAGE}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def unmount(folder: Path) -> None:
    """Remove every file system that is mounted below ``folder``."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(str(folder)):
            subprocess.run(["umount", "-l", line.split()[1]], capture_output=True)


def fill(name: str, free: int, place: Path) -> None:
    """Put ``name`` on a disk of its own with ``free`` pages beside what the folder holds."""
    folder, aside = place / name, place.parent / "aside"
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    pages = sum(-(-path.stat().st_size // PAGE) for path in files)
    folder.rename(aside)
    folder.mkdir()
    if not mount(folder, pages + max(free, 1)):
        raise OSError(f"cannot mount on {folder}")
    shutil.copytree(aside, folder, dirs_exist_ok=True)
    shutil.rmtree(aside)
    if free == 0:
        (folder / "full").write_bytes(bytes(PAGE))

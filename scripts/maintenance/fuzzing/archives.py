"""Archives and weights from a host that sends damaged or hostile ones."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scripts.maintenance.fuzzing.cases import Case, Program
from scripts.maintenance.fuzzing.damage import broken
from scripts.maintenance.fuzzing.server import DATASET, MODEL

FILES = {"download": DATASET, "download_model": MODEL}
CRAFTED = (
    "tar",
    "upwards",
    "absolute",
    "link",
    "no images",
    "empty archive",
    "bomb",
    "nested",
    "exe",
)


def variations(name: str) -> list[str]:
    plain = [kind for kind, _ in broken() if "link" not in kind and kind not in ("loop", "fifo")]
    return plain + (list(CRAFTED) if name.endswith(".zip") else ["dict", "tensor"])


def archive_cases(program: Program, port: int) -> Iterator[Case]:
    """Yield a case for each damaged file of the host."""
    name = FILES.get(program.name)
    for kind in variations(name) if name else ():
        host = f"http://127.0.0.1:{port}/{kind.replace(' ', '_')}"
        words = program.words.replace(f"http://127.0.0.1:{port}", host)
        changed = Program(program.name, program.script, words)
        yield Case(f"{program.name}:host:{kind}", changed, damaged=name or "")


def make_archives(www: Path, images: Path) -> None:
    """Write the damaged files, each in a folder of its own below ``www``."""
    changes = dict(broken())
    for name in FILES.values():
        good = (www / name).read_bytes()
        for kind in variations(name):
            path = www / kind.replace(" ", "_") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(good)
            if kind in changes:
                changes[kind](path)
            else:
                craft(path, kind, images)


def craft(path: Path, kind: str, images: Path) -> None:
    """Write a hostile archive, or weights of a wrong kind."""
    if kind in ("dict", "tensor"):
        import torch

        torch.save({"a": 1} if kind == "dict" else torch.ones(2), path)
        return
    image = (images / "two/trainA/a.png").read_bytes()
    if kind == "tar":
        with tarfile.open(path, "w:gz") as tar:
            info = tarfile.TarInfo("facades/trainA/a.png")
            info.size = len(image)
            tar.addfile(info, io.BytesIO(image))
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        folders = ("trainA", "trainB", "testA", "testB")
        for folder in folders if kind not in ("no images", "empty archive") else ():
            top = "facades/facades/facades" if kind == "nested" else "facades"
            archive.writestr(f"{top}/{folder}/a.png", image)
        if kind == "upwards":
            archive.writestr("../../escaped.png", image)
        if kind == "absolute":
            archive.writestr(os.path.abspath(path.parent / "absolute.png"), image)
        if kind == "link":
            info2 = zipfile.ZipInfo("facades/trainA/link.png")
            info2.external_attr = 0o120777 << 16
            archive.writestr(info2, "/etc/passwd")
        if kind == "bomb":
            archive.writestr("facades/trainA/b.png", bytes(1 << 28))
        if kind == "exe":
            archive.writestr("facades/trainA/run.sh", "touch x")

"""A small archive in the place of horse2zebra, and a server that has it."""

from __future__ import annotations

import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flaky_server import Server

from datasets import download
from util.download import catalogue, transfer

COUNTS = (3, 2, 1, 1)
PATH = "/cyclegan/datasets/horse2zebra.zip"


@functools.cache  # an archive contains its time of creation
def zipped(counts: tuple[int, ...] = COUNTS, top: str = "horse2zebra/") -> bytes:
    """A dataset's archive of about 70 kB; the images are noise and cannot be compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for split, count in zip(catalogue.SPLITS["cyclegan"], counts, strict=True):
            for i in range(count):
                noise = hashlib.shake_128(f"{split}{i}".encode()).digest(10_000)
                bundle.writestr(f"{top}{split}/{i}.jpg", noise)
        bundle.writestr("__MACOSX/._x", b"metadata")
    return out.getvalue()


@pytest.fixture(name="server")
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that has the archive; the official host refuses connections."""
    monkeypatch.setattr(catalogue, "OFFICIAL", "127.0.0.1:1")
    without_older = catalogue.Place("cyclegan/datasets", ".zip")
    monkeypatch.setitem(catalogue.PLACES, ("dataset", "cyclegan"), without_older)
    monkeypatch.setattr(transfer, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(transfer, "TIMEOUT", 0.4)
    monkeypatch.delenv("CYCLEGAN_MIRROR", raising=False)
    with Server() as flaky:
        flaky.files[PATH] = zipped()
        thread = threading.Thread(target=flaky.serve_forever, args=(0.01,))
        thread.start()
        yield flaky
        flaky.shutdown()
        thread.join()


def item(**fields: object) -> catalogue.Item:
    """horse2zebra with the size, checksum and counts of the small archive."""
    small: dict[str, object] = {
        "images": "/".join(map(str, COUNTS)),
        "size": len(zipped()),
        "sha256": hashlib.sha256(zipped()).hexdigest(),
    }
    official = catalogue.find(catalogue.ALL_DATASETS, "horse2zebra", None)
    return replace(official, **small | fields)


def get(server: Server, folder: Path, **fields: object) -> None:
    download.download(item(**fields), folder / "horse2zebra", [server.url])


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def is_complete(folder: Path) -> bool:
    splits = catalogue.SPLITS["cyclegan"]
    counts = [len(list((folder / "horse2zebra" / split).iterdir())) for split in splits]
    return counts == list(COUNTS)

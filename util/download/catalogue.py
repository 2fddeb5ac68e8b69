"""The datasets and trained models of the official pages, listed in catalogue.csv.

Columns: ``bytes`` is exact for rows with a SHA-256 and an estimate for others; ``images`` is the
number in each split (see ``SPLITS``), or ``~`` and a number of pairs from a third party.
Checksums, exact sizes and numbers of images are those that TensorFlow Datasets records.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from util.errors import UsageError

OFFICIAL = "efrosgans.eecs.berkeley.edu"
OLD = "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN"
SPLITS = {"cyclegan": ("trainA", "trainB", "testA", "testB"), "pix2pix": ("train", "val", "test")}
MIB = 2**20


@dataclass(frozen=True)
class Place:
    """Where a host keeps its files of one kind: ``path`` on the official host and on mirrors."""

    path: str
    ending: str
    older: tuple[str, ...] = ()  # URLs of folders on other hosts


PLACES = {
    ("dataset", "cyclegan"): Place("cyclegan/datasets", ".zip", (f"{OLD}/datasets",)),
    ("dataset", "pix2pix"): Place("pix2pix/datasets", ".tar.gz"),
    ("model", "cyclegan"): Place("cyclegan/pretrained_models", ".pth"),
    ("model", "pix2pix"): Place("pix2pix/models-pytorch", ".pth"),
    ("model", "lua"): Place("cyclegan/models", ".t7", (f"{OLD}/models",)),
}


@dataclass(frozen=True)
class Item:
    """One file that can be downloaded; a row of catalogue.csv."""

    kind: str
    name: str
    place: Place
    size: int = 0  # bytes, exact if ``sha256`` is known; 0: unknown
    sha256: str = ""
    counts: tuple[int, ...] = ()  # images in each of ``SPLITS[kind]``, if known
    source: str = ""
    about: str = ""  # the number of images if it is only roughly known

    @property
    def file(self) -> str:
        """The file's name on the server."""
        return self.name + self.place.ending

    @property
    def key(self) -> str:
        """The file's path below the host; noted checksums are stored under it."""
        return f"{self.place.path}/{self.file}"

    def urls(self, mirrors: list[str]) -> list[str]:
        """The URLs to try, in this order: the mirrors, the official host, older hosts."""
        hosts = [*mirrors, f"https://{OFFICIAL}", f"http://{OFFICIAL}"]
        urls = [f"{host.rstrip('/')}/{self.key}" for host in hosts]
        return [*urls, *(f"{folder}/{self.file}" for folder in self.place.older)]


def _read(what: str) -> list[Item]:
    """The rows of catalogue.csv whose first column is ``what``."""
    items = []
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["what"] == what:
                kind, images = row["kind"], row["images"]
                estimate = images.startswith("~")
                counts = () if estimate else tuple(map(int, images.split("/") if images else ()))
                item = Item(
                    kind,
                    row["name"],
                    PLACES[what, kind],
                    int(row["bytes"] or 0),
                    row["sha256"],
                    counts,
                    row["source"],
                    f"about {images[1:]} pairs" if estimate else "",
                )
                items.append(item)
    return items


ALL_DATASETS = _read("dataset")
ALL_MODELS = _read("model")


def find(items: list[Item], name: str, kind: str | None) -> Item:
    """The item called ``name``, of the first kind that has it unless ``kind`` is given.

    Raises:
        UsageError: there is none; the message suggests a similar name or another kind.
    """
    same_name = [item for item in items if item.name == name]
    for item in same_name:
        if kind in (None, item.kind):
            return item
    similar = get_close_matches(name, [item.name for item in items], 1)
    hint = f"did you mean {similar[0]}? " if similar else ""
    if same_name:
        hint = f"it is of --kind {same_name[0].kind}. "
    of_kind = f" of --kind {kind}" if kind else ""
    raise UsageError(f"nothing{of_kind} is named {name}; {hint}--list shows all names")


def table(items: list[Item]) -> str:
    """All items as text, one line each."""
    rows = [("name", "kind", "size", "images", "source and terms"), *map(_row, items)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _row(item: Item) -> tuple[str, ...]:
    size = f"{'' if item.sha256 else '~'}{item.size / MIB:.1f} MiB" if item.size else "not known"
    splits = zip(SPLITS.get(item.kind, ()), item.counts, strict=False)
    images = ", ".join(f"{split} {count}" for split, count in splits)
    return item.name, item.kind, size, images or item.about or "-", item.source

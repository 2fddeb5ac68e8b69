"""The datasets and trained models of the official pages, listed in catalogue.csv.

Columns: ``size`` is exact for rows with a SHA-256, else an estimate or 0; ``images`` is the number
in each split (see ``SPLITS``), or ``~`` and a number of pairs from a third party.
Checksums, exact sizes and numbers of images are those that TensorFlow Datasets records.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from textwrap import wrap
from typing import Any

from util.errors import UsageError
from util.tables import columns

OFFICIAL = "efrosgans.eecs.berkeley.edu"
OLD = "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN"
SPLITS = {"cyclegan": ("trainA", "trainB", "testA", "testB"), "pix2pix": ("train", "val", "test")}
PAIRS_OF_CYCLEGAN = ("mini_pix2pix", "mini_colorization")  # datasets with the splits of pix2pix
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

    what: str
    kind: str
    name: str
    size: int  # bytes, 0 if unknown
    sha256: str
    images: str
    source: str

    @property
    def place(self) -> Place:
        return PLACES[self.what, self.kind]

    @property
    def splits(self) -> tuple[str, ...]:
        """The folders that the dataset may have."""
        return SPLITS.get("pix2pix" if self.name in PAIRS_OF_CYCLEGAN else self.kind, ())

    @property
    def counts(self) -> dict[str, int]:
        """The number of images in each split, if it is known exactly."""
        numbers = [] if "~" in self.images else self.images.split("/")
        return {
            split: int(number)
            for split, number in zip(self.splits, numbers, strict=False)
            if number
        }

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


with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as table_file:
    _rows: Iterable[dict[str, Any]] = csv.DictReader(table_file)
    _items = [Item(**row | {"size": int(row["size"])}) for row in _rows]
ALL_DATASETS = [item for item in _items if item.what == "dataset"]
ALL_MODELS = [item for item in _items if item.what == "model"]


def find(items: list[Item], name: str | None, kind: str | None) -> Item:
    """The item called ``name``, of the first kind that has it unless ``kind`` is given.

    Raises:
        UsageError: there is none, or ``name`` is empty; the message suggests a similar name or
            another kind.
    """
    if not name:
        raise UsageError("no name given; --list shows all names")
    same_name = [item for item in items if item.name == name]
    for item in same_name:
        if kind in (None, item.kind):
            return item
    similar = get_close_matches(name, [item.name for item in items], 1)
    hint = f"did you mean {similar[0]}? " if similar else ""
    if same_name:
        hint = f"it is of --kind {same_name[0].kind}. "
    raise UsageError(f"--kind {kind or 'any'} has no {name}; {hint}--list shows all names")


def table(items: list[Item]) -> str:
    """All items as text, one line each, and below them their sources with the terms of use."""
    lines = columns([("name", "kind", "size", "images"), *map(_row, items)])
    names: dict[str, list[str]] = {}
    for item in items:
        names.setdefault(item.source, []).append(item.name)
    lines += ["", "Sources and their terms:"]
    for source, of_source in names.items():
        lines += [f"  {line}" for line in wrap(source, 78)]
        if len(names) > 1:
            lines += [f"    {line}" for line in wrap(", ".join(dict.fromkeys(of_source)), 76)]
    return "\n".join(lines)


def _row(item: Item) -> tuple[str, ...]:
    size = f"{'' if item.sha256 else '~'}{item.size / MIB:.1f} MiB" if item.size else "not known"
    sides: dict[str, list[str]] = {}
    for split, count in item.counts.items():
        sides.setdefault(split.rstrip("AB"), []).append(str(count))
    images = ", ".join(f"{split} {'+'.join(numbers)}" for split, numbers in sides.items())
    about = f"about {item.images[1:]} pairs" if item.images else "-"
    return item.name, item.kind, size, images or about

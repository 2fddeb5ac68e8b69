"""Shared by datasets/download.py and scripts/download_model.py: their options, and one download."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from util.console import say
from util.download.catalogue import Item
from util.download.transfer import WriteError, fetch
from util.errors import UserError
from util.files import read_json

NOTES = ".checksums.json"  # in the folder of a download


def add_options(parser: ArgumentParser, items: list[Item]) -> None:
    """Add the options that both programs have."""
    add = parser.add_argument
    kinds = list(dict.fromkeys(item.kind for item in items))
    first = f"needed if several kinds have the name (default: {kinds[0]})"
    mirror = "host to try first (repeatable); also CYCLEGAN_MIRROR='URL ...'"
    unchecked = "accept a version that differs from the recorded checksum and numbers of images"
    add("name", nargs="?", help="see --list")
    add("--kind", choices=kinds, help=first)
    add("--mirror", action="append", default=[], metavar="URL", help=mirror)
    add("--unchecked", action="store_true", help=unchecked)
    add("--list", action="store_true", help="show all names with kind, size, images and terms")


def obtain(
    item: Item,
    folder: Path,
    mirrors: list[str],
    checked: bool,
    install: Callable[[Path], None],
) -> None:
    """Download ``item`` to a part file in ``folder`` and call ``install`` with it.

    The checksum of an item without a recorded one is noted, and later downloads must match it.

    Args:
        mirrors: hosts to try first, before those of the environment variable CYCLEGAN_MIRROR.
        checked: verify the recorded or noted checksum and size.
        install: moves or unpacks the file; raises UserError if the content is wrong.

    Raises:
        UserError: see :func:`fetch` and ``install``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = (item.sha256 or noted_checksums(folder).get(item.key)) if checked else None
    size = item.size if checked and item.sha256 else None
    part = folder / f".{item.kind}-{item.file}.part"
    resumed = part.exists()
    urls = item.urls([*mirrors, *os.environ.get("CYCLEGAN_MIRROR", "").split()])
    digest = fetch(urls, part, size, sha256)
    try:
        install(part)
    except WriteError:
        raise  # the part file is good, and the next call uses it
    except UserError as error:
        part.unlink()
        if not resumed:
            raise UserError(f"{item.file}: {error}") from None
        say(f"{item.file}: {error}. Its two parts may not belong together: downloading it again")
        return obtain(item, folder, mirrors, checked, install)
    part.unlink(missing_ok=True)
    if checked and not item.sha256:
        noted = noted_checksums(folder) | {item.key: digest}
        temporary = folder / f"{NOTES}.tmp"
        temporary.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(folder / NOTES)
    return None


def noted_checksums(folder: Path) -> dict[str, str]:
    """The checksums {key: SHA-256} of earlier downloads into ``folder``."""
    try:
        return read_json(folder / NOTES, {str: str}, missing={})
    except UserError as error:
        raise UserError(f"{error}; delete the file and run the command again") from None

"""Shared by datasets/download.py and scripts/download_model.py: their options, and one download."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from util.console import say
from util.download.catalogue import Item, find
from util.download.transfer import WriteError, fetch
from util.errors import UsageError, UserError


def add_options(parser: ArgumentParser, items: list[Item]) -> None:
    """Add the options that both programs have."""
    kinds = list(dict.fromkeys(item.kind for item in items))
    parser.add_argument("name", nargs="?", help="--list shows all names")
    parser.add_argument(
        "--kind", choices=kinds, help="if several kinds have the name (default: the first of these)"
    )
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        help="try this host first (repeatable); also CYCLEGAN_MIRROR='URL ...'",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="accept a version that differs from the recorded checksum and image counts",
    )
    parser.add_argument(
        "--list", action="store_true", help="show all names with kind, size, images and terms"
    )


def chosen_item(args: Namespace, items: list[Item]) -> Item:
    """The item that ``args.name`` and ``args.kind`` select. Raises UsageError: there is none."""
    if not args.name:
        raise UsageError("no name given; --list shows all names")
    return find(items, args.name, args.kind)


def mirrors(urls: list[str]) -> list[str]:
    """``urls``, then the mirrors in the environment variable CYCLEGAN_MIRROR, split at spaces."""
    return [*urls, *os.environ.get("CYCLEGAN_MIRROR", "").split()]


def obtain(
    item: Item,
    folder: Path,
    hosts: list[str],
    checked: bool,
    install: Callable[[Path], None],
) -> None:
    """Download ``item`` to a part file in ``folder`` and call ``install`` with it.

    The checksum of an item without a recorded one is noted, and later downloads must match it.

    Args:
        hosts: mirrors to try before the official host.
        checked: verify the recorded or noted checksum and size.
        install: moves or unpacks the file; raises UserError if the content is wrong.

    Raises:
        UserError: see :func:`fetch` and ``install``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = (item.sha256 or known_checksum(folder, item.key)) if checked else None
    size = item.size if checked and item.sha256 else None
    part = folder / f".{item.kind}-{item.file}.part"
    resumed = part.exists()
    digest = fetch(item.urls(hosts), part, size, sha256)
    try:
        install(part)
    except WriteError:
        raise  # the part file is good, and the next call uses it
    except UserError as error:
        part.unlink()
        if not resumed:
            raise UserError(f"{item.file}: {error}") from None
        say(f"{item.file}: {error}. Its two parts may not belong together: downloading it again")
        return obtain(item, folder, hosts, checked, install)
    part.unlink(missing_ok=True)
    if checked and not item.sha256:
        note_checksum(folder, item.key, digest)
    return None


def known_checksum(folder: Path, key: str) -> str | None:
    """The checksum that an earlier download of ``key`` into ``folder`` noted, if any."""
    return _read_notes(folder).get(key)


def note_checksum(folder: Path, key: str, sha256: str) -> None:
    """Require this checksum in later downloads of ``key`` into ``folder``."""
    path = _notes(folder)
    text = json.dumps(_read_notes(folder) | {key: sha256}, indent=2, sort_keys=True) + "\n"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _notes(folder: Path) -> Path:
    return folder / ".checksums.json"


def _read_notes(folder: Path) -> dict[str, str]:
    path = _notes(folder)
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise UserError(f"{path} is damaged; delete it and run the command again") from None

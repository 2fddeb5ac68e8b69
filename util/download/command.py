"""Shared by datasets/download.py and scripts/download_model.py: their options, and one download."""

from __future__ import annotations

import json
import os
import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from util.console import say
from util.download.catalogue import Item
from util.download.transfer import WriteError, fetch
from util.download.unpack import SLACK, check_python, unpack
from util.errors import UserError
from util.files import read_json, write_atomically

NOTES = ".checksums.json"  # in the folder of a download
LARGEST = 16 << 30  # bytes of an item of unknown size


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
    by_hand: str,
) -> None:
    """Download ``item`` to a part file in ``folder`` and call ``install`` with it.

    The next host is tried if the file of one is missing, wrong or damaged. The checksum of an item
    without a recorded one is noted, and later downloads must match it.

    Args:
        mirrors: hosts to try first, before those of the environment variable CYCLEGAN_MIRROR.
        checked: verify the recorded or noted checksum and size.
        install: moves or unpacks the file; raises UserError if the content is wrong.
        by_hand: what to do with a file from a browser, for the error.

    Raises:
        UserError: no host worked; the message has the reason for each.
        WriteError: the disk is full or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = (item.sha256 or noted_checksums(folder).get(item.key)) if checked else None
    part = folder / f".{item.kind}-{item.file}.part"
    problems = []
    for url in item.urls([*mirrors, *os.environ.get("CYCLEGAN_MIRROR", "").split()]):
        try:
            digest = _obtain_from(url, item, part, sha256, checked, install)
            break
        except WriteError:
            raise  # the part file is good, and the next call uses it
        except UserError as error:
            problems.append(f"{url}: {error}")
    else:
        raise failure(item, problems, by_hand)
    part.unlink(missing_ok=True)
    if checked and not item.sha256:
        noted = noted_checksums(folder) | {item.key: digest}
        text = json.dumps(noted, indent=2, sort_keys=True) + "\n"
        write_atomically(folder / NOTES, text.encode())


def failure(item: Item, problems: list[str], by_hand: str) -> UserError:
    """An error with the reason of each host on a line of its own, and with two ways out."""
    other = "To use another host: --mirror URL or CYCLEGAN_MIRROR=URL"
    by_hand = f"By hand: download it in a browser, and {by_hand}"
    message = f"could not download {item.file}"
    error = UserError(f"{message}. {'; '.join(problems)}. {other}. {by_hand}")
    error.lines = [
        f"{message} from any of these hosts:",
        *(f"  {problem}" for problem in problems),
        "To resume, run the same command again.",
        other,
        by_hand,
    ]
    return error


def obtain_folder(
    item: Item,
    out: Path,
    mirrors: list[str],
    checked: bool,
    move: Callable[[Path], None],
) -> None:
    """Download ``item``, unpack it beside ``out`` and call ``move`` with the unpacked folder.

    ``move`` renames a part of that folder to ``out``; the rest is removed. See :func:`obtain` for
    the other arguments.

    Raises:
        UserError: see ``check_python``, ``obtain`` and ``unpack``.
    """
    check_python(item.file)
    unpacked = out.parent / f".{out.name}.unpacking"

    def install(archive: Path) -> None:
        shutil.rmtree(unpacked, ignore_errors=True)  # left behind by a killed process
        try:
            unpack(archive, unpacked)
            move(unpacked)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    splits = ", ".join(item.counts or item.splits)
    by_hand = f"unpack {item.file} so that {out} holds {splits}"
    obtain(item, out.parent, mirrors, checked, install, by_hand)


def _obtain_from(
    url: str,
    item: Item,
    part: Path,
    sha256: str | None,
    checked: bool,
    install: Callable[[Path], None],
) -> str:
    """Download from one URL, install, and return the SHA-256.

    A resumed file that is wrong is downloaded once more.
    """
    resumed = part.exists()
    size = item.size if checked and item.sha256 else None
    most = size or (4 * item.size + SLACK if item.size else LARGEST)
    digest = fetch(url, part, size, sha256, most)
    try:
        install(part)
    except WriteError:
        raise
    except UserError as error:
        part.unlink()
        if not resumed:
            raise
        say(f"{item.file}: {error}. Its two parts may not belong together: downloading it again")
        return _obtain_from(url, item, part, sha256, checked, install)
    return digest


def noted_checksums(folder: Path) -> dict[str, str]:
    """The checksums {key: SHA-256} of earlier downloads into ``folder``."""
    try:
        return read_json(folder / NOTES, {str: str}, missing={})
    except UserError as error:
        raise UserError(f"{error}; delete the file and run the command again") from None

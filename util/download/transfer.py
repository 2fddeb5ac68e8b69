"""Downloading a file so that a broken transfer goes on where it stopped and only what is whole and right is used."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from io import FileIO
from pathlib import Path
from typing import Any

from util.console import Progress, say
from util.errors import UserError

BLOCK = 1 << 16
TIMEOUT = 30.0  # seconds without a byte
PAUSES = (1.0, 3.0)  # seconds before each further try after one that brought nothing
AGENT = {"User-Agent": "cyclegan-download", "Accept-Encoding": "identity"}
BROKEN = (OSError, http.client.HTTPException)  # URLError, timeouts and resets are OSErrors
MIB = 2**20


class WriteError(UserError):
    """The disk, not the network, is at fault: no other try or place would help."""


def add_options(parser: ArgumentParser, unchecked: str, listed: str) -> None:
    """What all downloads have. Args: what ``--unchecked`` and ``--list`` do."""
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        help="look here first (repeatable); also CYCLEGAN_MIRROR='URL ...'",
    )
    parser.add_argument("--unchecked", action="store_true", help=unchecked)
    parser.add_argument("--list", action="store_true", help=listed)


def mirrors(given: list[str]) -> list[str]:
    """The mirrors of the command line, then those of the environment variable CYCLEGAN_MIRROR (separated by spaces)."""
    return [*given, *os.environ.get("CYCLEGAN_MIRROR", "").split()]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(urls: list[str], part: Path, size: int | None = None, sha256: str | None = None) -> str:
    """Download the first of ``urls`` that works to ``part`` and return its SHA-256. What ``part`` holds is continued.

    A part that turns out wrong is thrown away; one that is only short stays, for the next call.

    Raises:
        UserError: no place gave the file; says why each did not.
    """
    problems = []
    for url in urls:
        try:
            digest = _fetch_right(url, part, size, sha256)
        except WriteError:
            raise
        except (UserError, *BROKEN) as error:
            problems.append(f"{url}: {_reason(error)}")
        else:
            return digest
    raise UserError(
        f"could not download {part.name.removeprefix('.').removesuffix('.part')}. "
        + "; ".join(problems)
        + ". To go on, give the same command again; another place: --mirror URL or CYCLEGAN_MIRROR=URL"
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended too early"
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _fetch_right(url: str, part: Path, size: int | None, sha256: str | None) -> str:
    """One place: the whole file, checked; a continued file that is wrong is fetched once more from its start."""
    continued = part.exists()
    if not (continued and sha256 and sha256_of(part) == sha256):
        _fetch_whole(url, part, size)
    digest = sha256_of(part)
    if sha256 in (None, digest):
        return digest
    part.unlink()
    if continued:
        say("what was continued is not the file that was begun: once more from the start")
        return _fetch_right(url, part, size, sha256)
    raise UserError(
        f"SHA-256 is {digest}, recorded is {sha256} (if this place has its own version: --unchecked)"
    )


def _fetch_whole(url: str, part: Path, size: int | None) -> None:
    """All bytes of ``url``, in as many tries as bring something; a try that brings nothing pauses longer each time."""
    pauses = list(PAUSES)
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _try(url, part, size)
        except WriteError:
            raise
        except BROKEN as error:
            if isinstance(error, urllib.error.URLError) and getattr(error, "code", 0) < 500:
                raise  # not there, or nobody answers: the next place
            if part.exists() and part.stat().st_size > before:
                pauses = list(PAUSES)
            if not pauses:
                raise
            time.sleep(pauses.pop(0))


def _open(url: str, start: int) -> tuple[Any, int, int | None]:
    """The answer, the byte it begins at (0 if the server ignores ranges), and the size of the whole file if it says so."""
    headers = AGENT | ({"Range": f"bytes={start}-"} if start else {})
    answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    if getattr(answer, "status", 200) == 206:
        begin, _, total = (
            answer.headers.get("Content-Range", "")
            .removeprefix("bytes ")
            .replace("-", "/")
            .split("/")
        )
        return answer, int(begin), int(total) if total.isdigit() else None
    length = answer.headers.get("Content-Length")
    return answer, 0, int(length) if length else None


def _try(url: str, part: Path, size: int | None) -> None:
    """One request, from the end of ``part`` on."""
    start = part.stat().st_size if part.exists() else 0
    try:
        answer, begin, total = _open(url, start)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return  # it is complete
        part.unlink()  # longer than the file there is
        answer, begin, total = _open(url, 0)
    except ValueError as error:
        raise UserError(f"not a web address or an odd answer: {error}") from None
    with answer:
        if begin not in (0, start):
            raise http.client.HTTPException(f"asked for byte {start}, got {begin}")
        total = total or size
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise UserError("a web page came instead of the file")
        if size and total != size:
            raise UserError(
                f"it has {total} bytes, recorded are {size} (if this place has its own version: --unchecked)"
            )
        _check_space(part, (total or 0) - begin)
        say(
            f"{'continuing' if begin else 'downloading'} {url}"
            + (f", {total / MIB:.1f} MiB" if total else "")
        )
        done = _copy(answer, part, begin, total)
    if total and done != total:
        raise http.client.IncompleteRead(b"", total - done)


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise WriteError(
            f"{part.parent}: {needed / MIB:.1f} MiB are to come, {free / MIB:.1f} MiB are free"
        )


def _copy(answer: Any, part: Path, begin: int, total: int | None) -> int:
    """Append the answer to the first ``begin`` bytes of ``part``; the size it then has."""
    progress, done = (
        Progress(total or 1, part.name.removeprefix(".").removesuffix(".part"), begin),
        begin,
    )
    try:
        with _writable(part, begin) as file:
            while block := answer.read1(BLOCK):
                _write(file, block)
                done += len(block)
                progress.update(len(block), f"{done / MIB:.1f} MiB")
    finally:
        progress.close()
    return done


def _writable(part: Path, begin: int) -> FileIO:
    try:
        file = FileIO(part, "r+b" if begin else "wb")  # unbuffered: what is counted is on the disk
        file.seek(begin)
    except OSError as error:
        raise WriteError(f"cannot write {part}: {error.strerror}") from None
    return file


def _write(file: FileIO, block: bytes) -> None:
    try:
        while block:
            block = block[file.write(block) :]
    except OSError as error:
        raise WriteError(
            f"cannot write {file.name}: {error.strerror}; make room, then the same command goes on"
        ) from None


def known_checksum(folder: Path, key: str) -> str | None:
    """What the first download of ``key`` into ``folder`` noted, if there was one."""
    return _read_notes(folder).get(key)


def note_checksum(folder: Path, key: str, sha256: str) -> None:
    """Later downloads of ``key`` into ``folder`` must have this checksum."""
    notes, path = _read_notes(folder), folder / ".checksums.json"
    if notes.get(key) == sha256:
        return
    temporary = path.with_suffix(".tmp")
    temporary.write_text(
        json.dumps(notes | {key: sha256}, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    temporary.replace(path)


def _read_notes(folder: Path) -> dict[str, str]:
    path = folder / ".checksums.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise UserError(f"{path} is damaged; remove it to begin it anew") from None

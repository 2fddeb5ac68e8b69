"""Downloading a file: interrupted transfers resume, and checksums are verified."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from util.console import Progress, say
from util.errors import UserError, first_line, reason_of

BLOCK = 1 << 16  # bytes
TIMEOUT = 30.0  # seconds without data
MIN_SPEED = 1000  # bytes per second
PAUSES = (1.0, 3.0)  # seconds before the retries after a request that brought no data
HEADERS = {"User-Agent": "cyclegan-download", "Accept-Encoding": "identity"}
NETWORK_ERRORS = (OSError, http.client.HTTPException)  # URLError and timeouts are OSErrors
FREE_SPACE = "free some space, then run the same command again"
MIB = 2**20


def _opener() -> urllib.request.OpenerDirector:
    """Return what follows redirects within http and https, and to no other kind of address."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


class WriteError(UserError):
    """The disk failed, not the network: another request or host would not help."""


def shown_name(part: Path) -> str:
    """The name of a part file for messages, e.g. ``maps.zip`` for ``.maps.zip.part``."""
    return part.name.removeprefix(".").removesuffix(".part")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(url: str, part: Path, size: int | None, sha256: str | None, most: int) -> str:
    """Download ``url`` to ``part``, and return its SHA-256.

    If ``part`` exists, the download continues at its end. A wrong part file is deleted; an
    incomplete one stays for the next call.

    Args:
        size: the expected number of bytes, if known.
        sha256: the expected checksum, if known.
        most: a number of bytes beyond which the response cannot be the file.

    Raises:
        UserError: another URL may work; the message is one line without the URL.
        WriteError: the disk is full or ``part`` cannot be written.
    """
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise WriteError(f"{part} should be a file; move it away")
    try:
        return _fetch_verified(url, part, size, sha256, most)
    except NETWORK_ERRORS as error:
        raise UserError(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Return why a request failed, without the frame that urllib puts around the reason."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return reason_of(error.reason)
    return first_line(error)


def _fetch_verified(url: str, part: Path, size: int | None, sha256: str | None, most: int) -> str:
    """Download from one URL and verify; a resumed file that is wrong is downloaded once more."""
    resumed = part.exists()
    if not (resumed and sha256 and sha256_of(part) == sha256):
        _fetch_all(url, part, size, most)
    digest = sha256_of(part)
    if sha256 in (None, digest):
        return digest
    part.unlink()
    if resumed:
        say("the part file does not belong to this download: starting again from the beginning")
        return _fetch_verified(url, part, size, sha256, most)
    raise UserError(f"SHA-256 is {digest}, expected {sha256} (--unchecked accepts it)")


def _fetch_all(url: str, part: Path, size: int | None, most: int) -> None:
    """Repeat the request until all data is there; give up when ``PAUSES`` brought little data."""
    pauses = list(PAUSES)
    while True:
        before = _size(part)
        try:
            return _request(url, part, size, most)
        except NETWORK_ERRORS as error:
            if isinstance(error, urllib.error.URLError) and getattr(error, "code", 0) < 500:
                raise  # the file does not exist there, or there is no such host
            if _size(part) >= before + MIN_SPEED:
                pauses = list(PAUSES)
            if not pauses:
                raise
            time.sleep(pauses.pop(0))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _request(url: str, part: Path, size: int | None, most: int) -> None:
    """Make one request for the data after the end of ``part``, and append the data."""
    end = _size(part)
    headers = HEADERS | ({"Range": f"bytes={end}-"} if end else {})
    try:
        request = urllib.request.Request(url, headers=headers)
        response = _opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # range not satisfiable
            raise
        if error.headers.get("Content-Range") == f"bytes */{end}":
            return None  # the part file is already complete
        part.unlink()  # the part file is longer than the file on the server
        return _request(url, part, size, most)
    except ValueError as error:
        raise UserError(f"not a web address: {first_line(error)}") from None
    with response:
        start, total = _range(response)
        total = total or size or 0
        if start not in (0, end):
            raise http.client.HTTPException(f"requested byte {end}, received {start}")
        if "text/html" in response.headers.get("Content-Type", ""):
            raise UserError("the response is a web page, not the file")
        if size and total != size:
            raise UserError(f"it has {total} bytes, expected {size} (--unchecked accepts it)")
        _check_space(part, start, total, size, most)
        amount = f", {total / MIB:.1f} MiB" if total else ""
        say(f"{'resuming' if start else 'downloading'} {url}{amount}")
        _append(response, part, start, total, most)
    if total and _size(part) != total:
        raise http.client.HTTPException("the connection was closed too early")
    return None


def _check_space(part: Path, start: int, total: int, size: int | None, most: int) -> None:
    """Raise a UserError if ``total`` bytes cannot be right, or are more than the disk has."""
    if total > most:
        raise UserError(f"it has {total} bytes, which is far too many")
    needed, free = total - start, shutil.disk_usage(part.parent).free
    if needed > free:
        space = f"{needed / MIB:.1f} MiB are needed, {free / MIB:.1f} MiB are free"
        # Only a size that is known from elsewhere is sure: the next host may have a smaller file.
        raise (WriteError if size else UserError)(f"{part.parent}: {space}")


def _range(response: Any) -> tuple[int, int]:
    """(Position of the response's first byte in the file, the file's size or 0 if unknown).

    Servers that do not support ranges send the file from position 0.
    """
    if response.status != 206:  # not a part of the file
        length = response.headers.get("Content-Length") or "0"
        if not re.fullmatch(r"\d{1,18}", length):
            raise http.client.HTTPException(f"unexpected Content-Length: {length[:40]}")
        return 0, int(length)
    header = response.headers.get("Content-Range", "")
    match = re.match(r"bytes (\d{1,18})-\d+/(\d{0,18})(?!\d)", header)
    if not match:
        raise http.client.HTTPException(f"unexpected Content-Range: {header[:40]}")
    return int(match[1]), int(match[2] or 0)


def _append(response: Any, part: Path, start: int, total: int, most: int) -> None:
    """Write the response to ``part`` from byte ``start`` on, which is 0 or the end.

    Raises:
        TimeoutError: ``TIMEOUT`` seconds brought less than ``MIN_SPEED`` bytes per second.
        UserError: the response is longer than ``total``, or than ``most`` if that is unknown.
    """
    with _disk_errors(part):
        file = part.open("ab" if start else "wb", buffering=0)
    with file, closing(Progress(total, shown_name(part), start)) as progress:
        since, before = time.monotonic(), progress.done
        while block := response.read1(BLOCK):
            progress.update(len(block), f"{progress.done / MIB:.1f} MiB")
            if progress.done > (total or most):
                part.unlink()
                raise UserError(f"it sends more than {total or most} bytes")
            with _disk_errors(part):
                while block:
                    block = block[file.write(block) :]
            if time.monotonic() - since > TIMEOUT:
                if progress.done - before < MIN_SPEED * TIMEOUT:
                    raise TimeoutError(f"slower than {MIN_SPEED} bytes per second")
                since, before = time.monotonic(), progress.done


@contextmanager
def _disk_errors(part: Path) -> Iterator[None]:
    """Raise a :class:`WriteError` instead of an OSError."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"cannot write {part}: {error.strerror}; {FREE_SPACE}") from None

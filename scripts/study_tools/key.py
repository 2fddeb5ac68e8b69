"""The key of a study: which of its images are real, and which method made the others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from util.errors import UserError
from util.files import read_json

KEY_VERSION = 1
PAIR = {"real": str, "fake": str, "real_file": str, "fake_file": str}
KEY: dict[str, Any] = {
    "version": int,
    "study": str,
    "practice": int,
    "trials": int,
    "seconds": float,
    "size": int,
    "groups": {str: {"name": str, "practice": [PAIR], "scored": [PAIR]}},
    "checksum": str,
}


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """Return a key with its checksum, so that a damaged one is not used."""
    return content | {"checksum": checksum(content)}


def checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a key without its own entry ``checksum``."""
    parts = {name: value for name, value in content.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_key(path: Path) -> dict[str, Any]:
    """Return the key of a study. Raises UserError: the file is no key, or it is damaged."""
    key = read_json(path, KEY)
    if key["version"] != KEY_VERSION:
        raise UserError(f"{path}: is a key of version {key['version']}, should be {KEY_VERSION}")
    if key["checksum"] != checksum(key):
        raise UserError(f"{path}: is damaged or was edited: its checksum does not fit")
    return key

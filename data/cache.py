"""Pixels that are decoded and resized once (``--cache_images``), as memory-mapped files that all workers and runs share."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from util.checkpoint import write_atomically

HEADER = struct.Struct("<3I")  # height, width, channels; then the bytes


class Cache:
    """One file per image, written when it is first read, under a name that tells its source and how it was made.

    The system keeps what is used in memory, once for all processes, and drops it where memory gets short.
    """

    def __init__(self, folder: Path, recipe: tuple) -> None:
        """Args: recipe: what the pixels of all images depend on."""
        self.folder, self.recipe = folder, recipe

    def get(
        self, path: str, channels: tuple[int, ...], make: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """The array uint8 (H, W, C) that ``make`` once gave for ``path``, as that file is now. Not to be written to.

        Raises:
            UserError: the cache cannot be written; and what ``make`` raises.
        """
        try:
            source = os.stat(path)
        except OSError:
            return make()  # which says what is wrong
        key = repr(
            (os.path.abspath(path), source.st_mtime_ns, source.st_size, channels, self.recipe)
        )
        file = (
            self.folder
            / hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        )
        try:
            with file.open("rb") as opened:
                data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            return np.frombuffer(data, np.uint8, offset=HEADER.size).reshape(
                HEADER.unpack_from(data)
            )
        except (OSError, ValueError, struct.error):  # not there, or damaged
            array = make()
            write_atomically(file, HEADER.pack(*array.shape) + array.tobytes(), "--cache_images")
            return array

"""Images decoded and resized once (``--cache_images``), in files that workers and runs share."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from util.files import write_atomically

HEADER = struct.Struct("<3I")  # width, height, channels; the pixels follow
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Cache:
    """One file per source file, written the first time the source is read.

    The name of the file is a digest of the source's path, time and size and of all settings that
    change the pixels. The operating system keeps the files in memory while there is room.
    """

    def __init__(self, folder: Path, settings: tuple) -> None:
        """Args: settings: everything that the pixels of all images depend on."""
        self.folder, self.settings = folder, settings

    def get(
        self, path: str, settings: tuple, load: Callable[[], list[Image.Image]]
    ) -> list[Image.Image]:
        """Return the images of the file at ``path``, from the cache or from ``load()``.

        Args:
            settings: everything else that the pixels of these images depend on.

        Raises:
            UserError: the cache cannot be written, or ``load`` raises it.
        """
        try:
            source = os.stat(path)
        except OSError:
            return load()  # raises an error that names the file
        version = (os.path.abspath(path), source.st_mtime_ns, source.st_size)
        key = repr((*version, settings, self.settings)).encode(errors="surrogateescape")
        file = self.folder / hashlib.blake2b(key, digest_size=16).hexdigest()
        try:
            return _unpack(file.read_bytes())
        except (OSError, ValueError, struct.error):  # missing or damaged
            images = load()
            write_atomically(file, b"".join(map(_pack, images)), "--cache_images")
            return images


def _pack(image: Image.Image) -> bytes:
    return HEADER.pack(*image.size, len(image.getbands())) + image.tobytes()


def _unpack(data: bytes) -> list[Image.Image]:
    """Raises ValueError or struct.error if ``data`` is damaged."""
    images: list[Image.Image] = []
    start = 0
    while not images or start < len(data):
        width, height, channels = HEADER.unpack_from(data, start)
        start += HEADER.size
        end = start + width * height * channels
        if channels not in MODES or end > len(data):
            raise ValueError
        images.append(Image.frombytes(MODES[channels], (width, height), data[start:end]))
        start = end
    return images

"""Writing image files; this module does not load PyTorch."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from util.errors import UserError, reason_of
from util.files import no_link

# This zlib strategy is six times as fast as Pillow's default; files are 2 % larger.
PNG_RLE = 3
LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # in pixels


def stretched(size: tuple[int, int], aspect_ratio: float) -> tuple[int, int]:
    """Enlarge one side of ``size`` (width, height) so that height / width grows by this factor."""
    width, height = size
    if aspect_ratio >= 1:
        return width, int(height * aspect_ratio)
    return int(width / aspect_ratio), height


def check_size(size: tuple[int, int], path: Path) -> None:
    """Raise a UserError if the format of ``path`` cannot hold an image of ``size``."""
    longest = LONGEST_SIDE.get(path.suffix.lower())
    if longest and max(size) > longest:
        raise UserError(
            f"cannot write {path}: the image has {size[0]}x{size[1]} pixels, and the longest side "
            f"of this format is {longest}; choose .png"
        )


def save_image(image: np.ndarray | Image.Image, path: Path, aspect_ratio: float = 1.0) -> None:
    """Write an image, uint8 (H, W, C), stretched by ``aspect_ratio``; creates missing folders.

    Raises:
        UserError: the file cannot be written, is a link to another one, or the image is too large
            for the format.
    """
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if path.suffix.lower() in (".jpg", ".jpeg"):  # JPEG has no alpha channel
        picture = picture.convert("RGB")
    size = stretched(picture.size, aspect_ratio)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    check_size(size, path)
    # each format ignores the options of the others
    write_file(path, lambda: encoded(picture, path, compress_type=PNG_RLE, quality=95))


def write_file(path: Path, encode: Callable[[], bytes]) -> None:
    """Write what ``encode`` returns to a file; creates missing folders.

    Raises UserError: it cannot be encoded or written, or is a link to another file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = encode()
        with open(path, "wb", opener=no_link) as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or path}: {reason_of(error)}") from None


def encoded(image: Image.Image, path: Path, **options: Any) -> bytes:
    """Return the content of an image file, in the format that the name of ``path`` says.

    When Pillow itself writes a file, it misses that a full disk has taken only a part of a block.

    Args:
        options: those of ``Image.save``.

    Raises:
        ValueError: the extension is none of an image.
    """
    content, kind = io.BytesIO(), Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"unknown file extension: {path.suffix or path.name}")
    image.save(content, format=kind, **options)
    return content.getvalue()


class ImageWriter:
    """Encodes and writes images in threads. The queue is bounded, and with it the memory."""

    def __init__(self) -> None:
        threads = min(8, os.cpu_count() or 1)
        self.pool, self.limit = ThreadPoolExecutor(threads, "images"), 4 * threads
        self.jobs: deque[Future] = deque()

    def save(self, image: np.ndarray, path: Path, aspect_ratio: float = 1.0) -> None:
        """Queue a call of :func:`save_image`; see :meth:`submit`."""
        self.submit(save_image, image, path, aspect_ratio)

    def submit(self, save: Callable[..., object], *arguments: Any) -> None:
        """Queue a call of ``save``; wait if the queue is full.

        Raises:
            UserError: an earlier image could not be written.
        """
        while self.jobs and (len(self.jobs) == self.limit or self.jobs[0].done()):
            self.jobs.popleft().result()
        self.jobs.append(self.pool.submit(save, *arguments))

    def close(self) -> None:
        """Wait until all images are written. Raises UserError: one could not be written."""
        self.pool.shutdown()
        for job in self.jobs:
            job.result()

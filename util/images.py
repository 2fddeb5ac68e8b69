"""From network output to image files."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from util.errors import UserError

PNG_RLE = 3  # of zlib's strategies: six times as fast as Pillow's default, with files 2 % larger and the same pixels


def tensor2im(image: torch.Tensor | np.ndarray, index: int = 0) -> np.ndarray:
    """Image ``index`` of a batch (N, C, H, W) in [-1, 1] as uint8 (H, W, 3), rounded to the nearest level.

    One channel becomes gray; two (gray, alpha) and four (RGB, alpha) stay as they are. Arrays pass: (H, W, C) in [0, 255].
    """
    if not isinstance(image, torch.Tensor):
        return np.asarray(image).clip(0, 255).round().astype(np.uint8)
    x = image[index].detach().float().add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8).cpu()
    return (x.expand(3, -1, -1) if len(x) == 1 else x).permute(1, 2, 0).numpy()


def stretched(size: tuple[int, int], aspect_ratio: float) -> tuple[int, int]:
    """(width, height) of which one side is enlarged so that height over width is ``aspect_ratio`` times what it was."""
    width, height = size
    return (
        (width, int(height * aspect_ratio))
        if aspect_ratio >= 1
        else (int(width / aspect_ratio), height)
    )


def save_image(image: np.ndarray | Image.Image, path: Path, aspect_ratio: float = 1.0) -> None:
    """Write uint8 (H, W, C), stretched so that height over width is ``aspect_ratio`` times what it was."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if path.suffix.lower() in (".jpg", ".jpeg"):  # which have no alpha
        picture = picture.convert("RGB")
    size = stretched(picture.size, aspect_ratio)
    picture = picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = (
        {"compress_type": PNG_RLE} if path.suffix == ".png" else {"quality": 95}
    )
    picture.save(path, **options)


class ImageWriter:
    """Encodes and writes images in threads, a few at a time, so that memory stays bounded."""

    def __init__(self) -> None:
        threads = min(8, os.cpu_count() or 1)
        self.pool, self.most = ThreadPoolExecutor(threads, "images"), 4 * threads
        self.jobs: deque[Future] = deque()

    def save(self, image: np.ndarray, path: Path, aspect_ratio: float = 1.0) -> None:
        """As :func:`save_image`, later; waits while too many images do. Raises UserError: an earlier one was not written."""
        while self.jobs and (len(self.jobs) == self.most or self.jobs[0].done()):
            self.jobs.popleft().result()
        self.jobs.append(self.pool.submit(_save, image, path, aspect_ratio))

    def close(self) -> None:
        """Wait for all. Raises UserError: one was not written."""
        self.pool.shutdown()
        for job in self.jobs:
            job.result()


def _save(image: np.ndarray, path: Path, aspect_ratio: float) -> None:
    try:
        save_image(image, path, aspect_ratio)
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or path}: {error.strerror or error}"
        ) from None

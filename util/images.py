"""From network outputs to image files."""

from __future__ import annotations

import functools
import io
import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from util.console import say
from util.errors import UserError, first_line
from util.files import no_link

# This zlib strategy is six times as fast as Pillow's default; files are 2 % larger.
PNG_RLE = 3
LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # in pixels


def tensor2im(image: torch.Tensor | np.ndarray, index: int = 0) -> np.ndarray:
    """Convert one image of a batch to uint8 (H, W, 3), rounded to the nearest level.

    Args:
        image: batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255]. One channel becomes
            gray; two (gray, alpha) and four channels (RGB, alpha) stay as they are.
        index: position in the batch.
    """
    if not isinstance(image, torch.Tensor):
        return np.asarray(image).clip(0, 255).round().astype(np.uint8)
    x = image[index].detach().float().add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8).cpu()
    return (x.expand(3, -1, -1) if len(x) == 1 else x).permute(1, 2, 0).numpy()


def show_images(
    visuals: Mapping[str, Any], index: int = 0, report: Callable[[str], None] | None = None
) -> dict[str, np.ndarray]:
    """Convert images to what pages, displays and image files can show.

    Args:
        visuals: label -> batch (N, C, H, W) in [-1, 1], or an array (H, W, C) in [0, 255].
        index: position in the batches.
        report: gets a line about each label that is not shown as it is; None prints it once.

    Returns:
        label -> uint8 (H, W, C) with 2 to 4 channels, see :func:`tensor2im`. Of more channels the
        first three are shown, and of more dimensions the first entry. What is no image is left
        out.
    """
    shown, report = {}, report or _say_once
    for label, image in visuals.items():
        try:
            shown[label] = _show(label, image, index, report)
        except Exception as error:  # the images of a custom model can be anything
            report(f"{label} cannot be shown as an image: {first_line(error)}")
    return shown


def _show(label: str, image: object, index: int, report: Callable[[str], None]) -> np.ndarray:
    """Return an image as uint8 (H, W, C), C from 2 to 4. Raises anything: it is no image."""
    if isinstance(image, torch.Tensor):
        x = image[index].detach()
        shape = " x ".join(map(str, x.shape)) or "a single number"
        x = x[None] if x.dim() == 2 else x
        while x.dim() > 3:
            x = x[:, 0]
            report(f"{label} is {shape} for each image: the first {x[0].dim()}-D part is shown")
        if x.dim() != 3 or 0 in x.shape or x.is_complex():
            raise ValueError(f"it is {shape} of {x.dtype}, and should be C x H x W")
        if x.isnan().any():
            report(f"{label} has values that are not numbers (NaN): they are shown as black")
        array = tensor2im(x.nan_to_num(nan=-1)[None])
    elif not isinstance(image, (np.ndarray, Image.Image)):
        raise TypeError(f"it is of type {type(image).__name__}, and should be a tensor")
    else:
        array = tensor2im(np.asarray(image))
        array = array[..., None].repeat(3, -1) if array.ndim == 2 else array
        array = array.repeat(3, -1) if array.shape[-1] == 1 else array
        if array.ndim != 3 or 0 in array.shape:
            raise ValueError(f"its shape is {array.shape}, and should be (H, W, C)")
    if array.shape[2] > 4:
        report(f"{label} has {array.shape[2]} channels: the first three are shown")
        array = np.ascontiguousarray(array[..., :3])
    return array


@functools.cache
def _say_once(message: str) -> None:
    say(message)


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # each format ignores the options of the others
        content = encoded(picture, path, compress_type=PNG_RLE, quality=95)
        with open(path, "wb", opener=no_link) as file:
            file.write(content)
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or path}: {error.strerror or error}"
        ) from None


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
        """Queue a call of :func:`save_image`; wait if the queue is full.

        Raises:
            UserError: an earlier image could not be written.
        """
        while self.jobs and (len(self.jobs) == self.limit or self.jobs[0].done()):
            self.jobs.popleft().result()
        self.jobs.append(self.pool.submit(save_image, image, path, aspect_ratio))

    def close(self) -> None:
        """Wait until all images are written. Raises UserError: one could not be written."""
        self.pool.shutdown()
        for job in self.jobs:
            job.result()

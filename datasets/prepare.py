"""What the preparation tools share: listing, reading, joining and writing images, and running many such jobs."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from util.console import Progress, warn
from util.errors import UserError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp"}
Job = TypeVar("Job")
Pair = tuple[Path, Path, Path]  # image A, image B, and where to write both


def list_images(folder: Path) -> list[Path]:
    """The images that lie directly in ``folder``, sorted; hidden files (such as macOS's ``._x.jpg``) are none."""
    try:
        return sorted(
            p
            for p in folder.iterdir()
            if p.suffix.lower() in EXTENSIONS and not p.name.startswith(".")
        )
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error


def by_name(paths: Iterable[Path], name: Callable[[Path], str]) -> dict[str, Path]:
    """``paths`` by ``name``, composed and decomposed accents being the same (macOS writes the latter)."""
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(unicodedata.normalize("NFC", name(path)), path)
        if other is not path:
            raise UserError(
                f"{other} and {path} have the same name; pairs are made by name, so keep one of them"
            )
    return found


def warn_unpaired(
    paths: Sequence[Path], folder: Path, partners: Path | str, shown: int = 5
) -> None:
    """Say which files of ``folder`` are left out because ``partners`` holds nothing for them."""
    if paths:
        more = f" and {len(paths) - shown} more" if len(paths) > shown else ""
        names = ", ".join(p.name for p in paths[:shown])
        warn(f"{len(paths)} in {folder} left out, without a partner in {partners}: {names}{more}")


def read_image(path: Path) -> Image.Image:
    """An RGB image, upright as its EXIF orientation says; 16-bit values are scaled to 8 bits, not clipped."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):
                return Image.fromarray(
                    (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
                ).convert("RGB")
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # Pillow's decoders raise many kinds
        raise UserError(f"cannot read image {path}: {error}") from error


def write_image(image: Image.Image, path: Path, quality: int = 95) -> None:
    """Write ``path`` whole or not at all; lossless but for JPEG, which keeps the full colour resolution."""
    temporary = path.with_name(f"{path.name}.tmp")
    kind = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(temporary, format=kind, **options.get(kind, {}))
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """One image out of two of the same height."""
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def join_files(pair: Pair) -> None:
    """Write A and B, which must be of one size, next to each other."""
    path_a, path_b, out = pair
    a, b = read_image(path_a), read_image(path_b)
    if a.size != b.size:
        sizes = f"{path_a} is {a.width}x{a.height}, {path_b} is {b.width}x{b.height}"
        raise UserError(f"the images of a pair must have the same size: {sizes}")
    write_image(side_by_side(a, b), out)


def run_jobs(
    work: Callable[[Job], None], jobs: Sequence[Job], label: str, threads: int = os.cpu_count() or 1
) -> None:
    """Call ``work`` on every job, several at once: Pillow decodes, resizes and encodes outside Python's lock.

    A bad image does not stop the others.

    Raises:
        UserError: says what went wrong, a line for each job that raised one; every other error is passed on at once.
    """

    def attempt(job: Job) -> str | None:
        try:
            work(job)
        except UserError as error:
            return str(error)
        return None

    bar, pool, problems = Progress(len(jobs), label), ThreadPoolExecutor(threads), []
    try:
        for problem in pool.map(attempt, jobs):
            bar.update()
            if problem:
                problems.append(problem)
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
    if len(problems) == 1:
        raise UserError(problems[0])
    if problems:
        raise UserError(
            f"{len(problems)} of {len(jobs)} failed, the others are done:\n  "
            + "\n  ".join(problems)
        )


def warn_leftovers(written: Iterable[Path]) -> None:
    """Say which images in the folders of ``written`` are not from this run, as they would be trained on too."""
    files = set(written)
    for folder in sorted({p.parent for p in files}):
        old = [p.name for p in list_images(folder) if p not in files]
        if old:
            warn(
                f"{folder} also holds {len(old)} not made by this run, such as {old[0]}; remove what is not wanted"
            )

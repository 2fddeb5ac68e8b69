"""Functions of the preparation tools: list, match, join and write images, and run many jobs."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from data.image_file import check_values, read_image
from data.listing import REDUCED, is_image_file
from util.console import Progress, say, warn
from util.errors import UserError, reason_of
from util.image.writing import check_size, encoded
from util.words import amount

THREADS = os.cpu_count() or 1
SHOWN = 5  # files or reasons in a message
Job = TypeVar("Job")
Pair = tuple[Path, Path, Path]  # image A, image B, and the file to write


def require_folder(flag: str, folder: Path) -> None:
    """Raise a UserError unless ``folder``, the value of ``flag``, is a folder."""
    if not folder.is_dir():
        raise UserError(f"{flag} {folder}: there is no such folder")


def list_images(folder: Path) -> list[Path]:
    """The images directly in ``folder``, sorted, without hidden files such as ``._x.jpg``."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from error
    return [folder / name for name in names if is_image_file(name) and not name.startswith(".")]


def warn_subfolders(folder: Path) -> None:
    """Warn about folders in ``folder`` that hold images: the preparation tools do not read them."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    names = [path.name for path in inside if any(is_image_file(p.name) for p in path.iterdir())]
    names = [name for name in names if not name.startswith((".", "@", "__"))]
    if names:
        warn(f"images in sub-folders are left out: {folder} has {', '.join(names[:SHOWN])}")


def by_name(paths: Iterable[Path], name: Callable[[Path], str]) -> dict[str, Path]:
    """``paths`` by ``name``, with composed accents (macOS writes decomposed ones).

    Raises:
        UserError: two paths have the same name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        first = named.setdefault(unicodedata.normalize("NFC", name(path)), path)
        if first is not path:
            raise UserError(f"{first} and {path} have the same name; keep only one of them")
    return named


def match(
    files_a: dict[str, Path], files_b: dict[str, Path], folder_a: Path, folder_b: Path
) -> list[tuple[Path, Path]]:
    """The pairs of files with the same name, in A's order; warns about files without a partner."""
    for files, folder, others, other in (
        (files_a, folder_a, files_b, folder_b),
        (files_b, folder_b, files_a, folder_a),
    ):
        unpaired = [path.name for name, path in files.items() if name not in others]
        if unpaired:
            more = f" and {len(unpaired) - SHOWN} more" if len(unpaired) > SHOWN else ""
            names = ", ".join(unpaired[:SHOWN]) + more
            count = amount(len(unpaired), "file")
            warn(f"{count} of {folder} without a partner in {other}: {names}")
    return [(path, files_b[name]) for name, path in files_a.items() if name in files_b]


def write_image(image: Image.Image, path: Path, quality: int = 95) -> None:
    """Write ``path`` completely or not at all; lossless, or JPEG with full colour resolution.

    Raises:
        UserError: the image is too large for the format, or the file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    check_size(image.size, path)
    options = {"quality": quality, "subsampling": 0, "lossless": True}  # each format uses its own
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # it may be a link to another file
        with temporary.open("xb") as file:
            file.write(encoded(image, path, **options))
        temporary.replace(path)
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise UserError(f"cannot write {path}: {reason}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Join two RGB images of the same height."""
    return Image.fromarray(np.hstack([np.asarray(left), np.asarray(right)]))


def join_files(pair: Pair) -> None:
    """Write A and B next to each other. Raises UserError: their sizes differ."""
    path_a, path_b, out = pair
    a, b = read_image(str(path_a)), read_image(str(path_b))
    if a.size != b.size:
        sizes = f"{path_a} is {a.width}x{a.height}, {path_b} is {b.width}x{b.height}"
        raise UserError(f"the images of a pair must have the same size: {sizes}")
    write_image(side_by_side(a, b), out)


def join_pairs(pairs: list[Pair], folder: Path, threads: int = THREADS) -> None:
    """Write all pairs (see :func:`join_files`), warn about older images, and report."""
    for images in list(zip(*pairs, strict=True))[:2]:
        source = str(images[0].parent)
        if check_values([str(path) for path in images], source):
            warn(f"{source}: {REDUCED}")
    run_jobs(join_files, pairs, "Joining", threads)
    warn_leftovers(out for _, _, out in pairs)
    say(f"wrote {amount(len(pairs), 'pair')} to {folder}")


def run_jobs(
    work: Callable[[Job], None], jobs: Sequence[Job], label: str, threads: int = THREADS
) -> None:
    """Call ``work`` on every job in ``threads``: Pillow releases Python's lock.

    A bad image does not stop the other jobs.

    Raises:
        UserError: one or more jobs raised one; the line holds the first few. Other errors stop at
            once.
    """
    progress, pool, problems = Progress(len(jobs), label), ThreadPoolExecutor(threads), []
    try:
        for result in [pool.submit(work, job) for job in jobs]:
            try:
                result.result()
            except UserError as error:
                problems.append(str(error))
            progress.update()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    if len(problems) == 1:
        raise UserError(problems[0])
    if problems:
        first = "; ".join(problems[:SHOWN]) + ("; ..." if len(problems) > SHOWN else "")
        raise UserError(f"{len(problems)} of {len(jobs)} failed, the others are done: {first}")


def warn_leftovers(written: Iterable[Path]) -> None:
    """Warn about other images in the folders of ``written``: training would use them too."""
    files = set(written)
    for folder in sorted({path.parent for path in files}):
        old = [path.name for path in list_images(folder) if path not in files]
        if old:
            warn(
                f"{folder} also holds {amount(len(old), 'image')} that this run did not write, "
                f"such as {old[0]}; delete those that you do not want"
            )

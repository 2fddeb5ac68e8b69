"""Pairs of a real and a generated image, and image files that do not reveal which is which."""

from __future__ import annotations

import secrets
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image, ImageOps

from data.image_file import read_image
from scripts.evaluation.pairs import Images
from util.console import Progress, say
from util.errors import naming
from util.image.writing import save_image

PADDING = b"paDd"  # a private chunk of a PNG, which viewers skip
CHUNK = 12  # bytes of a chunk of a PNG without its data


@dataclass
class Pair:
    """A real and a generated image, the stems of their files in the study, and their sources."""

    real: str
    fake: str
    real_file: str
    fake_file: str


def draw_pairs(fakes: Images, reals: Images, count: int, paired: bool, seed: int) -> list[Pair]:
    """Return at most ``count`` random pairs with random names; no image is in two of them.

    Methods that translated the same inputs get the same inputs drawn.

    Args:
        paired: both images of a pair have the same stem; else their stems differ, as for
            the maps of Isola et al.
    """
    stems = sorted(fakes.keys() & reals.keys()) if paired else sorted(fakes)
    Random(seed).shuffle(stems)
    others = stems if paired else sorted(reals)
    if not paired:
        Random(seed + 1).shuffle(others)
    chosen = list(zip(stems, others, strict=False))[:count]
    for i, (stem, other) in enumerate(chosen):
        if stem == other and not paired:
            chosen[i], chosen[i - 1] = (stem, chosen[i - 1][1]), (chosen[i - 1][0], other)
    return [
        Pair(secrets.token_hex(8), secrets.token_hex(8), reals[other], fakes[stem])
        for stem, other in chosen
    ]


def write_images(pairs: list[Pair], folder: Path, size: int) -> None:
    """Write the images of all pairs as PNG files of one format, size in pixels and size in bytes.

    Each is scaled and cropped to ``size`` x ``size`` pixels, real and generated ones by the same
    code. Files are written in the order of their random names, without metadata, and filled with
    random bytes up to the size of the largest.

    Raises:
        UserError: an image cannot be read, or a file cannot be written.
    """
    sources = {pair.real: pair.real_file for pair in pairs}
    sources |= {pair.fake: pair.fake_file for pair in pairs}
    paths = {folder / f"{name}.png": sources[name] for name in sorted(sources)}
    sizes: dict[str, set[tuple[int, int]]] = {"real": set(), "generated": set()}
    reals, largest = {pair.real for pair in pairs}, 0
    progress = Progress(len(paths), "Images")
    for path, source in paths.items():
        image = read_image(source)
        sizes["real" if path.stem in reals else "generated"].add(image.size)
        save_image(fitted(image, size), path)
        largest = max(largest, path.stat().st_size)
        progress.update()
    progress.close()
    for path in paths:
        with naming(path):
            path.write_bytes(padded(path.read_bytes(), largest + CHUNK))
    report_sizes(sizes, size)


def fitted(image: Image.Image, size: int) -> Image.Image:
    """Return an RGB image of ``size`` x ``size`` pixels without metadata; the middle is kept."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    plain = Image.new("RGB", (size, size))
    plain.paste(image)
    return plain


def padded(content: bytes, length: int) -> bytes:
    """Return a PNG with a chunk of random bytes before its end, ``length`` bytes in total.

    Args:
        length: at least ``CHUNK`` more than ``content`` has.
    """
    body = PADDING + secrets.token_bytes(length - len(content) - CHUNK)
    count, checksum = (
        struct.pack(">I", len(body) - len(PADDING)),
        struct.pack(">I", zlib.crc32(body)),
    )
    return content[:-CHUNK] + count + body + checksum + content[-CHUNK:]


def report_sizes(sizes: dict[str, set[tuple[int, int]]], size: int) -> None:
    """Print how images were scaled, and that sharpness may give real ones away if that differs."""
    for kind, found in sizes.items():
        if found != {(size, size)}:
            several = ", ".join("{}x{}".format(*shape) for shape in sorted(found)[:3])
            more = ", ..." if len(found) > 3 else ""
            say(f"{kind} images: {several}{more}, scaled and cropped to {size}x{size}")
    if sizes["real"] != sizes["generated"]:
        say(
            "real and generated images differ in size before scaling, so that sharpness may show "
            "which is real; give --real images of the same size"
        )

"""Pictures of a row for the comparison, and signs of collapse and of poor reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from data.image_file import read_image
from data.listing import image_paths
from scripts.evaluation.pairs import find_images
from scripts.paper_tools.scoring import SIDES
from util.errors import UserError
from util.files import write_atomically
from util.image.metrics import psnr
from util.image.writing import encoded

TILES, SIZE = 6, 96  # images in a strip, and their width and height
MISSING = (200, 200, 200)  # colour of an image that a row did not make
FEW = 50  # test images that are compared with each other


def chosen(dataroot: Path, domain: str) -> list[str]:
    """Return the ``TILES`` test images of the pictures, evenly spaced; none if there are none."""
    paths = image_paths(str(dataroot / f"test{domain}"))
    return [paths[i * len(paths) // TILES] for i in range(TILES)] if paths else []


def draw_strip(dataroot: Path, side: str, images: Path, label: str, file: Path) -> None:
    """Draw what a row made of the chosen test images, one below the other."""
    try:
        made = find_images(f"{images}:{label}" if label else str(images))
    except (UserError, OSError):
        made = {}
    found = {Path(name).name: path for name, path in made.items()}
    inputs = chosen(dataroot, SIDES[side][0])
    write_strip([found.get(Path(path).stem) for path in inputs], file)


def draw_real(dataroot: Path, paired: bool, folder: Path) -> None:
    """Draw the chosen test images, and their targets if they are pairs."""
    for side, (x, y) in SIDES.items():
        write_strip(chosen(dataroot, x), folder / f"strip_input_{side}.png")
        if paired:
            write_strip(chosen(dataroot, y), folder / f"strip_target_{side}.png")


def tile(path: str) -> Image.Image:
    return read_image(path).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def write_strip(paths: Sequence[str | None], file: Path) -> None:
    strip = Image.new("RGB", (SIZE, TILES * SIZE), MISSING)
    for i, path in enumerate(paths):
        if path:
            strip.paste(tile(path), (0, i * SIZE))
    write(strip, file)


def write(picture: Image.Image, file: Path) -> None:
    """Write a picture for the page, a small file. Raises UserError: it cannot be written."""
    write_atomically(file, encoded(picture, file, optimize=True))


def variety(images: Path, result: str, target: str) -> float | None:
    """Return how much results differ from each other, as a share of how much the targets do.

    Near 0, the output hardly depends on the input: the generator has collapsed. None if there are
    fewer than two images of one size.
    """
    differences = []
    for label in (result, target):
        try:
            paths = sorted(find_images(f"{images}:{label}").values())[:FEW]
        except UserError:
            return None
        arrays = [np.asarray(read_image(path), np.float32) for path in paths]
        apart = [np.abs(a - b).mean() for a, b in pairwise(arrays) if a.shape == b.shape]
        differences.append(float(np.mean(apart)) if apart else 0.0)
    return differences[0] / differences[1] if differences[1] else None


def reconstruction(images: Path, domain: str, dataroot: Path) -> dict[str, float] | None:
    """Return the mean PSNR of the test images' reconstructions, and that of one constant image.

    The constant image is the mean of the training images. A reconstruction that is no better says
    nothing about its input. None if there are no reconstructions.
    """
    try:
        real, rec = (find_images(f"{images}:{kind}_{domain}") for kind in ("real", "rec"))
    except UserError:
        return None
    stems = sorted(real.keys() & rec.keys())
    arrays = [[np.asarray(read_image(files[stem])) for stem in stems] for files in (real, rec)]
    height, width = arrays[0][0].shape[:2]
    total, paths = np.zeros((height, width, 3)), image_paths(str(dataroot / f"train{domain}"))
    for path in paths:
        total += np.asarray(read_image(path).resize((width, height), Image.Resampling.BICUBIC))
    constant = np.round(total / len(paths)).astype(np.uint8)
    return {
        "psnr": float(np.mean([psnr(b, a) for a, b in zip(*arrays, strict=True)])),
        "mean image": float(np.mean([psnr(constant, a) for a in arrays[0]])),
    }

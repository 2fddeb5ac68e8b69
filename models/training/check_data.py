"""Looks through a data set before a training does, prints the plan of that training, and leaves with status 1 if it would stop.

python scripts/check_data.py --dataroot datasets/horse2zebra --crop_size 128

Every option of train.py may be given, for what fits depends on them; ``--verbose`` names all files of a finding instead of
three. ``train.py --dry_run`` does the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.image_folder import is_image_file, make_dataset, read_image
from data.transforms import crop_fits, resized_size
from util.console import Progress, run_main, say
from util.errors import UserError

MODES = {
    "1": "black and white",
    "L": "grayscale",
    "LA": "gray with alpha",
    "La": "gray with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "RGBA": "alpha",
    "RGBa": "alpha",
    "CMYK": "CMYK",
    "F": "floating point",
}
UNBALANCED = 3  # times as many images in one domain as in the other are worth a note


@dataclass
class Picture:
    """One file. ``error``: why training cannot read it; ``damage``: what is wrong though training can."""

    folder: str  # as in the data set, e.g. trainA
    name: str  # relative to the data set
    mode: str = "RGB"
    size: tuple[int, int] = (0, 0)
    digest: bytes = b""  # of the pixels
    error: str = ""
    damage: str = ""


def report(opt: Namespace) -> int:
    """Print all findings, and the plan of the training. Returns 1 if something would stop it, else 0."""
    folders = layout(opt)
    progress = Progress(sum(map(len, folders.values())), "Reading images")
    pictures = scan(opt, folders, progress)
    progress.close()
    for folder in folders:
        say(f"{folder}: {sizes([p for p in pictures if p.folder == folder])}")
    trained = folders.keys() & {opt.phase, opt.phase + "A", opt.phase + "B", "."}
    problems, notes = findings(opt, pictures, trained)
    from models.training import plan as training_plan  # which needs PyTorch

    planned, stops = training_plan.lines(opt, rehearse_it=not problems)
    for line in planned:
        say(line)
    for line in notes + strays(opt, folders):
        say(f"note: {line}")
    problems = problems or stops
    for line in problems:
        say(f"problem: {line}")
    say("The training would stop" if problems else "Nothing would stop the training")
    return int(bool(problems))


def layout(opt: Namespace) -> dict[str, list[str]]:
    """Folder, e.g. trainA -> its images: those to train with, and of the other phases what is there.

    Raises:
        UserError: a folder to train with is missing or empty.
    """
    root = Path(opt.dataroot)
    domains = {"unaligned": ("A", "B"), "aligned": ("",), "colorization": ("",)}.get(
        opt.dataset_mode
    )
    if domains is None:  # single, template and most custom ones
        return {".": make_dataset(opt.dataroot, opt.max_dataset_size)}
    found = {
        opt.phase + domain: make_dataset(str(root / (opt.phase + domain)), opt.max_dataset_size)
        for domain in domains
    }
    for folder in (
        phase + domain
        for phase in ("train", "val", "test")
        if phase != opt.phase
        for domain in domains
    ):
        try:
            found[folder] = make_dataset(str(root / folder))
        except UserError:  # it is not needed
            continue
    return found


def scan(opt: Namespace, folders: dict[str, list[str]], progress: Progress) -> list[Picture]:
    """Read every image."""
    jobs = [(opt, folder, path) for folder, paths in folders.items() for path in paths]
    pictures = []
    with warnings.catch_warnings(), ThreadPoolExecutor(max(1, opt.num_threads)) as pool:
        warnings.simplefilter("ignore")  # Pillow's, of large images and odd metadata
        for picture in pool.map(lambda job: inspect(*job), jobs):
            pictures.append(picture)
            progress.update()
    return pictures


def inspect(opt: Namespace, folder: str, path: str) -> Picture:
    """Read one image as training does, then look at what it is."""
    picture = Picture(folder, printable(os.path.relpath(path, opt.dataroot)))
    try:
        pixels = read_image(path, exif=not opt.no_exif)
    except UserError as error:
        reason = str(error).removeprefix(f"cannot read the image {path}: ")
        picture.error = (
            "it is no image" if reason.startswith("cannot identify") else printable(reason)
        )
        return picture
    picture.size = pixels.size
    picture.digest = hashlib.blake2b(
        repr(pixels.size).encode() + pixels.tobytes(), digest_size=16
    ).digest()
    try:
        with Image.open(path) as image:
            picture.mode = image.mode
            if image.format not in (
                Image.registered_extensions()[Path(path).suffix.lower()],
                "MPO",
            ):  # which is a JPEG, too
                picture.damage = f"it is {image.format}"
            image.verify()  # checksums and endings, which decoding passes over
    except Exception as error:
        picture.damage = printable(str(error) or type(error).__name__)
    return picture


def printable(text: str) -> str:
    """On one line, and without what a file's name could do to a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def findings(
    opt: Namespace, pictures: list[Picture], trained: set[str]
) -> tuple[list[str], list[str]]:
    """(What would stop the training, what is worth knowing), a line each."""
    problems: list[str] = []
    notes: list[str] = []
    for folder, group in by_folder(pictures).items():
        bad = [f"{p.name} ({p.error})" for p in group if p.error]
        skip = opt.on_bad_image == "skip" and len(bad) < len(group)
        if bad:
            (problems if folder in trained and not skip else notes).append(
                f"{folder}: {counted(bad)} of {len(group)} cannot be read: {few(bad, opt)}"
            )
        small = [
            f"{p.name} ({p.size[0]}x{p.size[1]})"
            for p in group
            if not p.error and not crop_fits(opt, image_size(opt, p))
        ]
        if small and folder in trained:
            problems.append(
                f"{folder}: {counted(small)} of {len(group)} too small for --crop_size {opt.crop_size}: "
                f"{few(small, opt)}; give a smaller one, or --preprocess resize_and_crop"
            )
    problems += mixed_sizes(opt, [p for p in pictures if p.folder in trained and not p.error])
    return problems, notes + oddities(opt, pictures) + duplicates(opt, pictures) + balance(
        pictures, trained
    )


def by_folder(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    groups: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.folder].append(picture)
    return groups


def counted(names: list[str], noun: str = "image") -> str:
    return f"{len(names)} {noun}{'s' * (len(names) != 1)}"


def few(names: list[str], opt: Namespace) -> str:
    """The first three; with ``--verbose`` all."""
    shown = names if opt.verbose else names[:3]
    return ", ".join(shown) + (
        f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    )


def image_size(opt: Namespace, picture: Picture) -> tuple[int, int]:
    """Return (width, height) of one image: with --dataset_mode aligned, of one half of the file."""
    width, height = picture.size
    return (max(1, width // 2), height) if opt.dataset_mode == "aligned" else (width, height)


def mixed_sizes(opt: Namespace, pictures: list[Picture]) -> list[str]:
    found = {resized_size(opt, image_size(opt, p)) for p in pictures}
    if opt.batch_size == 1 or "crop" in opt.preprocess or len(found) < 2:
        return []
    return [
        f"--batch_size {opt.batch_size} needs images of one size, but with --preprocess {opt.preprocess} they have "
        f"{len(found)}: {few([f'{w}x{h}' for w, h in sorted(found)], opt)}; give --batch_size 1 or a --preprocess that crops"
    ]


def oddities(opt: Namespace, pictures: list[Picture]) -> list[str]:
    """Images that training reads, but that may not be what was meant."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for p in pictures:
        kind = (
            "16 bits per channel" if p.mode.startswith("I") else MODES.get(p.mode, f"mode {p.mode}")
        )
        if not p.error and p.mode != "RGB":
            kinds[f"{kind}, converted by training"].append(p.name)
        if p.damage:
            kinds["damaged or misnamed, but readable"].append(f"{p.name} ({p.damage})")
    return [f"{counted(names)}, {kind}: {few(names, opt)}" for kind, names in sorted(kinds.items())]


def duplicates(opt: Namespace, pictures: list[Picture]) -> list[str]:
    same: dict[bytes, list[Picture]] = defaultdict(list)
    for p in pictures:
        if not p.error:
            same[p.digest].append(p)
    where: dict[str, list[str]] = defaultdict(list)
    for group in same.values():
        if len(group) > 1:
            where[" and ".join(sorted({p.folder for p in group}))].append(
                " = ".join(p.name for p in group[:3])
            )
    return [
        f"{counted(names)} more than once, equal in every pixel, in {folders}: {few(names, opt)}"
        for folders, names in sorted(where.items())
    ]


def balance(pictures: list[Picture], trained: set[str]) -> list[str]:
    counts = Counter(p.folder for p in pictures if p.folder in trained).most_common()
    if len(counts) < 2 or counts[0][1] < UNBALANCED * counts[1][1]:
        return []
    (large, many), (little, some) = counts
    return [
        f"{large} has {many} images, {little} {some}: an epoch shows each image of {little} about {many / some:.0f} times"
    ]


def sizes(pictures: list[Picture]) -> str:
    """Number and sizes of the images that can be read."""
    found = Counter(p.size for p in pictures if not p.error)
    if len(found) < 2:
        return f"{len(pictures)} images" + "".join(f", all {w}x{h}" for w, h in found)
    width, height = (sorted(side) for side in zip(*found.elements(), strict=True))
    (w, h), times = found.most_common(1)[0]
    return (
        f"{len(pictures)} images, widths {width[0]} to {width[-1]} (median {median(width):g}), heights {height[0]} to "
        f"{height[-1]} (median {median(height):g}), {len(found)} sizes, most often {w}x{h} ({times})"
    )


def strays(opt: Namespace, folders: dict[str, list[str]]) -> list[str]:
    """What lies among the images and is none: folders named like images, and files of other kinds."""
    entries = [
        (os.path.relpath(os.path.join(at, name), opt.dataroot), kind)
        for folder in folders
        for at, subfolders, files in os.walk(os.path.join(opt.dataroot, folder), followlinks=True)
        for name, kind in chain(((n, "folder") for n in subfolders), ((n, "file") for n in files))
    ]
    odd = sorted(
        printable(path) for path, kind in entries if kind == "folder" and is_image_file(path)
    )
    other = sorted(
        printable(path) for path, kind in entries if kind == "file" and not is_image_file(path)
    )
    lines = [f"{counted(odd, 'folder')} named like an image: {few(odd, opt)}"] if odd else []
    return lines + (
        [f"{counted(other, 'file')} left out, no image by its ending: {few(other, opt)}"]
        if other
        else []
    )


def main() -> None:
    from options.train_options import TrainOptions

    sys.exit(report(TrainOptions().parse(record=False)))


if __name__ == "__main__":
    run_main(main)

"""The report of scripts/check_data.py and ``train.py --dry_run``: the dataset, then the plan."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from data.image_to_tensor import crop_fits, resized_size
from data.scan import ImageFile, image_folders, own_reader, scan, stray_entries
from models.training import plan
from models.training.check_values import listed, value_problems, values_of, values_outside
from models.training.panel import Panel
from models.training.set_metrics import SetMetrics
from models.training.validation import validation_images
from options.flags.data import PREPROCESS
from util.checkpoint import load_state_dict
from util.console import say
from util.errors import UserError
from util.words import amount

MODES = {  # Pillow's names in upper case (La, RGBa: premultiplied); others are shown as they are
    "1": "black and white",
    "L": "grayscale",
    "LA": "gray with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "RGBA": "alpha",
}
UNBALANCED = 3.0  # ratio of the domains' numbers of images that is worth a note


def report(opt: Namespace) -> int:
    """Print problems and notes about the dataset, and the plan of the training.

    Returns: the exit status, 1 if training would stop with an error, else 0.
    """
    folders = image_folders(opt)
    images = scan(opt, folders)
    for folder, group in images.items():
        say(f"{folder}: {sizes(group)}", *values_of(opt, folder, group))
    problems, notes = findings(opt, images)
    plan_lines, stops = plan.lines(opt, rehearse_it=not problems)
    problems = problems or stops
    problems += files_of_options(opt)
    lines = plan_lines + [f"note: {note}" for note in notes + strays(opt, folders)]
    lines += [f"problem: {problem}" for problem in problems]
    say(*lines)
    say("The training would stop" if problems else "Nothing would stop the training")
    return int(bool(problems))


def files_of_options(opt: Namespace) -> list[str]:
    """Return what would stop the training in the files and folders that options name."""
    problems = []
    checks: list[Callable[[], object]] = []
    if opt.panel and not opt.no_html:
        checks.append(Panel(opt, None).load)
    if opt.val_freq:
        checks.append(lambda: validation_images(opt))
    if opt.features:
        checks.append(lambda: SetMetrics(opt))
    for name, file in vars(opt).items():
        if name.startswith("init_") and name != "init_type" and file and isinstance(file, str):
            checks.append(partial(load_state_dict, Path(file)))
    for check in checks:
        try:
            check()
        except UserError as error:
            problems.append(str(error))
    folder = Path(opt.checkpoints_dir) / opt.name
    if long := [part for part in folder.parts if len(os.fsencode(part)) > 255]:
        problems.append(f"--checkpoints_dir, --name: file name too long: {long[0]}")
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        problems.append(f"--checkpoints_dir: cannot write to {folder}")
    return problems


def findings(opt: Namespace, images: dict[str, list[ImageFile]]) -> tuple[list[str], list[str]]:
    """(Problems that would stop the training, notes), as lines of text."""
    problems: list[str] = []
    notes: list[str] = []
    known = opt.preprocess in PREPROCESS  # else the project's own code makes the sizes
    pattern = rf"\.|{re.escape(opt.phase)}([AB]\d*)?"
    training_folders = [folder for folder in images if re.fullmatch(pattern, folder)]
    for folder, group in images.items():
        bad = [f"{image.name} ({image.error})" for image in group if image.error]
        if bad:
            skips = opt.on_bad_image == "skip" and len(bad) < len(group)
            lines = problems if folder in training_folders and not skips else notes
            lines.append(f"{folder}: {listed(opt, bad, f' of {len(group)} cannot be read')}")
        if folder in training_folders:
            problems += value_problems(opt, folder, group)
            notes += values_outside(opt, folder, group)
        small = [
            f"{image.name} ({image.size[0]}x{image.size[1]})"
            for image in group
            if known and not image.error and not crop_fits(opt, part_size(opt, image))
        ]
        if small and folder in training_folders:
            reason = f" of {len(group)} too small for --crop_size {opt.crop_size}"
            advice = "give a smaller --crop_size, or --preprocess resize_and_crop"
            problems.append(f"{folder}: {listed(opt, small, reason)}; {advice}")
    readable = [image for group in images.values() for image in group if not image.error]
    if known:
        training = [image for image in readable if image.folder in training_folders]
        problems += mixed_sizes(opt, training)
    notes += oddities(opt, readable) + duplicates(opt, readable)
    return problems, notes + balance({folder: len(images[folder]) for folder in training_folders})


def part_size(opt: Namespace, image: ImageFile) -> tuple[int, int]:
    """(width, height) of one image: of two side by side in a file, of one half of the file."""
    width, height = image.size
    halves = opt.dataset_mode == "aligned" and not re.search(r"[AB]\d*$", image.folder)
    return (max(1, width // 2) if halves else width), height


def mixed_sizes(opt: Namespace, images: list[ImageFile]) -> list[str]:
    """A problem if images that are not cropped would have to be stacked to a batch."""
    different = sorted({resized_size(opt, part_size(opt, image)) for image in images})
    if opt.batch_size == 1 or "crop" in opt.preprocess or len(different) < 2:
        return []
    names = [f"{width}x{height}" for width, height in different]
    return [
        f"--batch_size {opt.batch_size} needs images of one size, but --preprocess "
        f"{opt.preprocess} makes {listed(opt, names, '', 'size')}; give --batch_size 1 or a "
        "--preprocess that crops"
    ]


def oddities(opt: Namespace, images: list[ImageFile]) -> list[str]:
    """Notes on images that training converts, and on defects that it ignores."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for image in images:
        if image.mode != "RGB" and image.header and image.header.is_bytes:
            kind = MODES.get(image.mode.split(";")[0].upper(), image.mode)  # I;16, I;16B: I
            kinds[f", {kind}, converted by training"].append(image.name)
        if image.damage:
            kinds[", damaged or misnamed, but readable"].append(f"{image.name} ({image.damage})")
    return [listed(opt, names, kind) for kind, names in sorted(kinds.items())]


def duplicates(opt: Namespace, images: list[ImageFile]) -> list[str]:
    """Notes on images with the same pixels."""
    by_pixels: dict[bytes, list[ImageFile]] = defaultdict(list)
    for image in images:
        by_pixels[image.digest].append(image)
    copies: dict[str, list[str]] = defaultdict(list)
    for group in by_pixels.values():
        if len(group) > 1:
            folders = " and ".join(sorted({image.folder for image in group}))
            copies[folders].append(" = ".join(image.name for image in group[:3]))
    text = " more than once, equal in every pixel, in "
    return [listed(opt, names, text + folders) for folders, names in sorted(copies.items())]


def balance(counts: dict[str, int]) -> list[str]:
    """A note if one folder has at least ``UNBALANCED`` times the images of the other."""
    if not counts:
        return []
    ranked = sorted((count, folder) for folder, count in counts.items())
    (fewest, small), (most, large) = ranked[0], ranked[-1]
    if most < UNBALANCED * fewest:
        return []
    return [
        f"{large} has {amount(most, 'image')}, {small} {fewest}: an epoch shows each image of "
        f"{small} about {most / fewest:.0f} times"
    ]


def sizes(images: list[ImageFile]) -> str:
    """Number, widths and heights of the images that can be read."""
    counts = Counter(image.size for image in images if not image.error)
    if len(counts) < 2:
        return amount(len(images), "image") + "".join(f", all {w}x{h}" for w, h in counts)
    widths, heights = (
        f"{min(sides)} to {max(sides)} (median {median(sides):g})"
        for sides in zip(*counts.elements(), strict=True)
    )
    (w, h), times = counts.most_common(1)[0]
    return (
        f"{len(images)} images, widths {widths}, heights {heights}, {len(counts)} sizes, most "
        f"often {w}x{h} ({times})"
    )


def strays(opt: Namespace, folders: dict[str, list[str]]) -> list[str]:
    """Notes on entries of the folders that are not images."""
    if own_reader(opt) is not None:  # its files have any names
        return []
    like_images, others = stray_entries(opt, folders)
    notes = []
    if like_images:
        notes.append(listed(opt, like_images, " named like an image", "folder"))
    if others:
        notes.append(listed(opt, others, " skipped, not an image by the extension", "file"))
    return notes

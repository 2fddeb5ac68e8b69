"""The columns of a sheet: the images of labels, models or epochs, by stem."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

from data.listing import image_paths
from scripts.evaluation.pairs import find_images
from util.errors import UsageError, UserError

Column = tuple[str, dict[str, str]]  # title; stem -> file


def folder_columns(args: Namespace) -> list[Column]:
    """Return a column for each label and folder; real images are equal in all, so one for them."""
    columns: list[Column] = []
    for label in args.labels:
        real = label.startswith("real")
        for folder in args.images[:1] if real else args.images:
            one = real or len(args.images) == 1
            title = label if one else "\n".join((label, *folder.parts[-3:-1]))
            columns.append((title, find_images(f"{folder}:{label}", newest=True)))
    return columns


def epoch_columns(args: Namespace) -> list[Column]:
    """Return a column for each label and epoch of a training page; one for real images.

    Raises:
        UsageError: there are several folders.
        UserError: the folder has no images of a training page.
    """
    if len(args.images) > 1:
        raise UsageError("--epochs: give one folder --images, that of a training page")
    written: dict[str, dict[str, dict[int, str]]] = {label: {} for label in args.labels}
    for path in image_paths(str(args.images[0])):
        for label, stems in written.items():
            match = re.fullmatch(rf"epoch(\d+)_(?:(.+)_)?{re.escape(label)}", Path(path).stem)
            if match:
                stems.setdefault(match[2] or "", {})[int(match[1])] = path
    # The panel shows the same images in every epoch; images of training steps have no stem.
    panel = any(stem for stems in written.values() for stem in stems)
    columns: list[Column] = []
    for label in args.labels:
        rows = {stem: files for stem, files in written[label].items() if bool(stem) == panel}
        if not rows:
            raise UserError(
                f"{args.images[0]} has no image epochNNN_{label}.png: --epochs is for the folder "
                "of a training page"
            )
        epochs = args.epochs or sorted({epoch for files in rows.values() for epoch in files})
        once = panel and label.startswith("real")
        for epoch in epochs[:1] if once else epochs:
            past = {stem: [e for e in files if e <= epoch] for stem, files in rows.items()}
            files = {stem: rows[stem][max(earlier)] for stem, earlier in past.items() if earlier}
            columns.append((label if once else f"{label}\nepoch {epoch}", files))
    return columns

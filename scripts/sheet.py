"""Arrange images in a sheet for a paper: rows are images; columns are labels, models or epochs.

Labels of one results page, every tenth image:

  python scripts/sheet.py --images results/atlas/test_latest/images \\
    --labels real_A fake_B rec_A --every 10 --output sheet.png

Models, or epochs, that translated the same images; the input is shown once:

  python scripts/sheet.py --images results/one/test_latest/images results/two/test_latest/images \\
    --labels real_A fake_B --titles input one two --output models.png
  python scripts/sheet.py --images results/atlas/test_{5,50,200}/images --labels real_A fake_B \\
    --rows 0001 --output epochs.png

Epochs of a training page. Where an epoch wrote no image, the one of the epoch before is shown:

  python scripts/sheet.py --images checkpoints/atlas/web/images --labels real_A fake_B \\
    --epochs 1 10 100 --output epochs.png
"""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from pathlib import Path

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_file import read_image
from data.listing import image_paths
from options.flags.flag import Flag
from scripts.arguments import PICTURES, Output
from scripts.evaluation.pairs import find_images
from scripts.image_arguments import ImageArguments
from util.console import run_main, say
from util.errors import UsageError, UserError
from util.files import real_path
from util.image.writing import save_image
from util.limits import whole
from util.words import amount

MAX_PIXELS = 200_000_000  # of a sheet
FLAGS = (
    Flag(
        "images",
        Path,
        None,
        "images folders of results pages, or of a training page with --epochs",
        nargs="+",
        metavar="DIR",
        required=True,
    ),
    Flag("labels", str, None, "kinds of images, e.g. real_A fake_B", nargs="+", required=True),
    Flag("output", Output(*PICTURES), None, "image to write: .png, .jpg or .webp", required=True),
    Flag(
        "epochs",
        whole(0, 10**6),
        None,
        "columns of a training page; without numbers: all epochs",
        nargs="*",
    ),
    Flag(
        "rows",
        str,
        None,
        "which images, e.g. 0001 for 0001_fake_B.png (default: all)",
        nargs="+",
        metavar="STEM",
    ),
    Flag("every", whole(1, 10**9), 1, "take every Nth image (default: 1)"),
    Flag("titles", str, None, "of columns (default: labels, and models or epochs)", nargs="+"),
    Flag("size", whole(1, 4096), 128, "height of the images in pixels (default: 128)"),
)
GAP, LINE = 4, 14  # pixels between images; height of a line of a title
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
            files = {stem: rows[stem][max(written)] for stem, written in past.items() if written}
            columns.append((label if once else f"{label}\nepoch {epoch}", files))
    return columns


def draw(rows: list[list[str]], titles: list[str], height: int) -> Image.Image:
    """Draw images at one height, each column as wide as its widest image, below their titles.

    Raises:
        UserError: the images, or all of them beside each other, are larger than ``MAX_PIXELS``.
    """
    pixels = 0

    def load(file: str) -> Image.Image:
        nonlocal pixels
        image = read_image(file)
        width = max(1, round(height * image.width / image.height))
        pixels += width * height
        check_pixels(pixels, file)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    images = [[load(file) for file in row] for row in rows]
    widths = [max(row[i].width for row in images) for i in range(len(titles))]
    head = GAP + LINE * max(title.count("\n") + 1 for title in titles)
    size = (sum(widths) + GAP * (len(widths) - 1), head + (height + GAP) * len(rows) - GAP)
    check_pixels(size[0] * size[1], "it")
    sheet = Image.new("RGB", size, "white")
    for i, title in enumerate(titles):
        left = sum(widths[:i]) + GAP * i
        label = Image.new("RGB", (widths[i], head), "white")  # cuts a long title at the column
        ImageDraw.Draw(label).multiline_text((2, 1), title, fill="black", spacing=2)
        sheet.paste(label, (left, 0))
        for j, row in enumerate(images):
            sheet.paste(row[i], (left, head + (height + GAP) * j))
    return sheet


def check_pixels(pixels: int, what: str) -> None:
    """Raise a UserError if the sheet is larger than ``MAX_PIXELS`` with ``what``."""
    if pixels > MAX_PIXELS:
        raise UserError(
            f"the sheet is larger than {MAX_PIXELS / 1e6:.0f} million pixels with {what}; give a "
            "smaller --size, or fewer images by --rows or --every"
        )


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    columns = folder_columns(args) if args.epochs is None else epoch_columns(args)
    titles = [title for title, _ in columns]
    names = [title.replace("\n", ", ") for title in titles]
    if args.titles and len(args.titles) != len(columns):
        found = f"{len(args.titles)} for {len(columns)} columns ({'; '.join(names)})"
        raise UsageError(f"--titles: {found}")
    stems = args.rows or sorted(columns[0][1])[:: args.every]
    if not stems:
        raise UserError(f"column {names[0]} has no images (--epochs begins too early)")
    for name, (_, files) in zip(names, columns, strict=True):
        missing = next((stem for stem in stems if stem not in files), None)
        if missing is not None:
            present = ", ".join(sorted(files)[:5]) + (", ..." if len(files) > 5 else "")
            raise UserError(
                f"column {name} has no image {missing!r}; it has {present or 'none'} "
                "(--rows selects images)"
            )
    rows = [[files[stem] for _, files in columns] for stem in stems]
    if real_path(args.output) in {real_path(file) for row in rows for file in row}:
        raise UserError(f"--output {args.output}: this is one of the images of the sheet")
    save_image(draw(rows, args.titles or titles, args.size), args.output)
    say(f"{len(stems)} x {amount(len(columns), 'image')}: {args.output}")


if __name__ == "__main__":
    run_main(main)

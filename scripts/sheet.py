"""Arrange images in a sheet for a paper: rows are images; columns are labels, models or epochs.

Labels of one results page, every tenth image:

  python scripts/sheet.py --images results/atlas/test_latest/images \\
    --labels real_A fake_B rec_A --every 10 --output sheet.png

Models, or epochs, that translated the same images; the input is shown once:

  python scripts/sheet.py \\
    --images results/one/test_latest/images results/two/test_latest/images \\
    --labels real_A fake_B --titles input one two --output models.png
  python scripts/sheet.py --images results/atlas/test_{5,50,200}/images \\
    --labels real_A fake_B --rows 0001 --output epochs.png

Epochs of a training page. Where an epoch wrote no image, the one of the epoch before is shown:

  python scripts/sheet.py --images checkpoints/atlas/web/images \\
    --labels real_A fake_B --epochs 1 10 100 --output epochs.png

For a paper: chosen rows, an inset that enlarges 24x24 pixels, and a PDF (pip install matplotlib),
in which images keep all their pixels and text stays text:

  python scripts/sheet.py --images results/atlas/test_latest/images \\
    --labels real_A fake_B rec_A --rows 0001 0007 --row_titles coast city \\
    --zoom 10,30,24,24 --output figure.pdf
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_file import evenly_spread
from options.flags.flag import Flag
from scripts.arguments import PICTURES, Output
from scripts.figures.columns import Column, epoch_columns, folder_columns
from scripts.figures.insets import Box, region
from scripts.figures.letters import drawable
from scripts.figures.pdf import LETTERS, write_pdf
from scripts.figures.pixels import paint
from scripts.figures.sheets import Style, arrange
from scripts.image_arguments import ImageArguments
from util.console import run_main, say
from util.errors import UsageError, UserError
from util.files import real_path
from util.image.writing import save_image
from util.limits import whole
from util.words import amount

ROWS = 8  # without --rows and --every
PDF = ".pdf"
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
    Flag(
        "output",
        Output(*PICTURES, PDF),
        None,
        "file to write: .png, .jpg, .webp or .pdf",
        required=True,
    ),
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
        f"which images, e.g. 0001 for 0001_fake_B.png (default: {ROWS}, evenly spaced)",
        nargs="+",
        metavar="STEM",
    ),
    Flag("every", whole(1, 10**9), None, "take every Nth image, with 1 all of them"),
    Flag("titles", str, None, "of columns (default: labels, and models or epochs)", nargs="+"),
    Flag(
        "row_titles",
        str,
        None,
        "of rows, on their left; without texts: none (default: names of the images)",
        nargs="*",
        metavar="TEXT",
    ),
    Flag("size", whole(1, 4096), 128, "height of the images in pixels (default: 128)"),
    Flag(
        "zoom",
        region,
        None,
        "region that an inset enlarges, in pixels of the first image of a row; one for all rows, "
        "or one for each",
        nargs="+",
        metavar="LEFT,TOP,WIDTH,HEIGHT",
    ),
)


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS)


def select(columns: list[Column], args: Namespace) -> list[str]:
    """Return the stems of the images to show.

    Raises:
        UsageError: both ``--rows`` and ``--every`` are given.
        UserError: a column lacks one of them, or has no images.
    """
    if args.rows and args.every:
        raise UsageError("--every: not with --rows, which names the images")
    names = [name_of(title) for title, _ in columns]
    found = sorted(columns[0][1])
    stems = args.rows or (found[:: args.every] if args.every else evenly_spread(found, ROWS))
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
    return stems


def name_of(title: str) -> str:
    """Return the title of a column in one line."""
    return title.replace("\n", ", ")


def titles_of_rows(stems: list[str], texts: list[str] | None) -> list[str]:
    """Return the title of each row. Raises UsageError: ``--row_titles`` has another number."""
    if texts and len(texts) != len(stems):
        raise UsageError(f"--row_titles: {len(texts)} for {amount(len(stems), 'row')}")
    return [drawable(text) for text in (stems if texts is None else texts or [""] * len(stems))]


def zooms_of_rows(regions: list[Box] | None, rows: int) -> list[Box | None]:
    """Return the region of each row. Raises UsageError: their number is neither 1 nor ``rows``."""
    if regions and len(regions) not in (1, rows):
        found = f"{amount(len(regions), 'region')} for {amount(rows, 'row')}"
        raise UsageError(f"--zoom: {found}; give one for all rows, or one for each")
    chosen: list[Box | None] = [*regions] if regions else [None]
    return chosen * rows if len(chosen) == 1 else chosen


def main() -> None:
    args = build_parser().parse_args()
    columns = folder_columns(args) if args.epochs is None else epoch_columns(args)
    titles = [title for title, _ in columns]
    if args.titles and len(args.titles) != len(columns):
        names = "; ".join(map(name_of, titles))
        raise UsageError(f"--titles: {len(args.titles)} for {len(columns)} columns ({names})")
    stems = select(columns, args)
    row_titles = titles_of_rows(stems, args.row_titles)
    zooms = zooms_of_rows(args.zoom, len(stems))
    rows = [[files[stem] for _, files in columns] for stem in stems]
    if real_path(args.output) in {real_path(file) for row in rows for file in row}:
        raise UserError(f"--output {args.output}: this is one of the images of the sheet")
    pdf = args.output.suffix.lower() == PDF
    style = Style(args.size, keep=True, letters=LETTERS) if pdf else Style(args.size)
    sheet = arrange(rows, args.titles or titles, row_titles, zooms, style)
    write_pdf(sheet, args.output) if pdf else save_image(paint(sheet), args.output)
    say(f"{len(stems)} x {amount(len(columns), 'image')}: {args.output}")
    if len(stems) < len(columns[0][1]) and not (args.rows or args.every):
        total = len(columns[0][1])
        say(f"{len(stems)} of {total} images, evenly spaced (--every 1: all; --rows: others)")


if __name__ == "__main__":
    run_main(main)

"""A sheet of images for a paper or a page: rows are images; columns are labels, models or epochs.

Labels of one results page (input, translation, reconstruction), every tenth image:
  python scripts/sheet.py --images results/atlas/test_latest/images --labels real_A fake_B rec_A --every 10 --output sheet.png

Models, or epochs, of which test.py has translated the same images; the input is shown once, from the first folder:
  python scripts/sheet.py --images results/one/test_latest/images results/two/test_latest/images --labels real_A fake_B \\
    --titles input "one" "two" --output models.png
  python scripts/sheet.py --images results/atlas/test_{5,50,200}/images --labels real_A fake_B --rows 0001 --output epochs.png

Epochs of a training page, as many as its slider has, or some; an image that an epoch did not write is that of the one before:
  python scripts/sheet.py --images checkpoints/atlas/web/images --labels real_A fake_B --epochs 1 10 100 --output epochs.png
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_folder import make_dataset, read_image
from util.console import run_main, say
from util.errors import UsageError, UserError
from util.images import save_image

GAP, LINE = 4, 14  # pixels between images; height of a line of a title
Column = tuple[str, dict[str, str]]  # title; stem -> file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="folders images of pages",
    )
    parser.add_argument(
        "--labels", nargs="+", required=True, help="which images, e.g. real_A fake_B"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="image to write: .png, .jpg or .webp"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        nargs="*",
        metavar="N",
        help="columns of a training page; without numbers: all",
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="STEM",
        help="which images, e.g. 0001 for 0001_fake_B.png; default: all",
    )
    parser.add_argument("--every", type=int, default=1, help="take every Nth image")
    parser.add_argument(
        "--titles", nargs="+", help="of the columns; default: labels, and models or epochs"
    )
    parser.add_argument(
        "--size", type=int, default=128, help="height of an image in the sheet, in pixels"
    )
    args = parser.parse_args()
    if min(args.every, args.size) < 1:
        raise UsageError("--every and --size should be at least 1")
    if args.output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"--output {args.output}: the name should end in .png, .jpg or .webp")

    columns = of_epochs(args) if args.epochs is not None else of_folders(args)
    if args.titles and len(args.titles) != len(columns):
        raise UsageError(
            f"--titles: {len(args.titles)} for {len(columns)} columns ({', '.join(t for t, _ in columns)})"
        )
    stems = args.rows or sorted(columns[0][1])[:: args.every]
    for title, files in columns:
        missing = next((stem for stem in stems if stem not in files), None)
        if missing is not None:
            raise UserError(
                f"column {title} has no image {missing!r}; it has {', '.join(sorted(files)[:5]) or 'none'}"
                f"{', ...' if len(files) > 5 else ''} (--rows says which images)"
            )
    titles = args.titles or [title for title, _ in columns]
    save_image(
        draw([[files[stem] for _, files in columns] for stem in stems], titles, args.size),
        args.output,
    )
    say(f"{len(stems)} x {len(columns)} images: {args.output}")


def of_folders(args: argparse.Namespace) -> list[Column]:
    """A column for each label and folder; for real images, which are the same in all, one."""
    columns: list[Column] = []
    for label in args.labels:
        for folder in args.images[:1] if label.startswith("real") else args.images:
            files = {
                Path(path).relative_to(folder).with_suffix("").as_posix(): path
                for path in make_dataset(str(folder))
            }
            found = {
                stem.removesuffix(f"_{label}"): path
                for stem, path in files.items()
                if stem.endswith(f"_{label}")
            }
            if not found:
                raise UserError(f"{folder} has no image with label {label}, as in 0001_{label}.png")
            run = (
                ""
                if len(args.images) == 1 or label.startswith("real")
                else "\n" + "\n".join(folder.parts[-3:-1])
            )
            columns.append((label + run, found))
    return columns


def of_epochs(args: argparse.Namespace) -> list[Column]:
    """A column for each label and epoch of a training page; for real images, one."""
    if len(args.images) > 1:
        raise UsageError("--epochs: give one folder --images, that of a training page")
    written: dict[tuple[str, str], dict[int, str]] = {}  # (stem, label) -> epoch -> file
    for path in make_dataset(str(args.images[0])):
        for label in args.labels:
            match = re.fullmatch(rf"epoch(\d+)_(?:(.+)_)?{re.escape(label)}", Path(path).stem)
            if match:
                written.setdefault((match[2] or "", label), {})[int(match[1])] = path
    panel = {
        stem for stem, _ in written if stem
    }  # the same images in every epoch; without them, the latest ones of training
    columns: list[Column] = []
    for label in args.labels:
        rows = {
            stem: files
            for (stem, other), files in written.items()
            if other == label and (stem in panel or not panel)
        }
        if not rows:
            raise UserError(
                f"{args.images[0]} has no image epochNNN_{label}.png: --epochs is for the folder of a training page"
            )
        epochs = args.epochs or sorted({epoch for files in rows.values() for epoch in files})
        for epoch in epochs[:1] if label.startswith("real") and panel else epochs:
            past = {stem: [e for e in files if e <= epoch] for stem, files in rows.items()}
            title = label if label.startswith("real") and panel else f"{label}\nepoch {epoch}"
            columns.append(
                (title, {stem: rows[stem][max(found)] for stem, found in past.items() if found})
            )
    return columns


def draw(rows: list[list[str]], titles: list[str], height: int) -> Image.Image:
    """Images of one height, each column as wide as its widest image, under titles of one or more lines."""
    pictures = [[read_image(file) for file in row] for row in rows]
    sized = [
        [
            p.resize((max(1, round(height * p.width / p.height)), height), Image.Resampling.BICUBIC)
            for p in row
        ]
        for row in pictures
    ]
    widths = [max(row[i].width for row in sized) for i in range(len(titles))]
    head = GAP + LINE * max(title.count("\n") + 1 for title in titles)
    sheet = Image.new(
        "RGB",
        (sum(widths) + GAP * (len(widths) - 1), head + (height + GAP) * len(rows) - GAP),
        "white",
    )
    for i, title in enumerate(titles):
        left = sum(widths[:i]) + GAP * i
        label = Image.new(
            "RGB", (widths[i], head), "white"
        )  # of its own, so that a long title ends at its column's edge
        ImageDraw.Draw(label).multiline_text((2, 1), title, fill="black", spacing=2)
        sheet.paste(label, (left, 0))
        for j, row in enumerate(sized):
            sheet.paste(row[i], (left, head + (height + GAP) * j))
    return sheet


if __name__ == "__main__":
    run_main(main)

"""A sheet of test images for a paper or a page: one row per image, one column per label.

python scripts/sheet.py --images results/atlas/test_latest/images --labels real_A fake_B rec_A --output sheet.png --every 10
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_folder import make_dataset
from util.console import UserError, run_main, say
from util.images import save_image

HEAD = 18


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder images of a results page")
    parser.add_argument("--labels", nargs="+", required=True, help="columns, e.g. real_A fake_B")
    parser.add_argument("--output", type=Path, required=True, help="image to write")
    parser.add_argument("--rows", nargs="+", metavar="STEM", help="which images; not given: all, or every Nth")
    parser.add_argument("--every", type=int, default=1, help="take every Nth image")
    parser.add_argument("--size", type=int, default=128, help="width and height of an image in the sheet, in pixels")
    args = parser.parse_args()

    files = {Path(p).relative_to(args.images).with_suffix("").as_posix(): p for p in make_dataset(str(args.images))}
    first = f"_{args.labels[0]}"
    stems = args.rows or sorted(name.removesuffix(first) for name in files if name.endswith(first))[:: args.every]
    missing = [f"{stem}_{label}" for stem in stems for label in args.labels if f"{stem}_{label}" not in files]
    if missing or not stems:
        raise UserError(f"{args.images} has no {missing[0] if missing else f'image with label {args.labels[0]}'}")
    step = args.size + 4
    sheet = Image.new("RGB", (step * len(args.labels) - 4, HEAD + step * len(stems) - 4), "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(args.labels):
        draw.text((column * step + 2, 3), label, fill="black")
        for row, stem in enumerate(stems):
            with Image.open(files[f"{stem}_{label}"]) as image:
                square = image.convert("RGB").resize((args.size, args.size), Image.Resampling.BICUBIC)
            sheet.paste(square, (column * step, HEAD + row * step))
    save_image(sheet, args.output)
    say(f"{len(stems)} x {len(args.labels)} images: {args.output}")


if __name__ == "__main__":
    run_main(main)

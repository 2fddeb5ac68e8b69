"""Translate one image, or all images in a folder, with a trained generator.

    python scripts/translate.py --name horse2zebra \\
        --input horse.jpg --output zebra.png
    python scripts/translate.py --name horse2zebra \\
        --input photos --output out --preprocess none

Takes every option of test.py, too. Options of the training are read from the run.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_file import check_values, limit_pixels, read_image
from data.listing import list_images
from options.flags.flag import Flag
from options.flags.testing import FORMAT
from scripts.arguments import PICTURES, Arguments, check_output
from util.console import Progress, run_main, say
from util.errors import UserError
from util.files import real_path
from util.image.writing import save_image
from util.words import amount

FLAGS = (
    Flag("input", Path, None, "image, or folder of images", required=True),
    Flag(
        "output",
        Path,
        None,
        "file or existing folder; for an input folder, a folder",
        required=True,
    ),
    Flag("format", FORMAT, "png", "file format in an output folder"),
)


def plan(source: Path, target: Path, extension: str, limit: float) -> dict[Path, Path]:
    """Return which file to write (key) from which image (value).

    Raises:
        UserError: an output would replace an input.
    """
    jobs = {}
    if source.is_dir():
        for path in map(Path, list_images(str(source), limit)):
            out = target / path.relative_to(source).with_suffix(f".{extension}")
            if out in jobs:  # two inputs differ only in their extension
                out = out.with_stem(path.stem + path.suffix.replace(".", "_"))
            jobs[out] = path
    else:
        check_values([str(source)], str(source))
        jobs[target] = source
    lost = {real_path(path) for path in jobs.values()} & {real_path(out) for out in jobs}
    if lost:
        raise UserError(f"--output {target} would replace the input {min(lost)}; choose another")
    return jobs


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def parse() -> tuple[Namespace, list[str]]:
    """Return the options of this program, and those for test.py."""
    parser = build_parser()
    args, others = parser.parse_known_args()
    if not args.input.exists():
        raise UserError(f"--input {args.input}: no such file or folder")
    if args.input.is_dir() and args.output.is_file():
        raise UserError(f"--output {args.output} is a file; a folder of images needs a folder")
    if args.input.is_file() and args.output.is_dir():
        args.output /= f"{args.input.stem}.{args.format}"
    if args.input.is_file() and args.output.suffix.lower() not in PICTURES:
        raise UserError(f"--output {args.output}: give .png, .jpg or .webp, or an existing folder")
    check_output("--output", args.output, folder=args.input.is_dir())
    return args, others


def main() -> None:
    args, others = parse()

    from data.dataset_of_images import count_opaque
    from data.listing import remarks
    from models.translation.translator import Translator  # imports torch
    from options.test_options import TestOptions

    root = args.input if args.input.is_dir() else args.input.parent
    opt = TestOptions().parse(["--model", "test", "--dataroot", str(root), *others], record=False)
    limit_pixels(opt.max_pixels)
    limit = min(opt.max_dataset_size, opt.num_test)
    jobs = plan(args.input, args.output, args.format, limit)
    count_opaque([str(path) for path in jobs.values()], opt.input_nc, f"--input {args.input}")
    for remark in remarks:
        say(remark)
    translate, progress = Translator(opt), Progress(len(jobs), "Translating")
    for target, source in jobs.items():
        image = read_image(str(source), opt.input_nc, exif=not opt.no_exif)
        save_image(translate(image), target, opt.aspect_ratio)
        progress.update()
    progress.close()
    say(f"{amount(len(jobs), 'image')}: {args.output}")


if __name__ == "__main__":
    run_main(main, "smaller images (--load_size, --crop_size)")

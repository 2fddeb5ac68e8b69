"""Translate one image, or all in a folder, with a trained generator.

python scripts/translate.py --name horse2zebra --input horse.jpg --output zebra.png
python scripts/translate.py --name horse2zebra --input photos/ --output translated/ --preprocess none

Every option of test.py may be added; those of the training are read from the run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from util.console import Progress, run_main, say
from util.errors import UserError


def plan(source: Path, target: Path, extension: str, limit: float) -> dict[Path, Path]:
    """Where to write -> the image to translate, each into a file of its own."""
    from data.image_folder import make_dataset

    jobs = {} if source.is_dir() else {target: source}
    for path in map(Path, make_dataset(str(source), limit) if source.is_dir() else ()):
        out = target / path.relative_to(source).with_suffix(f".{extension}")
        if out in jobs:  # of an image with this stem and another extension
            out = out.with_stem(path.stem + path.suffix.replace(".", "_"))
        jobs[out] = path
    lost = {path.resolve() for path in jobs.values()} & {out.resolve() for out in jobs}
    if lost:
        raise UserError(f"--output {target} would replace the input {min(lost)}; give another")
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", type=Path, required=True, help="an image, or a folder of images")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="a file or an existing folder; for a folder, a folder",
    )
    parser.add_argument(
        "--format",
        default="png",
        choices=("png", "jpg", "webp"),
        help="of images in an output folder",
    )
    own, options = parser.parse_known_args()
    if not own.input.exists():
        raise UserError(f"--input {own.input}: no such file or folder")
    if own.input.is_dir() and own.output.is_file():
        raise UserError(f"--output {own.output} is a file; a folder of images needs a folder")
    if own.input.is_file() and own.output.is_dir():
        own.output /= f"{own.input.stem}.{own.format}"
    if own.input.is_file() and own.output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UserError(
            f"--output {own.output}: should end in .png, .jpg or .webp, or be a folder that is there"
        )

    from data.image_folder import read_image
    from models.translation.translator import Translator
    from options.test_options import TestOptions
    from util.images import save_image

    root = own.input if own.input.is_dir() else own.input.parent
    opt = TestOptions().parse(["--model", "test", "--dataroot", str(root), *options], record=False)
    jobs = plan(own.input, own.output, own.format, min(opt.max_dataset_size, opt.num_test))
    translate = Translator(opt)
    progress = Progress(len(jobs), "Translating")
    for target, source in jobs.items():
        picture = translate(read_image(str(source), opt.input_nc, exif=not opt.no_exif))
        save_image(picture, target, opt.aspect_ratio)
        progress.update()
    progress.close()
    say(f"{len(jobs)} image{'s' * (len(jobs) > 1)}: {own.output}")


if __name__ == "__main__":
    run_main(main)

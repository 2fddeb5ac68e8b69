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

from util.console import Progress, UserError, run_main, say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="an image, or a folder of images")
    parser.add_argument("--output", type=Path, required=True, help="a file for an image, a folder for a folder")
    parser.add_argument("--format", default="png", choices=("png", "jpg", "webp"), help="of images in an output folder")
    own, options = parser.parse_known_args()
    if not own.input.exists():
        raise UserError(f"--input {own.input}: no such file or folder")
    if own.input.is_dir() and own.output.is_file():
        raise UserError(f"--output {own.output} is a file; a folder of images needs a folder")

    from data.image_folder import make_dataset, read_image
    from models.translator import Translator
    from options.test_options import TestOptions
    from util.images import save_image

    root = own.input if own.input.is_dir() else own.input.parent
    opt = TestOptions().parse(["--model", "test", "--dataroot", str(root), *options], record=False)
    translate = Translator(opt)
    jobs = {} if own.input.is_dir() else {own.output: own.input}
    for source in map(Path, make_dataset(str(root), opt.max_dataset_size) if own.input.is_dir() else ()):
        target = own.output / source.relative_to(root).with_suffix(f".{own.format}")
        if target in jobs:  # of an image with this stem and another extension
            target = target.with_stem(source.stem + source.suffix.replace(".", "_"))
        jobs[target] = source
    progress = Progress(len(jobs), "Translating")
    for target, source in jobs.items():
        picture = translate(read_image(str(source), opt.input_nc, exif=not opt.no_exif))
        save_image(picture, target, opt.aspect_ratio)
        progress.update()
    progress.close()
    say(f"{len(jobs)} image{'s' * (len(jobs) > 1)}: {own.output}")


if __name__ == "__main__":
    run_main(main)

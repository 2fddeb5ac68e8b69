"""Translate one image, or all images in a folder, with a trained generator.

    python scripts/translate.py --name horse2zebra \\
        --input horse.jpg --output zebra.png
    python scripts/translate.py --name horse2zebra \\
        --input photos --output out --preprocess none

A run with several inputs (trainA1, trainA2, ...) takes one path for each, in their order; files of
folders are matched by their names:

    python scripts/translate.py --name RUN --input testA1 testA2 --output out

Takes every option of test.py, too, such as --tile. Options of the training are read from the run.
"""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_file import limit_pixels, read_image
from data.listing import image_paths
from options.flags.flag import Flag
from options.flags.testing import FORMAT
from scripts.arguments import PICTURES, Arguments, check_output
from util.console import Progress, run_main, say
from util.errors import UserError, culprit
from util.files import real_path
from util.image.raster_writing import KINDS
from util.image.window_writing import unfinished
from util.image.writing import save_image
from util.option_defaults import replaced
from util.values import DomainValues, domain_of
from util.words import amount

FLAGS = (
    Flag(
        "input",
        Path,
        None,
        "image, or folder of images; of a run with several inputs, one for each",
        "+",
        "PATH",
        True,
    ),
    Flag(
        "output",
        Path,
        None,
        "file or existing folder; for an input folder, a folder",
        required=True,
    ),
    Flag(
        "format",
        FORMAT,
        None,
        "file format in an output folder (default: that of the domain's files; png for 8 bits)",
    ),
)
ENDINGS = tuple(dict.fromkeys((*PICTURES, *KINDS)))


def plan(files: dict[Path, list[str]], args: Namespace, extension: str) -> dict[Path, Path]:
    """Return which file to write (key) from which image (value).

    Args:
        files: see :func:`find_files`.
        extension: of the files in an output folder.

    Raises:
        UserError: an output would replace an input.
    """
    jobs: dict[Path, Path] = {}
    target = args.output
    if args.input.is_dir():
        for path in files:
            out = target / path.relative_to(args.input).with_suffix(f".{extension}")
            if out in jobs:  # two inputs differ only in their extension
                out = out.with_stem(path.stem + path.suffix.replace(".", "_"))
            jobs[out] = path
    else:
        [path] = files
        jobs[target / f"{path.stem}.{extension}" if target.is_dir() else target] = path
    given = [*files, *(Path(path) for others in files.values() for path in others)]
    written = (path for out in jobs for path in (out, unfinished(out)))
    lost = {real_path(path) for path in given} & {real_path(path) for path in written}
    if lost:
        raise UserError(f"--output {target} would replace the input {min(lost)}; choose another")
    return jobs


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def parse() -> tuple[Namespace, list[str]]:
    """Return the options of this program, and those for test.py."""
    parser = build_parser()
    args, others = parser.parse_known_args()
    args.inputs, args.input = args.input, args.input[0]
    for path in args.inputs:
        if not path.exists():
            raise UserError(f"--input {path}: no such file or folder")
        if path.is_dir() != args.input.is_dir():
            raise UserError(f"--input {args.input} {path}: give files, or folders, but not both")
    if args.input.is_dir() and args.output.is_file():
        raise UserError(f"--output {args.output} is a file; a folder of images needs a folder")
    folder = args.input.is_dir() or args.output.is_dir()
    if not folder and args.output.suffix.lower() not in ENDINGS:
        raise UserError(
            f"--output {args.output}: give .png, .jpg, .webp, .tif or .npy, or an existing folder"
        )
    check_output("--output", args.output, folder)
    return args, others


def find_files(opt: Namespace, args: Namespace) -> dict[Path, list[str]]:
    """Return the images to translate, each with the files of its further inputs.

    Raises UserError: there are none, or a file has no partner among the other inputs.
    """
    from data.rasters.inputs import find_inputs  # imports torch

    if not args.input.is_dir():
        return {args.input: [str(path) for path in args.inputs[1:]]}
    limit = min(opt.max_dataset_size, opt.num_test)
    if len(args.inputs) == 1:
        return {Path(x): [] for x in image_paths(str(args.input), limit, arrays=True)}

    def find(wanted: Namespace, folder: str) -> list[str]:
        return image_paths(folder, wanted.max_dataset_size, arrays=True)

    limited = replaced(opt, dataroot="", max_dataset_size=limit)
    paths, partners = find_inputs(limited, list(map(str, args.inputs)), find)
    return {Path(path): partners[path] for path in paths}


def find_values(opt: Namespace, args: Namespace, files: dict[Path, list[str]]) -> DomainValues:
    """Return the rules of the values of the input and of the output; print what is to be said.

    Raises:
        UserError: the input does not suit the run, or needs a range.
    """
    from data.dataset_of_images import count_opaque  # imports torch
    from data.listing import remarks
    from data.rasters.header import describe
    from data.rasters.inputs import joined, joined_header
    from data.rasters.reading import read_array
    from data.rasters.rules import Folder, find_rules
    from data.windows.opening import sample_windows

    def sample(path: str) -> np.ndarray:
        return sample_windows(path, files[Path(path)], opt.npz_key, exif=not opt.no_exif)

    domain, paths = domain_of("real", opt.direction), list(map(str, files))
    source = f"--input {' '.join(map(str, args.inputs))}"
    folder = Folder(domain, source, paths, opt.input_nc, "--input_nc", opt.npz_key)
    folder = folder._replace(sample=sample if opt.tile else None)
    if len(args.inputs) > 1:
        key = opt.npz_key
        folder = folder._replace(
            inputs=len(args.inputs),
            read=lambda path: joined({x: read_array(x, key) for x in (path, *files[Path(path)])}),
            describe=lambda path: joined_header(
                {x: describe(x, key) for x in (path, *files[Path(path)])}
            ),
        )
    rules = find_rules(opt, [folder])
    if (rule := rules[domain]) is None or rule.converts_pictures:
        count_opaque(paths, opt.input_nc, source)
    for remark in remarks:
        say(remark)
    return rules


def as_array(image: Any, channels: int) -> np.ndarray:
    """Return a translation, a picture or an array, as (H, W, C); gray pictures have C = 1."""
    array = np.asarray(image)
    array = array if array.ndim == 3 else array[..., None]
    return array[..., :1] if channels == 1 else array


def main() -> None:
    args, others = parse()

    from data.rasters.tags import KeptTags  # imports torch, as do the next
    from models.translation.output_files import check_output_files, save_array
    from models.translation.tiling.files import WindowedFiles
    from models.translation.translator import Translator
    from options.test_options import TestOptions

    root = args.input if args.input.is_dir() else args.input.parent
    opt = TestOptions().parse(["--model", "test", "--dataroot", str(root), *others], record=False)
    limit_pixels(opt.max_pixels)
    files = find_files(opt, args)
    rules = find_values(opt, args, files)
    rule = rules[domain_of("fake", opt.direction)]
    jobs = plan(files, args, args.format or (rule.container if rule else "png"))
    ending = next(iter(jobs)).suffix[1:].lower()
    kind = {"jpeg": "jpg", "tiff": "tif"}.get(ending, ending)
    flag = f"--format {args.format}" if args.format else f"--output {args.output}"
    check_output_files(kind, rule, flag, "the output", opt.aspect_ratio)
    translate = Translator(opt, domains=rules, images=len(jobs))
    progress = Progress(len(jobs), "Translating")
    tags = KeptTags(opt, translate.note)
    folder = args.output if args.input.is_dir() else None
    windows = WindowedFiles(translate, tags, translate.note, folder)
    for target, path in jobs.items():
        source = str(path)
        if opt.tile and windows.translate(path, target, files[path]):
            progress.update()
            continue
        image: Any = source
        if files[path]:
            image = translate.join(source, *files[path])
        elif not any(rules.values()):
            image = read_image(source, opt.input_nc, exif=not opt.no_exif)
        with culprit(source) if files[path] else contextlib.nullcontext():  # else it names the file
            result = translate(image)
        if rule is None and kind not in ("tif", "npy"):
            save_image(result, target, opt.aspect_ratio)
        else:
            array = as_array(result, opt.output_nc)
            size = array.shape[1], array.shape[0]
            save_array(array, target, rule, tags.of(source, size, kind, same_bands=False))
        progress.update()
    progress.close()
    windows.close()
    translate.values.clipped.report(rules)
    say(f"{amount(len(jobs), 'image')}: {args.output}")


if __name__ == "__main__":
    run_main(main, "smaller images (--load_size, --crop_size), or --tile")

"""Make the Cityscapes dataset of CycleGAN and pix2pix from the two official archives.

    python datasets/prepare_cityscapes_dataset.py --gtFine_dir gtFine \\
        --leftImg8bit_dir leftImg8bit --output_dir datasets/cityscapes

Download gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip from
https://www.cityscapes-dataset.com. Photos and label maps are paired by CITY_SHOT_FRAME and resized
to 256x256: photos bicubic, labels to the nearest pixel, so that every colour stands for a class.
Pair N becomes trainA/N_A.jpg (photo), trainB/N_B.jpg (label) and train/N.jpg (both, photo left);
the val split of Cityscapes becomes test. JPEG still shifts colours a little: match labels to the
closest palette colour, or use ``--png``. The label ids of val are copied at full size, as the
official score needs them, to testB_ids/N_gtFine_labelIds.png.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from PIL import Image
from prepare import (
    by_name,
    match,
    require_folder,
    run_jobs,
    side_by_side,
    warn_leftovers,
    write_image,
)

from data.image_file import read_image
from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.image_arguments import ImageArguments
from util.console import run_main, say, warn
from util.errors import UserError
from util.words import amount

FLAGS = (
    Flag("gtFine_dir", Path, None, "folder of gtFine_trainvaltest.zip", required=True),
    Flag("leftImg8bit_dir", Path, None, "folder of leftImg8bit_trainvaltest.zip", required=True),
    Flag(
        "output_dir",
        Output(folder=True),
        None,
        "new folder, such as datasets/cityscapes",
        required=True,
    ),
    Flag("png", bool, False, "write lossless .png instead of .jpg"),
)
SIZE = (256, 256)
PHOTO, LABEL, IDS = "_leftImg8bit.png", "_gtFine_color.png", "_gtFine_labelIds.png"
Targets = tuple[Path, Path, Path]  # files to write: photo, label, both
Job = tuple[Path, Path, Targets]  # photo, label, files to write


def find_files(folder: Path, ending: str) -> dict[str, Path]:
    """{CITY_SHOT_FRAME: path} of the files of all cities in ``folder``, sorted."""
    files = sorted(p for p in folder.glob(f"*/*{ending}") if not p.name.startswith("."))
    return by_name(files, lambda path: path.name.removesuffix(ending))


def find_jobs(photo_dir: Path, label_dir: Path, out: Path, split: str, extension: str) -> list[Job]:
    """The pairs of one split, numbered from 0; warns about files without a partner."""
    photos, labels = find_files(photo_dir, PHOTO), find_files(label_dir, LABEL)
    pairs = match(photos, labels, photo_dir, label_dir)
    say(f"{split}: {amount(len(pairs), 'pair')}")
    jobs = []
    for n, (photo, label) in enumerate(pairs):
        names = f"{split}A/{n}_A", f"{split}B/{n}_B", f"{split}/{n}"
        image_a, image_b, both = (out / f"{name}.{extension}" for name in names)
        jobs.append((photo, label, (image_a, image_b, both)))
    return jobs


def convert(job: Job) -> None:
    """Resize one pair and write its three images."""
    photo_path, label_path, targets = job
    photo = read_image(str(photo_path)).resize(SIZE, Image.Resampling.BICUBIC)
    label = read_image(str(label_path)).resize(SIZE, Image.Resampling.NEAREST)
    for image, target in zip((photo, label, side_by_side(photo, label)), targets, strict=True):
        write_image(image, target, quality=100)


def copy_ids(jobs: list[Job], out: Path) -> None:
    """Copy the label ids of the pairs to ``out``; warn about pairs without them."""
    names = [label.with_name(label.name.removesuffix(LABEL) + IDS) for _, label, _ in jobs]
    missing = [ids for ids in names if not ids.is_file()]
    for n, ids in enumerate(names):
        if ids not in missing:
            out.mkdir(exist_ok=True)
            target = out / f"{n}{IDS}"
            target.unlink(missing_ok=True)  # it may be a link to another file
            shutil.copyfile(ids, target)
    if missing:
        warn(f"{len(missing)} of {len(names)} test frames have no label ids, e.g. {missing[0]}")


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    photos, labels, out = args.leftImg8bit_dir, args.gtFine_dir, args.output_dir
    require_folder("--gtFine_dir", labels)
    require_folder("--leftImg8bit_dir", photos)
    extension = "png" if args.png else "jpg"
    test = find_jobs(photos / "val", labels / "val", out, "test", extension)
    jobs = test + find_jobs(photos / "train", labels / "train", out, "train", extension)
    if not jobs:
        raise UserError(
            f"no pairs: there is no {photos}/train/CITY/*{PHOTO} with a "
            f"{labels}/train/CITY/*{LABEL}, nor in val"
        )
    run_jobs(convert, jobs, "Resizing")
    copy_ids(test, out / "testB_ids")
    warn_leftovers(target for *_, targets in jobs for target in targets)
    say(f"wrote {amount(len(jobs), 'pair')} to {out}")


if __name__ == "__main__":
    run_main(main)

"""Make the Cityscapes data set of CycleGAN and pix2pix from the two archives of https://www.cityscapes-dataset.com.

    python datasets/prepare_cityscapes_dataset.py --gtFine_dir gtFine --leftImg8bit_dir leftImg8bit --output_dir OUT

Photo and label map are paired by CITY_SHOT_FRAME and resized to 256x256: photos bicubic, labels to the nearest pixel,
so that no colours appear that stand for no class. Of the Nth pair, trainA/N_A.jpg is the photo, trainB/N_B.jpg the
label and train/N.jpg both (photo left). Cityscapes' val becomes test. JPEG still shifts colours a little: match labels
to the closest palette colour, or write ``--png``. The label ids of val are copied to testB_ids/N_gtFine_labelIds.png, at full
size, as the official score wants them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from PIL import Image
from prepare import (
    by_name,
    read_image,
    run_jobs,
    side_by_side,
    warn_leftovers,
    warn_unpaired,
    write_image,
)

from util.console import run_main, say
from util.errors import UserError

SIZE = (256, 256)
PHOTO, LABEL, IDS = "_leftImg8bit.png", "_gtFine_color.png", "_gtFine_labelIds.png"
Job = tuple[
    Path, Path, tuple[Path, Path, Path]
]  # photo, label, and where to write photo, label and both


def find_files(folder: Path, ending: str) -> dict[str, Path]:
    """CITY_SHOT_FRAME → file, for the files of all cities in ``folder``, in sorted order."""
    files = sorted(p for p in folder.glob(f"*/*{ending}") if not p.name.startswith("."))
    return by_name(files, lambda p: p.name.removesuffix(ending))


def find_jobs(photo_dir: Path, label_dir: Path, out: Path, split: str, extension: str) -> list[Job]:
    """The pairs of one split, numbered from 0; says what has no partner."""
    photos, labels = find_files(photo_dir, PHOTO), find_files(label_dir, LABEL)
    warn_unpaired(
        [path for name, path in photos.items() if name not in labels], photo_dir, label_dir
    )
    warn_unpaired(
        [path for name, path in labels.items() if name not in photos], label_dir, photo_dir
    )
    names = [name for name in labels if name in photos]
    say(f"{split}: {len(names)} pairs")
    return [
        (
            photos[name],
            labels[name],
            (
                out / f"{split}A" / f"{n}_A.{extension}",
                out / f"{split}B" / f"{n}_B.{extension}",
                out / split / f"{n}.{extension}",
            ),
        )
        for n, name in enumerate(names)
    ]


def convert(job: Job) -> None:
    photo_path, label_path, targets = job
    photo = read_image(photo_path).resize(SIZE, Image.Resampling.BICUBIC)
    label = read_image(label_path).resize(SIZE, Image.Resampling.NEAREST)
    for image, target in zip((photo, label, side_by_side(photo, label)), targets, strict=True):
        write_image(image, target, quality=100)


def copy_ids(jobs: list[Job], out: Path) -> None:
    """The label ids of the pairs of ``jobs``, where there are any."""
    for n, (_, label, _) in enumerate(jobs):
        ids = label.with_name(label.name.removesuffix(LABEL) + IDS)
        if ids.is_file():
            out.mkdir(exist_ok=True)
            shutil.copyfile(ids, out / f"{n}{IDS}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="prepare Cityscapes", epilog="see the top of this file"
    )
    parser.add_argument(
        "--gtFine_dir", type=Path, required=True, help="folder gtFine of gtFine_trainvaltest.zip"
    )
    parser.add_argument(
        "--leftImg8bit_dir",
        type=Path,
        required=True,
        help="folder leftImg8bit of leftImg8bit_trainvaltest.zip",
    )
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="such as datasets/cityscapes"
    )
    parser.add_argument("--png", action="store_true", help="write lossless .png instead of .jpg")
    args = parser.parse_args()
    for flag in ("gtFine_dir", "leftImg8bit_dir"):
        if not getattr(args, flag).is_dir():
            raise UserError(f"--{flag} {getattr(args, flag)}: there is no such folder")
    jobs: list[Job] = []
    for phase, split in (("val", "test"), ("train", "train")):
        jobs += find_jobs(
            args.leftImg8bit_dir / phase,
            args.gtFine_dir / phase,
            args.output_dir,
            split,
            "png" if args.png else "jpg",
        )
    if not jobs:
        raise UserError(
            f"no pairs: looked for {args.leftImg8bit_dir}/train/CITY/*{PHOTO} and "
            f"{args.gtFine_dir}/train/CITY/*{LABEL} (and the same in val)"
        )
    run_jobs(convert, jobs, "resizing")
    copy_ids(
        [job for job in jobs if job[2][2].parent.name == "test"], args.output_dir / "testB_ids"
    )
    warn_leftovers(target for *_, targets in jobs for target in targets)
    say(f"wrote {len(jobs)} pairs to {args.output_dir}")


if __name__ == "__main__":
    run_main(main)

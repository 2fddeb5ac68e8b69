"""Join testA + testB and trainA + trainB of a dataset into pairs, A left and B right, for pix2pix.

    python datasets/make_dataset_aligned.py --dataset-path datasets/facades

Two images of the same size are a pair if their names are equal without the extension, or equal
without the extension and a final ``_A`` and ``_B`` (``7_A.jpg``, ``7_B.png``). The pairs become
``test/0000.jpg``, ``test/0001.jpg`` ... in the order of A's names. These are the numbers of the
official tool; other scripts depend on them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from prepare import (
    Pair,
    by_name,
    join_pairs,
    list_images,
    match,
    require_folder,
    warn_subfolders,
)

from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.image_arguments import ImageArguments
from util.console import run_main, say
from util.errors import UserError
from util.words import amount


def find_pairs(folder_a: Path, folder_b: Path, out: Path) -> list[Pair]:
    """The pairs of two folders, sorted by A's name; warns about files without a partner."""
    files_a, files_b = (
        by_name(list_images(folder), lambda path: path.stem) for folder in (folder_a, folder_b)
    )

    for folder in (folder_a, folder_b):
        warn_subfolders(folder)

    def partner_name(name: str) -> str:
        renamed = f"{name.removesuffix('_B')}_A"
        is_b_half = name.endswith("_B") and name not in files_a and renamed not in files_b
        return renamed if is_b_half else name

    renamed_b = {partner_name(name): path for name, path in files_b.items()}
    pairs = match(files_a, renamed_b, folder_a, folder_b)
    return [(a, b, out / f"{number:04d}.jpg") for number, (a, b) in enumerate(pairs)]


def build_parser() -> ImageArguments:
    folders = "folder with testA and testB, with trainA and trainB, or with all four"
    flag = Flag("dataset-path", Output(folder=True), None, folders, required=True)
    return ImageArguments(__doc__, [flag])


def main() -> None:
    root: Path = build_parser().parse_args().dataset_path
    require_folder("--dataset-path", root)
    pairs: list[Pair] = []
    for split in ("test", "train"):
        folder_a, folder_b = root / f"{split}A", root / f"{split}B"
        if not folder_a.is_dir() and not folder_b.is_dir():
            say(f"{split}: there is no {split}A and no {split}B, nothing to do")
            continue
        new = find_pairs(folder_a, folder_b, root / split)
        say(f"{split}: {amount(len(new), 'pair')}")
        pairs += new
    if not pairs:
        raise UserError(
            f"--dataset-path {root}: no pairs; it should hold testA and testB, or trainA and "
            "trainB, with images of the same names in both"
        )
    join_pairs(pairs, root)


if __name__ == "__main__":
    run_main(main)

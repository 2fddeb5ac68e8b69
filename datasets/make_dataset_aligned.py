"""Join testA + testB and trainA + trainB of one data set into pairs, A left and B right, for pix2pix.

    python datasets/make_dataset_aligned.py --dataset-path datasets/facades

Two images of the same size are a pair if their names agree but for the extension, or but for ``_A`` and ``_B`` at the
end (``7_A.jpg``, ``7_B.png``). The pairs become ``test/0000.jpg``, ``test/0001.jpg`` … in the order of A's names: the
numbering of the official tool is kept, because scripts depend on it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from prepare import Pair, by_name, join_files, list_images, run_jobs, warn_leftovers, warn_unpaired

from util.console import run_main, say
from util.errors import UserError


def find_pairs(folder_a: Path, folder_b: Path, out: Path) -> list[Pair]:
    """The pairs of two folders, sorted by A's name; says what has no partner."""
    files_a, files_b = (
        by_name(list_images(folder), lambda p: p.stem) for folder in (folder_a, folder_b)
    )
    partner = {}
    for name in files_a:
        renamed = f"{name.removesuffix('_A')}_B"
        if name in files_b:
            partner[name] = name
        elif name.endswith("_A") and renamed in files_b and renamed not in files_a:
            partner[name] = renamed
    warn_unpaired(
        [path for name, path in files_a.items() if name not in partner], folder_a, folder_b
    )
    used = set(partner.values())
    warn_unpaired([path for name, path in files_b.items() if name not in used], folder_b, folder_a)
    return [
        (files_a[a], files_b[b], out / f"{number:04d}.jpg")
        for number, (a, b) in enumerate(partner.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="make an aligned data set of an unaligned one that holds pairs"
    )
    parser.add_argument(
        "--dataset-path",
        dest="dataset_path",
        type=Path,
        required=True,
        help="folder with testA and testB, trainA and trainB, or only one of the two",
    )
    root: Path = parser.parse_args().dataset_path
    pairs: list[Pair] = []
    for split in ("test", "train"):
        folder_a, folder_b = root / f"{split}A", root / f"{split}B"
        if not folder_a.is_dir() and not folder_b.is_dir():
            say(f"{split}: no {split}A and {split}B, nothing to do")
            continue
        found = find_pairs(folder_a, folder_b, root / split)
        say(f"{split}: {len(found)} pairs")
        pairs += found
    if not pairs:
        raise UserError(
            f"--dataset-path {root}: no pairs; it should hold testA and testB, or trainA and trainB, "
            "with images named alike in both"
        )
    run_jobs(join_files, pairs, "joining")
    warn_leftovers(out for _, _, out in pairs)
    say(f"wrote {len(pairs)} pairs to {root}")


if __name__ == "__main__":
    run_main(main)

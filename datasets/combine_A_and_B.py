"""Join the images of two folders into pairs, A left and B right, for ``--dataset_mode aligned`` (pix2pix).

    python datasets/combine_A_and_B.py --fold_A data/A --fold_B data/B --fold_AB data/AB

Both folders hold one sub-folder per split (``train``, ``val``, ``test``); the two images of a pair have the same size
and the same file name, which is also that of the result. With ``--use_AB`` they are named ``1_A.jpg`` and ``1_B.jpg``,
the result ``1.jpg``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from prepare import Pair, by_name, join_files, list_images, run_jobs, warn_leftovers, warn_unpaired

from util.console import run_main, say, warn
from util.errors import UserError


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="create image pairs", epilog="see the top of this file"
    )
    parser.add_argument(
        "--fold_A",
        type=Path,
        default=Path("../dataset/50kshoes_edges"),
        help="folder of A's splits",
    )
    parser.add_argument(
        "--fold_B", type=Path, default=Path("../dataset/50kshoes_jpg"), help="folder of B's splits"
    )
    parser.add_argument(
        "--fold_AB",
        type=Path,
        default=Path("../dataset/test_AB"),
        help="folder to write the pairs to",
    )
    parser.add_argument(
        "--num_imgs", type=int, default=1000000, help="at most this many pairs per split"
    )
    parser.add_argument(
        "--use_AB", action="store_true", help="1_A.jpg pairs with 1_B.jpg and makes 1.jpg"
    )
    parser.add_argument(
        "--no_multiprocessing", action="store_true", help="one pair at a time instead of several"
    )
    args = parser.parse_args()
    if args.num_imgs < 1:
        parser.error("--num_imgs must be at least 1")
    return args


def find_pairs(folder_a: Path, folder_b: Path, out: Path, use_ab: bool) -> list[Pair]:
    """The pairs of one split, sorted by name; says what has no partner."""
    mark_a, mark_b, mark = ("_A.", "_B.", ".") if use_ab else ("", "", "")
    files_a = by_name(
        (p for p in list_images(folder_a) if mark_a in p.name),
        lambda p: p.name.replace(mark_a, mark),
    )
    files_b = by_name(
        (p for p in list_images(folder_b) if mark_b in p.name),
        lambda p: p.name.replace(mark_b, mark),
    )
    warn_unpaired(
        [path for name, path in files_a.items() if name not in files_b], folder_a, folder_b
    )
    warn_unpaired(
        [path for name, path in files_b.items() if name not in files_a], folder_b, folder_a
    )
    return [
        (path, files_b[name], out / path.name.replace(mark_a, mark))
        for name, path in files_a.items()
        if name in files_b
    ]


def main() -> None:
    args = parse()
    for flag in ("fold_A", "fold_B"):
        if not getattr(args, flag).is_dir():
            raise UserError(f"--{flag} {getattr(args, flag)}: there is no such folder")
        if args.fold_AB.resolve() == getattr(args, flag).resolve():
            raise UserError(
                f"--fold_AB and --{flag} are the same folder; the pairs would replace the images"
            )
    folders = [p for fold in (args.fold_A, args.fold_B) for p in fold.iterdir() if p.is_dir()]
    pairs: list[Pair] = []
    for split in sorted({p.name for p in folders if not p.name.startswith(".")}):
        folder_a, folder_b = args.fold_A / split, args.fold_B / split
        if folder_a.is_dir() and folder_b.is_dir():
            found = find_pairs(folder_a, folder_b, args.fold_AB / split, args.use_AB)[
                : args.num_imgs
            ]
            say(f"{split}: {len(found)} pairs")
            pairs += found
        else:
            there, missing = (folder_a, folder_b) if folder_a.is_dir() else (folder_b, folder_a)
            warn(f"{there} left out: there is no {missing}")
    if not pairs:
        raise UserError(
            f"no pairs: {args.fold_A} and {args.fold_B} should each hold sub-folders such as train and "
            f"test, with images named {'1_A.jpg and 1_B.jpg' if args.use_AB else 'alike in both'}"
        )
    run_jobs(
        join_files, pairs, "joining", threads=1 if args.no_multiprocessing else os.cpu_count() or 1
    )
    warn_leftovers(out for _, _, out in pairs)
    say(f"wrote {len(pairs)} pairs to {args.fold_AB}")


if __name__ == "__main__":
    run_main(main)

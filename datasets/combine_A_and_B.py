"""Join the images of two folders into pairs, A left and B right, for ``--dataset_mode aligned``.

    python datasets/combine_A_and_B.py --fold_A data/A --fold_B data/B \\
        --fold_AB data/AB

Both folders hold one sub-folder per split (``train``, ``val``, ``test``). The two images of a pair
have the same size and the same file name, which also becomes the name of the result. With
``--use_AB``, ``1_A.jpg`` and ``1_B.jpg`` become ``1.jpg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from prepare import (
    THREADS,
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
from util.console import run_main, say, warn
from util.errors import UserError
from util.files import real_path
from util.limits import whole
from util.words import amount

SHOES = Path("../dataset/50kshoes_edges"), Path("../dataset/50kshoes_jpg")
FLAGS = (
    Flag("fold_A", Path, SHOES[0], "folder with the splits of A"),
    Flag("fold_B", Path, SHOES[1], "folder with the splits of B"),
    Flag("fold_AB", Output(folder=True), Path("../dataset/test_AB"), "folder for the pairs"),
    Flag("num_imgs", whole(1, 10**9), 1000000, "maximum number of pairs per split"),
    Flag("use_AB", bool, False, "match 1_A.jpg with 1_B.jpg and write 1.jpg"),
    Flag("no_multiprocessing", bool, False, "process one pair at a time"),
)


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS)


def find_pairs(folder_a: Path, folder_b: Path, out: Path, use_ab: bool) -> list[Pair]:
    """The pairs of one split, sorted by name; warns about files without a partner."""

    def images(folder: Path, mark: str) -> dict[str, Path]:
        paths = list_images(folder)
        warn_subfolders(folder)
        if not use_ab:
            return by_name(paths, lambda path: path.name)
        marked = [path for path in paths if mark in path.name]
        return by_name(marked, lambda path: path.name.replace(mark, "."))

    pairs = match(images(folder_a, "_A."), images(folder_b, "_B."), folder_a, folder_b)
    return [(a, b, out / (a.name.replace("_A.", ".") if use_ab else a.name)) for a, b in pairs]


def main() -> None:
    args = build_parser().parse_args()
    for flag, folder in (("--fold_A", args.fold_A), ("--fold_B", args.fold_B)):
        require_folder(flag, folder)
        if real_path(args.fold_AB) == real_path(folder):
            raise UserError(f"--fold_AB and {flag} are the same folder; pairs would replace images")
    splits = {
        path.name
        for folder in (args.fold_A, args.fold_B)
        for path in folder.iterdir()
        if (path.is_dir() or path.is_symlink()) and not path.name.startswith(".")
    }
    pairs: list[Pair] = []
    for split in sorted(splits):
        folders = args.fold_A / split, args.fold_B / split
        missing = [folder for folder in folders if not folder.is_dir()]
        if missing:
            warn(f"the split {split} is skipped: there is no {missing[0]}")
            continue
        new = find_pairs(*folders, args.fold_AB / split, args.use_AB)[: args.num_imgs]
        say(f"{split}: {amount(len(new), 'pair')}")
        pairs += new
    if not pairs:
        names = "named 1_A.jpg and 1_B.jpg" if args.use_AB else "of the same names in both"
        raise UserError(
            f"no pairs: {args.fold_A} and {args.fold_B} should each hold sub-folders such as train "
            f"and test, with images {names}"
        )
    join_pairs(pairs, args.fold_AB, threads=1 if args.no_multiprocessing else THREADS)


if __name__ == "__main__":
    run_main(main)

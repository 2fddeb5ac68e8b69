"""Download a dataset of the CycleGAN or pix2pix paper.

    python datasets/download.py horse2zebra            # to datasets/horse2zebra
    python datasets/download.py maps --kind pix2pix --out datasets/maps_pix2pix
    python datasets/download.py --list

The folder appears once the dataset is complete: downloaded, verified (checksum and numbers of
images) and unpacked. To resume an interrupted download, run the same command again. A mirror has
the paths of the official host: MIRROR/cyclegan/datasets/NAME.zip,
MIRROR/pix2pix/datasets/NAME.tar.gz.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from textwrap import wrap

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.listing import is_image_file
from scripts.arguments import Arguments, Output
from util.console import run_main, say
from util.download.catalogue import ALL_DATASETS, Item, find, table
from util.download.command import add_options, obtain_folder
from util.errors import UserError
from util.words import amount

SHOWN = 5  # names in a message
FOLDER = Path(__file__).resolve().parent
CITYSCAPES = (
    "cityscapes cannot be downloaded here: its licence does not allow redistribution. Register at "
    "https://www.cityscapes-dataset.com, get gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip, unpack them and run:"
)
PREPARE = (
    "python datasets/prepare_cityscapes_dataset.py --gtFine_dir gtFine",
    "--leftImg8bit_dir leftImg8bit --output_dir datasets/cityscapes --png",
)


def count_images(folder: Path, names: Collection[str] | None = None) -> dict[str, int]:
    """The number of images in each folder directly inside ``folder``, sub-folders included.

    Args:
        names: count only in folders with these names.
    """
    return {
        child.name: sum(is_image_file(path.name) for path in child.rglob("*"))
        for child in sorted(folder.iterdir())
        if child.is_dir() and (names is None or child.name in names)
    }


def check_counts(item: Item, folder: Path, checked: bool) -> str:
    """The number of images in each split of ``folder``, as text.

    Raises:
        UserError: ``checked`` is true and the numbers are not the known ones.
    """
    counts = count_images(folder, item.splits)
    wrong = [
        f"{split} has {amount(counts.get(split, 0), 'image')} instead of {count}"
        for split, count in item.counts.items()
        if counts.get(split, 0) != count
    ]
    if wrong and checked:
        raise UserError(f"{item.name}: {', '.join(wrong)} (to accept it as it is: --unchecked)")
    return ", ".join(f"{split} {count}" for split, count in counts.items() if count)


def root_of(item: Item, folder: Path) -> Path:
    """The folder in the unpacked ``folder`` that holds the splits, at any depth.

    Raises:
        UserError: there is none, or there are several.
    """
    level = [folder]
    while level:
        roots = [path for path in level if has_images(item, path)]
        if len(roots) > 1:
            names = ", ".join(path.relative_to(folder).as_posix() for path in roots)
            raise UserError(f"{item.file} holds several datasets: {names}")
        if roots:
            return roots[0]
        level = [child for path in level for child in sorted(path.iterdir()) if child.is_dir()]
    found = [name for name, count in count_images(folder).items() if count]
    names = ", ".join(found) or "no folders of images"
    splits = ", ".join(item.splits)
    raise UserError(f"{item.file} should hold folders of images ({splits}); it has {names}")


def has_images(item: Item, folder: Path) -> bool:
    """True if a split of ``item`` directly inside ``folder`` holds images."""
    return any(count_images(folder, item.splits).values())


def move(root: Path, unpacked: Path, out: Path) -> None:
    """Rename ``root`` to ``out``; what else was in ``unpacked`` is left out, with a line."""
    others: list[str] = []
    folder = root
    while folder != unpacked:
        others += [path.name for path in folder.parent.iterdir() if path != folder]
        folder = folder.parent
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        say(f"left out beside {root.name}: {', '.join(sorted(others)[:3])}{more}")
    os.replace(root, out)


def is_downloaded(item: Item, out: Path, checked: bool) -> bool:
    """True if ``out`` holds the dataset. Raises UserError if it holds something else."""
    if out.is_symlink() and not out.exists():
        raise UserError(f"{out} is a link to nothing; choose another --out")
    if not out.exists():
        return False
    if not out.is_dir():
        raise UserError(f"{out} is a file; choose another --out")
    if not any(out.iterdir()):
        out.rmdir()
        return False
    if not has_images(item, out):
        names = sorted(path.name for path in out.iterdir() if path.is_dir())
        more = ", ..." if len(names) > SHOWN else ""
        raise UserError(
            f"{out} exists, but is not {item.name} of --kind {item.kind}: it has "
            f"{', '.join(names[:SHOWN]) or 'no folders'}{more}; choose another --out"
        )
    say(f"{out} exists already: {check_counts(item, out, checked)}")
    return True


def download(item: Item, out: Path, mirrors: list[str], checked: bool = True) -> None:
    """Download and unpack ``item`` to the folder ``out``, unless it is there already.

    ``out`` is complete, or does not exist.

    Raises:
        UserError: see ``obtain_folder``, ``root_of`` and ``check_counts``.
    """
    if is_downloaded(item, out, checked):
        return
    counts = ""

    def check_and_move(unpacked: Path) -> None:
        nonlocal counts
        root = root_of(item, unpacked)
        counts = check_counts(item, root, checked)
        move(root, unpacked, out)

    obtain_folder(item, out, mirrors, checked, check_and_move)
    say(f"{out}: {counts}")


def build_parser() -> Arguments:
    parser = Arguments(__doc__)
    add_options(parser, ALL_DATASETS)
    folder = Output(folder=True)
    parser.add_argument("--out", type=folder, help="the new folder (default: datasets/NAME)")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    if args.list:
        command, more = PREPARE
        say(*table(ALL_DATASETS).splitlines(), "", *wrap(CITYSCAPES, 80))
        return say(f"    {command} \\", f"        {more}")
    if args.name == "cityscapes":
        raise UserError(" ".join([CITYSCAPES, *PREPARE]))
    item = find(ALL_DATASETS, args.name, args.kind)
    return download(item, args.out or FOLDER / item.name, args.mirror, not args.unchecked)


if __name__ == "__main__":
    run_main(main)

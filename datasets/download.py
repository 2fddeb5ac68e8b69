"""Download a dataset of the CycleGAN or pix2pix paper.

    python datasets/download.py horse2zebra            # to datasets/horse2zebra
    python datasets/download.py maps --kind pix2pix --out datasets/maps_pix2pix
    python datasets/download.py --list

The folder appears when it is complete: loaded, checksum and image counts right, unpacked. A broken transfer goes on with the
same command. Mirrors hold the paths of the official host: MIRROR/cyclegan/datasets/NAME.zip, MIRROR/pix2pix/datasets/NAME.tar.gz.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.image_folder import is_image_file
from util.console import run_main, say
from util.download.catalogue import ALL_DATASETS, DATASETS, SPLITS, Item, find, table
from util.download.transfer import (
    WriteError,
    add_options,
    fetch,
    known_checksum,
    mirrors,
    note_checksum,
)
from util.download.unpack import unpack
from util.errors import UsageError, UserError

ROOT = Path(__file__).resolve().parents[1]
CITYSCAPES = (
    "cityscapes is not served: its licence forbids passing it on. Register at https://www.cityscapes-dataset.com, get "
    "gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip, unpack them and run: python "
    "datasets/prepare_cityscapes_dataset.py --gtFine_dir gtFine --leftImg8bit_dir leftImg8bit --output_dir datasets/cityscapes"
)


def count_images(folder: Path) -> dict[str, int]:
    """The number of images in each sub-folder, those in sub-folders of it included."""
    return {
        child.name: sum(is_image_file(p.name) for p in child.rglob("*"))
        for child in sorted(folder.iterdir())
        if child.is_dir()
    }


def check_counts(item: Item, folder: Path, checked: bool) -> str:
    """What ``folder`` holds, in words.

    Raises:
        UserError: no images at all, or (if ``checked``) others than are known of the set.
    """
    found = count_images(folder)
    if not sum(found.values()):
        raise UserError(f"{item.file} holds no folders of images")
    known = dict(zip(SPLITS[item.kind], item.counts, strict=False))
    wrong = [
        f"{split} has {found.get(split, 0)} images instead of {count}"
        for split, count in known.items()
        if found.get(split, 0) != count
    ]
    if wrong and checked:
        raise UserError(f"{item.name}: {', '.join(wrong)} (to take it as it is: --unchecked)")
    return ", ".join(f"{split} {count}" for split, count in found.items() if count)


def root_of(folder: Path) -> Path:
    """The folder that holds the splits: the archive's only top folder, or, where there is none, all of it."""
    inside = list(folder.iterdir())
    splits = {split for names in SPLITS.values() for split in names}
    return (
        inside[0]
        if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in splits
        else folder
    )


def already_there(item: Item, out: Path, checked: bool) -> bool:
    """Whether ``out`` holds the set; raises UserError if it holds something else."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise UserError(f"{out} is a file; give another --out")
    if any(out.iterdir()):
        found = count_images(out)
        if not any(found.get(split) for split in SPLITS[item.kind]):
            raise UserError(
                f"{out} is there already, but is not {item.name} of --kind {item.kind}: it has "
                f"{', '.join(found) or 'no folders'}; give another --out"
            )
        say(f"{out} is there already: {check_counts(item, out, checked)}")
        return True
    out.rmdir()
    return False


def download(item: Item, out: Path, places: list[str], checked: bool = True) -> None:
    """Make the folder ``out``, whole or not at all; nothing to do if it is there.

    Raises:
        UserError: see ``fetch``, ``unpack`` and ``check_counts``.
    """
    if already_there(item, out, checked):
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    key, folder = f"{item.place[0]}/{item.file}", out.parent
    known = item.sha256 or known_checksum(folder, key)
    part, fresh = folder / f".{item.kind}-{item.file}.part", folder / f".{out.name}.unpacking"
    continued = part.exists()
    digest = fetch(
        item.urls(places),
        part,
        item.size if checked and item.sha256 else None,
        known if checked else None,
    )
    shutil.rmtree(fresh, ignore_errors=True)  # of a call that was killed
    try:
        unpack(part, fresh)
        told = check_counts(item, root_of(fresh), checked)
        os.replace(root_of(fresh), out)
    except WriteError:
        raise  # the archive is good and stays for the next call
    except UserError as error:
        part.unlink()  # or the next call would stumble over the same bytes
        if continued:
            say(f"{item.file}: {error}. It may be joined of two files: once more from the start")
            download(item, out, places, checked)
            return
        raise UserError(f"{item.file}: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    part.unlink()
    if checked and not item.sha256:
        note_checksum(folder, key, digest)
    say(f"{out}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="of the dataset; --list shows all")
    parser.add_argument(
        "--kind", choices=list(DATASETS), help="which, where both have the name (default: cyclegan)"
    )
    parser.add_argument("--out", type=Path, help="the folder to make (default: datasets/NAME)")
    add_options(
        parser,
        unchecked="take another version than the recorded checksum and counts say",
        listed="all names with size, number of images and licence",
    )
    args = parser.parse_args()
    if args.list:
        return say(table(ALL_DATASETS) + "\n\ncityscapes: " + CITYSCAPES.split(": ", 1)[1])
    if not args.name:
        raise UsageError("give the name of a dataset; --list shows all")
    if args.name == "cityscapes":
        raise UserError(CITYSCAPES)
    item = find(ALL_DATASETS, args.name, args.kind)
    return download(
        item, args.out or ROOT / "datasets" / item.name, mirrors(args.mirror), not args.unchecked
    )


if __name__ == "__main__":
    run_main(main)

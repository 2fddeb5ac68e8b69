"""Download a trained generator of the official pages to checkpoints/NAME_pretrained/latest_net_G.pth.

    python scripts/download_model.py horse2zebra
    python test.py --dataroot ./datasets/horse2zebra/testA --name horse2zebra_pretrained --model test

The file appears when it is complete and can be read. A broken transfer goes on with the same command. Mirrors hold the paths of
the official host: MIRROR/cyclegan/pretrained_models/NAME.pth, MIRROR/pix2pix/models-pytorch/NAME.pth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.console import run_main, say
from util.download.catalogue import ALL_MODELS, Item, find, table
from util.download.transfer import (
    add_options,
    fetch,
    known_checksum,
    mirrors,
    note_checksum,
    sha256_of,
)
from util.errors import UsageError, UserError


def check_weights(path: Path) -> None:
    """Raises UserError unless ``path`` is a state dict (which is read without running code)."""
    import torch

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise almost anything
        raise UserError(f"what came is no file of weights: {str(error).splitlines()[0]}") from None
    if not isinstance(weights, dict) or not any(
        isinstance(value, torch.Tensor) for value in weights.values()
    ):
        raise UserError("what came is no state dict of a network")


def download(item: Item, checkpoints: Path, places: list[str], checked: bool = True) -> Path:
    """The path of the weights, loaded unless they are there.

    Raises:
        UserError: see ``fetch`` and ``check_weights``; or the file that is there is not the one first loaded.
    """
    folder, ending = checkpoints / f"{item.name}_pretrained", item.place[1]
    out, key = folder / f"latest_net_G{ending}", f"{item.place[0]}/{item.file}"
    known = known_checksum(checkpoints, key) if checked else None
    if out.exists():
        if known and sha256_of(out) != known:
            raise UserError(
                f"{out} is not {item.name} of --kind {item.kind} as first downloaded; to load it anew, "
                "move it away"
            )
        say(f"{out} is there already")
        return out
    checkpoints.mkdir(parents=True, exist_ok=True)
    part = checkpoints / f".{item.kind}-{item.file}.part"
    continued = part.exists()
    digest = fetch(item.urls(places), part, None, known)
    if ending == ".pth":
        try:
            check_weights(part)
        except UserError as error:
            part.unlink()
            if continued:
                say(
                    f"{item.file}: {error}. It may be joined of two files: once more from the start"
                )
                return download(item, checkpoints, places, checked)
            raise
    folder.mkdir(exist_ok=True)
    part.replace(out)
    if checked:
        note_checksum(checkpoints, key, digest)
    say(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="of the model; --list shows all")
    parser.add_argument(
        "--kind",
        choices=("cyclegan", "pix2pix", "lua"),
        help="which, where several have the name (default: "
        "cyclegan); lua: .t7 files for the Lua code, which this code cannot read",
    )
    parser.add_argument(
        "--checkpoints_dir", type=Path, default=Path("./checkpoints"), help="default: ./checkpoints"
    )
    add_options(
        parser,
        unchecked="take another version than the one downloaded first",
        listed="all names with their licence",
    )
    args = parser.parse_args()
    if args.list:
        return say(table(ALL_MODELS))
    if not args.name:
        raise UsageError("give the name of a model; --list shows all")
    download(
        find(ALL_MODELS, args.name, args.kind),
        args.checkpoints_dir,
        mirrors(args.mirror),
        not args.unchecked,
    )
    return None


if __name__ == "__main__":
    run_main(main)

"""Download a trained generator of the official pages.

    python scripts/download_model.py horse2zebra
    python scripts/translate.py --name horse2zebra_pretrained \\
        --input photos --output zebras

The file becomes checkpoints/NAME_pretrained/latest_net_G.pth once it is complete and readable. To
resume an interrupted download, run the same command again. A mirror has the paths of the official
host: MIRROR/cyclegan/pretrained_models/NAME.pth, MIRROR/pix2pix/models-pytorch/NAME.pth.
``--kind lua`` gets .t7 files for the Lua code, which this code cannot read.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from util.checkpoint import load_state_dict, require_numbers
from util.console import run_main, say
from util.download.catalogue import ALL_MODELS, Item, find, table
from util.download.command import add_options, noted_checksums, obtain
from util.download.transfer import sha256_of
from util.errors import UserError


def check_weights(path: Path) -> None:
    """Raise a UserError unless ``path`` is a state dict; no code in the file is executed."""
    try:
        weights = load_state_dict(path)
    except UserError as error:
        raise UserError(f"this is not a file of weights: {error}") from None
    if not weights:
        raise UserError("this is not a file of weights: it is empty")
    require_numbers(weights, "the weights")


def download(item: Item, checkpoints: Path, mirrors: list[str], checked: bool = True) -> Path:
    """The path of the weights, which are downloaded unless they are there already.

    Raises:
        UserError: see ``obtain`` and ``check_weights``; or the existing file is another one.
    """
    out = checkpoints / f"{item.name}_pretrained" / f"latest_net_G{item.place.ending}"
    if out.parent.exists() and not out.parent.is_dir():
        raise UserError(f"{out.parent} is a file, but should be a folder; move it away")
    if out.is_symlink() and not out.exists():
        raise UserError(f"{out} is a link to nothing; remove it")
    if out.exists():
        sha256 = noted_checksums(checkpoints).get(item.key) if checked else None
        if sha256 and sha256_of(out) != sha256:
            raise UserError(
                f"{out} is not {item.name} of --kind {item.kind} as first downloaded; to download "
                "it again, move the file away"
            )
        if out.suffix == ".pth":
            try:
                check_weights(out)
            except UserError as error:
                raise UserError(f"{out} exists, but {error}; move it away") from None
        say(f"{out} exists already")
        return out

    def install(part: Path) -> None:
        if out.suffix == ".pth":
            check_weights(part)
        out.parent.mkdir(exist_ok=True)
        part.replace(out)

    by_hand = f"save {item.file} as {out}"
    obtain(item, checkpoints, mirrors, checked, install, by_hand)
    say(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")
    return out


def build_parser() -> Arguments:
    default = Path("./checkpoints")
    folder = Flag("checkpoints_dir", Output(folder=True), default, "default: ./checkpoints")
    parser = Arguments(__doc__, [folder])
    add_options(parser, ALL_MODELS)
    return parser


def main() -> None:
    args = build_parser().parse_args()
    if args.list:
        return say(*table(ALL_MODELS).splitlines())
    item = find(ALL_MODELS, args.name, args.kind)
    download(item, args.checkpoints_dir, args.mirror, not args.unchecked)
    return None


if __name__ == "__main__":
    run_main(main)

"""Pack a trained run into one archive for others: weights, options, samples and a model card.

    python scripts/pack_run.py horse2zebra --output horse2zebra.zip \\
        --note "Horses to zebras."
    python test.py --dataroot photos --name horse2zebra.zip --model test

``load_generator("horse2zebra.zip")`` and scripts/translate.py take the archive, too. Unpacked into
checkpoints/, it is an ordinary run for testing. The options in it hold no folders of this computer.
"""

from __future__ import annotations

import json
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.image_file import open_image
from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.image_arguments import ImageArguments
from scripts.sharing.packing import BEST, Card, public_options, read_weights, samples_of
from util.checkpoint import saved_options
from util.console import run_main, say
from util.errors import UsageError
from util.files import read_json, write_atomically
from util.limits import whole
from util.pages.page import readable
from util.runs import run_folder
from util.values import FILE, load
from util.words import amount

FLAGS = (
    Flag("checkpoints_dir", Path, Path("checkpoints"), "default: checkpoints"),
    Flag("output", Output(".zip"), None, "archive to write", required=True),
    Flag("epoch", str, "latest", "whose weights: a number, latest or best (default: latest)"),
    Flag(
        "samples",
        whole(0, 100),
        3,
        "rows of validation images from the run's page, 0: none (default: 3)",
    ),
    Flag("discriminators", bool, False, "include their weights, for --init_D_A and the like"),
    Flag("note", str, "", "a description for the model card", metavar="TEXT"),
    Flag("license", str, "", "the licence of the weights, e.g. cc-by-4.0", metavar="TEXT"),
)
DATE = (1980, 1, 1, 0, 0, 0)  # of all files, so that the same run gives the same archive


def write_archive(file: IO[bytes], name: str, contents: dict[str, bytes]) -> None:
    """Write a zip with ``contents`` in a folder ``name``."""
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in contents.items():
            info = zipfile.ZipInfo(f"{name}/{path}", DATE)
            text = path.endswith((".md", ".json"))  # weights and images hardly compress
            info.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)


def build_parser() -> ImageArguments:
    parser = ImageArguments(__doc__, FLAGS)
    parser.add_argument("run", metavar="RUN", help="name in --checkpoints_dir, or a run's folder")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    if not args.epoch.isalnum():
        raise UsageError(f"--epoch {args.epoch}: should be a number, latest or best")
    texts = {"--note": args.note, "--license": args.license, "--output": args.output.stem}
    for flag, text in texts.items():
        if readable(text) != text:
            raise UsageError(f"{flag}: should be UTF-8 text")
    if len(args.license.splitlines()) > 1:
        raise UsageError("--license: should be one line")
    folder = run_folder(args.run, args.checkpoints_dir, "RUN")
    weights = read_weights(folder, args.epoch, args.discriminators)
    options, shortened = public_options(saved_options(folder))
    domains = load(folder)  # the rules of the values, if images are more than 8-bit pictures
    samples = samples_of(folder, args.epoch, args.samples)
    for file in samples.values():
        with open_image(str(file)) as image:
            image.load()
    name = args.output.stem
    best = read_json(folder / "best.json", BEST, {}) if args.epoch == "best" else {}
    facts = (weights, list(samples), best, args.note, args.license)
    card = Card(name, args.epoch, options, *facts, domains)
    contents = {"README.md": card.text().encode()}
    contents |= (
        {"train_opt.json": (json.dumps(options, indent=1) + "\n").encode()} if options else {}
    )
    if any(domains.values()):
        contents[FILE] = (folder / FILE).read_bytes()
    contents |= {part.name: part.content for part in weights}
    contents |= {path: file.read_bytes() for path, file in samples.items()}
    write_atomically(args.output, partial(write_archive, name=name, contents=contents), "--output")
    if shortened:
        say(f"Shortened to the last part of their path: {', '.join(shortened)}")
    if args.samples and not samples:
        say(f"No samples: {folder / 'web'} has no validation images")
    parts = f"{amount(len(weights), 'network')}, {amount(len(samples) // 2, 'sample')}"
    say(f"{parts}, {args.output.stat().st_size / 1e6:.1f} MB: {args.output}")


if __name__ == "__main__":
    run_main(main)

"""Export a trained generator for other programs, for images of any size.

    python scripts/export.py --name horse2zebra --to onnx \\
        --output horse2zebra.onnx
    python scripts/export.py --name horse2zebra --direction BtoA \\
        --to torchscript --half --output zebra2horse.pt
    python scripts/export.py --name ct2mr --to onnx --raw --output ct2mr.onnx

The file is run at ten sizes and compared with the generator before it is written. docs/export.md
says what is in it. load_generator(FILE), and scripts/translate.py and test.py with --name FILE use
it like a run. The program takes every option of test.py that chooses a network, such as --epoch,
--ema and --eval.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from util.console import run_main, say
from util.errors import UsageError, UserError, naming
from util.exported_file import ENDINGS
from util.files import real_path, write_atomically
from util.values import domain_of, load

FLAGS = (
    Flag("to", tuple(ENDINGS), None, "kind of file", required=True),
    Flag("output", Output(*ENDINGS.values()), None, "file to write", required=True),
    Flag("raw", bool, False, "take and give values in file units; the default is [-1, 1]"),
    Flag("half", bool, False, "half precision inside; input and output stay float32"),
)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def parse() -> tuple[Namespace, list[str]]:
    """Return the options of this program, and those for test.py."""
    args, others = build_parser().parse_known_args()
    if args.output.suffix.lower() != ENDINGS[args.to]:
        raise UsageError(f"--output {args.output}: --to {args.to} writes files {ENDINGS[args.to]}")
    if not args.output.parent.is_dir():
        raise UserError(f"--output {args.output}: there is no folder {args.output.parent}")
    if args.raw and args.to == "safetensors":
        raise UsageError("--raw: safetensors hold weights, and no mapping of values")
    return args, others


def load_network(args: Namespace, others: list[str]) -> tuple[Namespace, Any]:
    """Return the options of a test, and the generator as test.py would use it.

    Raises UserError: the run has none that can be exported.
    """
    from data.rasters import wishes  # imports torch, as do the next
    from models.translation.exported import ExportedNetwork
    from models.translation.latent_search import CoupledTranslator
    from models.translation.translator import Translator
    from options.test_options import TestOptions
    from util.modules import batch_dependence

    words = ["--model", "test", "--dataroot", ".", "--gpu_ids", "-1", *others]
    opt = TestOptions().read(words)  # without the lines on the size of the images of a test
    if given := [name for name in wishes.OPTIONS if name in opt.explicit_options]:
        raise UsageError(f"--{given[0]}: the export takes the values of the run")
    if opt.tile:
        raise UsageError(f"--tile {opt.tile}: an exported network takes whole images")
    folder = Path(opt.checkpoints_dir) / opt.name
    net = Translator(opt, domains=load(folder)).model.netG
    if isinstance(net, CoupledTranslator):
        raise UserError(
            f"--name {opt.name}: a CoGAN searches for each translation, and has no generator from "
            "images to images that could be exported"
        )
    if isinstance(net, ExportedNetwork):
        raise UserError(f"--name {net.file}: it is exported already; give the run or its weights")
    if opt.exported_file and real_path(args.output) == real_path(opt.exported_file):
        raise UserError(f"--output {args.output} would replace --name; choose another file")
    if args.to != "safetensors" and "dropout" in batch_dependence([net]):
        raise UsageError(
            f"--to {args.to}: this generator has active dropout, as in test.py, and its noise "
            "cannot be exported; --eval turns it off"
        )
    return opt, net


def main() -> None:
    args, others = parse()
    from scripts.exporting.checking import TINY, Case, compare, open_file, require_equal
    from scripts.exporting.description import metadata_of, norm_of
    from scripts.exporting.formats import WRITERS, require_packages
    from scripts.exporting.graph import ExportedGenerator, in_precision, prepared

    require_packages(args.to)
    opt, net = load_network(args, others)
    domains = load(Path(opt.checkpoints_dir) / opt.name)
    source, target = (domains[domain_of(label, opt.direction)] for label in ("real", "fake"))
    if args.to == "safetensors":
        network = in_precision(net, args.half)
    else:
        network = ExportedGenerator(prepared(net, args.half), args.raw, source, target)
    metadata = metadata_of(opt, net, args.to, args.raw, args.half, domains)
    content, remark = WRITERS[args.to](network, opt.input_nc, metadata)
    net = net.cpu()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / args.output.name
        with naming(file):
            file.write_bytes(content)
        case = Case(net, opt.input_nc, args.raw, source, target)
        found = compare(open_file(args.to, file, net), case)
    require_equal(found, args.to, args.half)
    write_atomically(args.output, content, "--output")
    say(f"{opt.netG}, {opt.direction}, norm: {norm_of(net, opt.norm)}")
    for side in ("input", "output"):
        say(f"{side}: {metadata[f'{side}_channels']}, {metadata[f'{side}_range']}")
    above = f"; above {TINY}x{TINY} the largest is {found.larger:.2g}" if args.half else ""
    say(
        f"10 sizes from 2x2 to 257x140: the largest difference is {found.largest:.2g} (at "
        f"{found.size}), the mean {found.mean:.2g}{above}"
    )
    say(f"{metadata['precision']}{remark}, {len(content) / 1e6:.1f} MB: {args.output}")


if __name__ == "__main__":
    run_main(main)

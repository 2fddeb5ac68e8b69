"""Export every generator with every norm, and print how much the files differ from it.

    python scripts/maintenance/check_exports.py   # two minutes of a core
    python scripts/maintenance/check_exports.py --only unet_128 --every 70

Each generator has random weights. It is written as ONNX and as TorchScript, and as ONNX in half
precision. The table holds the largest difference at the ten sizes of scripts/export.py, where
images go from -1 to 1; in half precision, of the sizes above 3x3. float64 is the generator in
double precision, which shows how much float32 rounds. --every N adds each height from 2 to N with
one width of the same range.
"_eval" stands for --eval, which uses statistics of the training in batch norm. The exit status is 1
if a float32 file differs by more than 1e-4 and by more than twice what float64 does.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.flags.flag import Flag
from options.flags.model import NET_G
from scripts.arguments import SEED, Arguments
from util.console import run_main, say
from util.errors import UserError
from util.limits import whole

if TYPE_CHECKING:
    from torch import nn

NORMS = ("instance", "batch", "batch_eval", "sync_batch_eval", "none")
FILES = (("onnx", False), ("torchscript", False), ("onnx", True))  # kind, half precision
FLAGS = (
    Flag("only", NET_G, list(NET_G), "generators (default: all)", nargs="+"),
    Flag("norms", NORMS, list(NORMS), "norms (default: all)", nargs="+"),
    Flag("ngf", whole(1, 256), 8, "width of the generators (default: 8)"),
    Flag("every", whole(1, 4096), 1, "also all heights from 2 to N (default: 1, none)"),
    Flag("seed", SEED, 0, "seed of the weights (default: 0)"),
)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def generator(
    name: str,
    norm: str,
    upsample: str = "transpose",
    ngf: int = 8,
    channels: tuple[int, int] = (3, 3),
    dropout: bool = False,
) -> nn.Module:
    """Return a generator with random weights whose features and outputs are as large as trained.

    Batch norms have the statistics of a random image.
    """
    import torch

    from models import networks
    from util.modules import BATCH_NORMS
    from util.upsampling import use_upsampling

    init = ("kaiming", 1.0)
    net = networks.define_G(*channels, ngf, name, norm.removesuffix("_eval"), dropout, *init)
    options = Namespace(upsample=upsample, netG=name, init_type=init[0], init_gain=init[1])
    use_upsampling(options, net)
    for layer in net.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.momentum = 1.0
    *_, last = (layer for layer in net.modules() if "Conv" in type(layer).__name__)
    outputs: list[torch.Tensor] = []
    hook = last.register_forward_hook(lambda layer, inputs, output: outputs.append(output))
    with torch.no_grad():
        net(torch.rand(1, channels[0], 128, 128) * 2 - 1)
        last.weight /= 2 * outputs[0].std()  # type: ignore[operator, arg-type]
    hook.remove()
    return net.eval() if norm.endswith("_eval") else net


def differences_of(net: nn.Module, every: int) -> list[float]:
    """Return the largest difference of each of :data:`FILES`, and that of float64."""
    from scripts.exporting import checking
    from scripts.exporting.formats import WRITERS
    from scripts.exporting.graph import ExportedGenerator, prepared

    case = checking.Case(net, 3, False, None, None)
    more = [(1, height, 2 + height * 7 % (every - 1)) for height in range(2, every + 1)]
    sizes, found = (*checking.SIZES, *more), []
    for kind, half in FILES:
        network = ExportedGenerator(prepared(net, half), False, None, None)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network"
            file.write_bytes(WRITERS[kind](network, 3, {})[0])
            run = checking.open_file(kind, file, net)
            differences = checking.compare(run, case, checking.SIZES if half else sizes)
            found.append(differences.larger if half else differences.largest)
    exact = copy.deepcopy(net).double()
    return [*found, checking.compare(lambda x: exact(x.double()), case, sizes).largest]


def main() -> None:
    args = build_parser().parse_args()
    import torch

    from scripts.exporting.checking import LIMITS
    from scripts.exporting.formats import require_packages

    require_packages("onnx")
    torch.manual_seed(args.seed)
    heads = [*(kind + " half" * half for kind, half in FILES), "float64"]
    say(f"{'generator':15} {'norm':16} {'upsample':10} " + " ".join(f"{h:>12}" for h in heads))
    wrong = 0
    for name in args.only:
        for norm in args.norms:
            for upsample in ("transpose", "resize"):
                found = differences_of(generator(name, norm, upsample, args.ngf), args.every)
                numbers = " ".join(f"{value:12.1e}" for value in found)
                say(f"{name:15} {norm:16} {upsample:10} {numbers}")
                wrong += not max(found[:2]) <= max(LIMITS[False], 2 * found[-1])
    if wrong:
        raise UserError(f"{wrong} of the rows differ by more than {LIMITS[False]:g} and rounding")


if __name__ == "__main__":
    run_main(main)

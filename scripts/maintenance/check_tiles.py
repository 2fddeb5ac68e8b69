"""Compare tiles with the whole image for every generator and norm, and measure their memory.

    python scripts/maintenance/check_tiles.py OUT
    python scripts/maintenance/check_tiles.py OUT --only memory

Trains each generator with each norm for a few steps on datasets/atlas, translates images of five
sizes in one piece and in at least 3x3 tiles, and prints the largest difference in levels of 255,
what --tile_stats sample differs by and what it measures itself, and what tiles without the
statistics of the whole image would differ by. Finished trainings are not repeated.

Then a child process of each program translates a .npy file of each of --sides, from file to file,
and its peak memory is printed.

Status 1 if a difference is more than a level, or the peaks differ by more than 10 %.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.image_file import read_image
from options.flags.flag import Flag
from options.flags.model import UPSAMPLE
from scripts.arguments import Arguments, Output
from scripts.maintenance.calls import ROOT, call
from util.console import run_main, say
from util.errors import UserError
from util.limits import whole

NETS = ("resnet_6blocks", "resnet_9blocks", "unet_128", "unet_256")
NORMS = ("instance", "batch", "none")
PROGRAMS = ("translate.py", "test.py")
PARTS = ("differences", "memory")
FLAGS = (
    Flag("only", PARTS, None, "do only this part"),
    Flag("nets", NETS, NETS, "generators (default: all)", nargs="+"),
    Flag("norms", NORMS, NORMS, "norms (default: all)", nargs="+"),
    Flag("upsample", UPSAMPLE, "transpose", "as in train.py"),
    Flag("ngf", whole(1, 512), 8, "width of the generators (default: 8)"),
    Flag("steps", whole(1, 10**6), 100, "training steps of each (default: 100)"),
    Flag("sizes", whole(1, 100), 5, "number of sizes (default: 5)"),
    Flag("sides", whole(64, 10**6), (2000, 8000), "sides of the images of the second part", "+"),
    Flag("programs", PROGRAMS, PROGRAMS, "what the second part runs (default: both)", nargs="+"),
    Flag("tile", whole(1, 10**6), 512, "tile of the second part (default: 512)"),
    Flag("tile_stats", ("exact", "sample"), "sample", "statistics of the second part"),
)


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    parser.add_argument("out", type=Output(folder=True), help="folder for runs and images")
    return parser


def train(args: Namespace, net: str, norm: str) -> Path:
    """Return the folder of a run, which is trained unless it is there."""
    size = 128 if net == "unet_128" else 256 if net == "unet_256" else 64
    name = f"{net}_{norm}_{args.upsample}_{args.ngf}_{args.steps}"
    if not (args.out / name / "latest_net_G_A.pth").is_file():
        call(
            args.out / "log.txt",
            *("train.py", "--dataroot", "datasets/atlas", "--name", name, "--netG", net),
            *("--checkpoints_dir", args.out.resolve(), "--norm", norm, "--upsample", args.upsample),
            *("--ngf", args.ngf, "--ndf", 8, "--load_size", size, "--crop_size", size),
            *("--max_dataset_size", args.steps, "--n_epochs", 1, "--n_epochs_decay", 0),
            *("--seed", 1, "--display_id", 0, "--panel_size", 0, "--no_html", "--gpu_ids", -1),
        )
    return args.out / name


def mosaic(height: int, width: int) -> np.ndarray:
    """Return atlas images side by side, uint8 (height, width, 3), darker towards the left."""
    files = sorted(map(str, (ROOT / "datasets/atlas/testA").iterdir()))
    images = [np.asarray(read_image(file, 3)) for file in files]
    side = min(min(image.shape[:2]) for image in images)
    rows, columns = -(-height // side), -(-width // side)
    # A prime step, so that rows do not repeat
    parts = [images[(7 * i) % len(images)][:side, :side] for i in range(rows * columns)]
    lines = [np.concatenate(parts[r * columns : (r + 1) * columns], 1) for r in range(rows)]
    whole = np.concatenate(lines)[:height, :width]
    return (whole * np.linspace(0.5, 1, width)[None, :, None]).astype(np.uint8)


def sizes_of(net: str, count: int) -> list[tuple[int, int, int]]:
    """Return height, width and tile of some images, most of them no multiples of the stride."""
    tile, least = {"unet_128": (128, 4), "unet_256": (256, 2)}.get(net, (64, 4))
    shares = [(0.5, 0.7), (0.1, 1.3), (1, 1), (0.9, 0.2), (1.4, 0.3)]
    found = [(int((least + a) * tile) + 1, int((least + b) * tile) - 2) for a, b in shares]
    found[2] = ((least + 1) * tile, (least + 1) * tile)
    return [(*size, tile) for size in (found * -(-count // 5))[:count]]


def differences(args: Namespace) -> bool:
    """Print the first table; return True if nothing differs by more than a level."""
    from models.translation.tiling.engine import Settings
    from models.translation.tiling.network import TiledNetwork

    head = "generator norm mode size tiles passes largest sample measured alone seconds"
    say(("{:>14}" + "{:>10}" * 10).format(*head.split()))
    worst = 0.0
    for net, norm in product(args.nets, args.norms):
        for evaluated in (False, True) if norm == "batch" else (False,):
            generator = load(train(args, net, norm), evaluated)
            for height, width, tile in sizes_of(net, args.sizes):
                x = tensor(mosaic(height, width))
                begin, notes = time.monotonic(), list[str]()
                settings = Settings(tile, "exact", say=notes.append, report=notes.append)
                gap = largest(TiledNetwork(generator, settings), generator, x)
                seconds, worst = time.monotonic() - begin, max(worst, gap)
                sample, measured, alone = "-", "-", "-"
                grid, passes = re.findall(r"in (\d+x\d+) tiles.*: (\d+ pass)", notes[0])[0]
                if not passes.startswith("1 "):
                    settings = settings._replace(statistics="sample")
                    sample = f"{largest(TiledNetwork(generator, settings), generator, x):.3g}"
                    found = re.findall(r"average and (\S+) at most", notes[-1])
                    measured = found[0] if found else "exact"
                    alone = f"{largest(partial(apart, generator, tile), generator, x):.3g}"
                mode = "eval" if evaluated else "train"
                row = (net, norm, mode, f"{width}x{height}", grid, passes.split()[0])
                columns = (f"{gap:.4f}", sample, measured, alone, f"{seconds:.1f}")
                say(("{:>14}" + "{:>10}" * 10).format(*row, *columns))
    return worst <= 1


def load(folder: Path, evaluated: bool) -> Any:
    """Return the trained generator from A to B."""
    from models import load_generator

    options = {"preprocess": "none", "gpu_ids": "-1", "eval": evaluated}
    return load_generator(folder, **options).model.netG


def tensor(image: np.ndarray) -> Any:
    """Return an image as (1, 3, H, W) in [-1, 1]."""
    import torch

    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


def largest(translate: Any, generator: Any, x: Any) -> float:
    """Return the largest difference of a translation to that in one piece, in levels of 255."""
    import torch

    with torch.no_grad():
        return float((translate(x) - generator(x)).abs().max()) * 127.5


def apart(generator: Any, tile: int, x: Any) -> Any:
    """Return the translation of tiles with halos, each as an image of its own."""
    import torch

    from models.translation.tiling.graph import Graph

    graph, result = Graph(generator), torch.zeros_like(x)
    halo = -(-graph.halo() // graph.stride) * graph.stride
    for top, left in product(range(0, x.shape[2], tile), range(0, x.shape[3], tile)):
        first, start = max(0, top - halo), max(0, left - halo)
        part = generator(x[..., first : top + tile + halo, start : left + tile + halo])
        inner = part[..., top - first :, left - start :][..., :tile, :tile]
        result[..., top : top + tile, left : left + tile] = inner
    return result


def memory(args: Namespace) -> bool:
    """Print the second table; return True if the peaks are at most 10 % apart."""
    run = train(args, args.nets[0], args.norms[0])
    peaks: dict[str, list[float]] = {program: [] for program in args.programs}
    say("{:>12}{:>12}{:>12}{:>12}{:>12}".format("program", "side", "tile", "peak (MB)", "seconds"))
    for side, program in product(args.sides, args.programs):
        images, results = args.out / f"images_{side}", args.out / f"results_{side}"
        images.mkdir()
        write_mosaic(images / "a.npy", side)
        words = {
            "translate.py": ["scripts/translate.py", "--input", images, "--output", results],
            "test.py": ["test.py", "--dataroot", images, "--results_dir", results],
        }[program]
        words += ["--name", run.name, "--checkpoints_dir", run.parent, "--model", "test"]
        words += ["--preprocess", "none", "--format", "npy", "--gpu_ids", -1]
        words += ["--tile", args.tile, "--tile_stats", args.tile_stats]
        begin = time.monotonic()
        with open(args.out / "log.txt", "a", encoding="utf-8") as log:
            command = [sys.executable, *map(str, words)]
            child = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise UserError(f"{program} failed; see {args.out / 'log.txt'}")
        peaks[program].append(used.ru_maxrss / 1024)
        seconds = time.monotonic() - begin
        peak = peaks[program][-1]
        say(f"{program:>12}{side:>12}{args.tile:>12}{peak:>12.0f}{seconds:>12.0f}")
        shutil.rmtree(images)
        shutil.rmtree(results)
    return all(max(found) <= 1.1 * min(found) for found in peaks.values())


def write_mosaic(path: Path, side: int) -> None:
    """Write a .npy file of side x side pixels, a strip at a time."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
    strip = mosaic(256, side)
    for top in range(0, side, 256):
        part = np.roll(strip, 13 * top, axis=1)[: min(256, side - top)]
        array[top : top + 256] = part
    array.flush()


def main() -> None:
    args = build_parser().parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    parts = {"differences": differences, "memory": memory}
    passed = [part(args) for name, part in parts.items() if args.only in (None, name)]
    say("ok" if all(passed) else "not ok")
    sys.exit(not all(passed))


if __name__ == "__main__":
    run_main(main)

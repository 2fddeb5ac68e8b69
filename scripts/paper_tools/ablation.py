"""Reproduce Tables 4 and 5 on any data set: parts of the objective, several seeds each.

    python scripts/paper.py ablate --dataroot datasets/atlas --seeds 1 2 3 \\
        --palette 144,202,228 242,239,233 255,255,255 --network segmenter.pt \\
        -- --netG resnet_6blocks --ngf 16 --load_size 64 --crop_size 64 --val_freq 1 --val_share 0.1

Needs testA and testB. Finished runs are skipped, so the same command resumes after a break. Each
finished run leaves a small file in ``OUT/NAME``, and docs/results.md is written from all of them.
With ``--val_freq`` the best epoch is measured, too.

The paper's "forward" and "backward" refer to its x, which seems to be the labels (Figure 7): where
B holds labels or maps, as in the official sets, forward is B -> A -> B.
"""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
from PIL import Image

from data.image_file import read_image
from data.listing import image_paths, stem
from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output, colour_text
from scripts.paper_tools import results, scoring
from scripts.paper_tools.scoring import ROOT
from util import plugins
from util.checkpoint import STATE, saved_options
from util.console import say
from util.errors import UsageError, UserError, naming
from util.files import read_json, write_atomically

VARIANTS = {
    "cycle": ("Cycle alone", ["--lambda_GAN", "0"]),
    "gan": ("GAN alone", ["--lambda_A", "0", "--lambda_B", "0"]),
    "forward": ("GAN + forward cycle", ["--lambda_A", "0"]),
    "backward": ("GAN + backward cycle", ["--lambda_B", "0"]),
    "full": ("CycleGAN", []),
}
RESULTS = (Flag("out", Output(folder=True), ROOT / "docs" / "results", "default: docs/results"),)
FLAGS = (
    Flag("dataroot", Path, None, "folder with trainA, trainB, testA, testB", required=True),
    Flag("seeds", SEED, [1, 2, 3], "default: 1 2 3", nargs="+"),
    Flag("variants", tuple(VARIANTS), list(VARIANTS), "default: all", nargs="+"),
    Flag("name", str, None, "name of the results (default: the name of the dataroot)"),
    Flag(
        "palette",
        colour_text,
        [],
        "colours of the classes, if B holds label maps",
        nargs="+",
        metavar="R,G,B",
    ),
    Flag(
        "work",
        Output(folder=True),
        ROOT / "checkpoints" / "ablation",
        "folder of runs (default: checkpoints/ablation)",
    ),
    Flag("dry_run", bool, False, "only print the commands that are left"),
    *scoring.FLAGS,
    *RESULTS,
)
TILES = 6  # images in a picture
POINTS = 40  # lines of the loss log that are kept


def ablate(args: Namespace) -> None:
    """Train, test and measure all variants with all seeds, one after the other.

    Raises:
        UserError: ``OUT/NAME`` holds results of other settings, or a program failed.
    """
    args.name = args.name or args.dataroot.name
    if args.name in ("", "..") or Path(args.name).name != args.name:
        raise UsageError(f"--name {args.name}: should be the name of one folder, without /")
    folder = args.out / args.name
    args.scoring = scoring_of(args)
    check_setup(args, folder / "setup.json")
    for seed in args.seeds:
        for variant in args.variants:
            run = Run(args, variant, seed)
            if (folder / f"{variant}-{seed}.json").is_file():
                say(f"{variant}, seed {seed}: finished")
            elif args.dry_run:
                say(*(scoring.shown(argv) for argv in (run.training(), run.test("latest"))))
            else:
                run.execute(folder)
                write_results(args)


def scoring_of(args: Namespace) -> scoring.Scoring:
    """Return what to measure."""
    palette = ["--palette", *args.palette] if args.palette else []
    stems = [{stem(path) for path in image_paths(str(args.dataroot / f"test{x}"))} for x in "AB"]
    paired = stems[0] == stems[1]
    return scoring.Scoring(paired, palette, args.features, args.network, args.network_range)


def check_setup(args: Namespace, path: Path) -> None:
    """Write the settings to ``path``, or raise UserError if it holds other settings."""
    setup = {
        "dataset": args.dataroot.name,
        "train": args.train,
        "palette": args.palette,
        "features": Path(args.features).name if args.features else None,
        "network": Path(args.network).name if args.network else None,
    }
    if (old := read_json(path, dict, missing=setup)) != setup:
        differ = ", ".join(key for key in setup if old.get(key) != setup[key])
        raise UserError(f"{path} is of other settings ({differ}); give another --name")
    if not args.dry_run:
        write_atomically(path, json.dumps(setup, indent=1).encode())


def write_results(args: Namespace) -> None:
    results.write(args.out, {key: title for key, (title, _) in VARIANTS.items()})


def own_files(words: list[str], *flags: str) -> list[str]:
    """Return the options of ``words`` that name a model or dataset file; a resume needs them."""
    parser = Arguments(add_help=False, allow_abbrev=False)
    for flag in ("model", "dataset_mode"):
        parser.add_argument(f"--{flag}", default="")
    return plugins.file_flags(vars(parser.parse_known_args(words)[0]), *flags)


class Run:
    """One variant with one seed."""

    def __init__(self, args: Namespace, variant: str, seed: int) -> None:
        self.args, self.variant, self.seed = args, variant, seed
        self.folder = args.work / f"{args.name}_{variant}_{seed}"
        self.results = args.work / "results"
        self.where = ["--name", self.folder.name, "--checkpoints_dir", str(args.work)]
        self.data = ["--dataroot", str(args.dataroot)]

    def training(self, resume: bool = True) -> list[str]:
        """Return the command that trains, or that resumes the training if it was interrupted."""
        if resume and (self.folder / STATE).is_file():
            return ["train.py", "--continue_train", *self.where, *own_files(self.args.train)]
        settings = [*self.args.train, *VARIANTS[self.variant][1]]
        return ["train.py", *self.data, *settings, *self.where, "--seed", str(self.seed)]

    def test(self, epoch: str) -> list[str]:
        options = ["--results_dir", str(self.results), "--model", "cycle_gan", "--epoch", epoch]
        dataset = own_files(self.args.train, "dataset_mode")
        return ["test.py", *self.data, *self.where, *options, *dataset]

    def images(self, epoch: str) -> Path:
        return self.results / self.folder.name / f"test_{epoch}" / "images"

    def measure(self, epoch: str) -> scoring.Scores:
        """Test an epoch and return the scores of its images."""
        scoring.execute(self.test(epoch))
        out = self.folder / f"scores_{epoch}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        how: scoring.Scoring = self.args.scoring
        for argv in how.commands(self.images(epoch), self.args.dataroot, "test", out):
            scoring.execute(argv)
        return scoring.collect(out)

    def execute(self, folder: Path) -> None:
        """Train, test and measure; write the run's file, and for the first seed a picture."""
        scoring.execute(self.training())
        scores = {"latest": self.measure("latest")}
        if self.seed == self.args.seeds[0]:
            draw(self.images("latest"), self.args.dataroot, folder, self.variant)
        position = scoring.position_of(self.folder)
        best = None
        if position["validated"]:
            best = read_json(self.folder / "best.json", {"epoch": int})
            # If the last epoch is the best one, both have the same networks.
            same = best["epoch"] == position["validated"][0][0]
            scores["best"] = scores["latest"] if same else self.measure("best")
        record = {
            "variant": self.variant,
            "seed": self.seed,
            "command": self.readable(self.training(resume=False)),
            "commit": scoring.commit(),
            "machine": scoring.machine(saved_options(self.folder)["device"]),
            "hours": round(position["elapsed"] / 3600, 4),
            "images": position["total"],
            "best": best,
            "scores": scores,
            "log": log(self.folder),
        }
        path = folder / f"{self.variant}-{self.seed}.json"
        write_atomically(path, json.dumps(record, indent=1).encode())

    def readable(self, argv: list[str]) -> str:
        """Return a command line with the folders of a fresh checkout."""
        text = scoring.shown(argv).replace(str(self.args.work), "checkpoints/ablation")
        return text.replace(str(self.args.dataroot), f"datasets/{self.args.dataroot.name}")


def log(run: Path) -> list[str]:
    """Return lines of the loss log: all validations, and about ``POINTS`` of the others."""
    lines = [line.strip() for line in (run / "loss_log.txt").read_text().splitlines()]
    lines = [line for line in lines if line.startswith("(epoch")]
    losses = [line for line in lines if "val_" not in line]
    kept = set(losses[:: 1 + len(losses) // POINTS] + losses[-1:])
    return [re.sub(r", time: .*?\)", ")", line) for line in lines if "val_" in line or line in kept]


def draw(images: Path, dataroot: Path, folder: Path, variant: str) -> None:
    """Write a picture of the same few test images for each variant, and one of the real images.

    The upper row is A -> B, the lower row B -> A.
    """
    rows: dict[str, list[np.ndarray]] = {f"{variant}.png": [], "input.png": []}
    for domain, other in (("A", "B"), ("B", "A")):
        names = [Path(path).stem for path in image_paths(str(dataroot / f"test{domain}"))]
        chosen = [names[i * len(names) // TILES] for i in range(TILES)]
        for row, label in zip(rows.values(), (f"fake_{other}", f"real_{domain}"), strict=True):
            tiles = [read_image(str(images / f"{name}_{label}.png")) for name in chosen]
            small = [tile.resize((96, 96), Image.Resampling.BICUBIC) for tile in tiles]
            row.append(np.concatenate([np.asarray(tile) for tile in small], 1))
    for file, row in rows.items():
        with naming(folder / file):
            Image.fromarray(np.concatenate(row)).save(folder / file, optimize=True)

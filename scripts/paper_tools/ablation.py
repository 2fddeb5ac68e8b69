"""Tables 4 and 5 on any set of images: the parts of the objective, several seeds each. ``scripts/paper.py ablate`` calls it.

    python scripts/paper.py ablate --dataroot datasets/atlas --seeds 1 2 3 --palette 144,202,228 242,239,233 255,255,255 \\
        --network segmenter.pt -- --netG resnet_6blocks --ngf 16 --load_size 64 --crop_size 64 --val_freq 1 --val_share 0.1

Needs testA and testB. What is finished is passed over, so the same command goes on after a break. Each finished run leaves a
small file in ``OUT/NAME``, and docs/results.md is written again from all of them. With ``--val_freq`` the best epoch is measured,
too.

Forward and backward are the paper's words for its x, which seem to be the labels (Figure 7): where B holds labels or maps, as in
the official sets, forward is B -> A -> B.
"""

from __future__ import annotations

import json
import re
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
from PIL import Image

from data.image_folder import make_dataset, read_image, stem
from scripts.paper_tools import results, scoring
from scripts.paper_tools.scoring import ROOT
from util.checkpoint import STATE, load, saved_options, write_atomically
from util.console import say
from util.errors import UserError

VARIANTS = {
    "cycle": ("Cycle alone", ["--lambda_GAN", "0"]),
    "gan": ("GAN alone", ["--lambda_A", "0", "--lambda_B", "0"]),
    "forward": ("GAN + forward cycle", ["--lambda_A", "0"]),
    "backward": ("GAN + backward cycle", ["--lambda_B", "0"]),
    "full": ("CycleGAN", []),
}
TILES, POINTS = 6, 40  # of a picture; of a curve


def add_options(ablate: ArgumentParser, write: ArgumentParser) -> None:
    add = ablate.add_argument
    add("--dataroot", type=Path, required=True, help="folder with trainA, trainB, testA, testB")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="default: 1 2 3")
    add(
        "--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), help="default: all"
    )
    add("--name", help="what the results are called (default: the dataroot's name)")
    add(
        "--palette",
        metavar="R,G,B",
        nargs="+",
        default=[],
        help="colours of the classes, where B holds label maps",
    )
    add(
        "--work",
        type=Path,
        default=ROOT / "checkpoints" / "ablation",
        help="folder of the runs (default: checkpoints/ablation)",
    )
    add("--dry_run", action="store_true", help="only print the commands of what is not finished")
    scoring.add_options(ablate)
    for parser in (ablate, write):
        parser.add_argument(
            "--out", type=Path, default=ROOT / "docs" / "results", help="default: docs/results"
        )


def ablate(args: Namespace) -> None:
    """All variants with all seeds, one after the other.

    Raises:
        UserError: ``OUT/NAME`` holds results of other settings; a program failed.
    """
    for domain in "AB":
        make_dataset(str(args.dataroot / f"test{domain}"))
    args.name = args.name or args.dataroot.name
    folder = args.out / args.name
    args.segments = scoring.palette_flags(args.palette)
    setup = {
        "dataset": args.dataroot.name,
        "train": args.train,
        "palette": args.palette,
        "features": Path(args.features).name if args.features else None,
        "network": Path(args.network).name if args.network else None,
    }
    path = folder / "setup.json"
    if path.is_file() and (old := json.loads(path.read_text())) != setup:
        differ = [key for key in setup if old.get(key) != setup[key]]
        raise UserError(f"{path} is of other settings ({', '.join(differ)}); give another --name")
    if not args.dry_run:
        write_atomically(path, json.dumps(setup, indent=1).encode())
    for seed in args.seeds:
        for variant in args.variants:
            if (folder / f"{variant}-{seed}.json").is_file():
                say(f"{variant}, seed {seed}: finished")
            elif args.dry_run:
                say("\n".join(scoring.shown(argv) for argv in train_and_test(args, variant, seed)))
            else:
                one(args, variant, seed, folder)
                write_results(args)


def write_results(args: Namespace) -> None:
    results.write(args.out, {key: title for key, (title, _) in VARIANTS.items()})


def train_and_test(args: Namespace, variant: str, seed: int, go_on: bool = True) -> list[list[str]]:
    """The training (with ``go_on`` the rest of it, where it was broken off) and the test of its last epoch."""
    name = f"{args.name}_{variant}_{seed}"
    where = ["--name", name, "--checkpoints_dir", str(args.work)]
    if go_on and (args.work / name / STATE).is_file():
        train = ["train.py", "--continue_train", *where]
    else:
        train = [
            "train.py",
            "--dataroot",
            str(args.dataroot),
            *args.train,
            *VARIANTS[variant][1],
            *where,
            "--seed",
            str(seed),
        ]
    results_dir = str(args.work / "results")
    return [
        train,
        [
            "test.py",
            "--dataroot",
            str(args.dataroot),
            *where,
            "--results_dir",
            results_dir,
            "--model",
            "cycle_gan",
        ],
    ]


def one(args: Namespace, variant: str, seed: int, folder: Path) -> None:
    """Train, test and measure one run; leave its file, and for the first seed a picture."""
    train, test = train_and_test(args, variant, seed)
    scoring.execute(train)
    run = args.work / f"{args.name}_{variant}_{seed}"
    scores = {"latest": measure(args, run, test, "latest")}
    if seed == args.seeds[0]:
        picture(images_of(args, run, "latest"), args.dataroot, folder, variant)
    position = load(run / STATE)["position"]
    best = json.loads((run / "best.json").read_text()) if position["validated"] else None
    if best:  # where the last epoch is the best one, the networks are the same
        last = position["validated"][0][0]
        scores["best"] = (
            scores["latest"] if best["epoch"] == last else measure(args, run, test, "best")
        )
    record = {
        "variant": variant,
        "seed": seed,
        "command": tidy(train_and_test(args, variant, seed, go_on=False)[0], args),
        "commit": scoring.commit(),
        "machine": scoring.machine(saved_options(run)["device"]),
        "hours": round(position["elapsed"] / 3600, 4),
        "images": position["total"],
        "best": best,
        "scores": scores,
        "log": log(run),
    }
    write_atomically(folder / f"{variant}-{seed}.json", json.dumps(record, indent=1).encode())


def images_of(args: Namespace, run: Path, epoch: str) -> Path:
    return args.work / "results" / run.name / f"test_{epoch}" / "images"


def measure(args: Namespace, run: Path, test: list[str], epoch: str) -> scoring.Scores:
    """Test an epoch of a run, and what its images score."""
    scoring.execute([*test, "--epoch", epoch])
    out = run / f"scores_{epoch}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for argv in scoring.commands(
        images_of(args, run, epoch), args.dataroot, "test", paired(args.dataroot), args, out
    ):
        scoring.execute(argv)
    return scoring.collect(out)


def tidy(argv: list[str], args: Namespace) -> str:
    """The command with folders as a reader has them."""
    return (
        scoring.shown(argv)
        .replace(str(args.dataroot), f"datasets/{args.dataroot.name}")
        .replace(str(args.work), "checkpoints/ablation")
    )


def paired(dataroot: Path) -> bool:
    """Whether the test images are pairs by name."""
    A, B = (
        {stem(path) for path in make_dataset(str(dataroot / f"test{domain}"))} for domain in "AB"
    )
    return A == B


def log(run: Path) -> list[str]:
    """Lines of the loss log: all validations, and a few of the others."""
    lines = [
        line.strip()
        for line in (run / "loss_log.txt").read_text().splitlines()
        if line.startswith("(epoch")
    ]
    losses = [line for line in lines if "val_" not in line]
    kept = set(losses[:: 1 + len(losses) // POINTS] + losses[-1:])
    return [re.sub(r", time: .*?\)", ")", line) for line in lines if "val_" in line or line in kept]


def picture(images: Path, dataroot: Path, folder: Path, variant: str) -> None:
    """The same few test images for each variant: above A -> B, below B -> A; and once what they are and should be."""
    names = {
        domain: [Path(path).stem for path in make_dataset(str(dataroot / f"test{domain}"))]
        for domain in "AB"
    }
    chosen = {
        domain: [found[i * len(found) // TILES] for i in range(TILES)]
        for domain, found in names.items()
    }
    rows = {
        f"{variant}.png": (("A", "fake_B"), ("B", "fake_A")),
        "input.png": (("A", "real_A"), ("B", "real_B")),
    }
    for file, kinds in rows.items():
        tiles = [
            [
                read_image(str(images / f"{name}_{label}.png")).resize(
                    (96, 96), Image.Resampling.BICUBIC
                )
                for name in chosen[domain]
            ]
            for domain, label in kinds
        ]
        sheet = np.concatenate(
            [np.concatenate([np.asarray(tile) for tile in row], 1) for row in tiles]
        )
        Image.fromarray(sheet).save(folder / file, optimize=True)

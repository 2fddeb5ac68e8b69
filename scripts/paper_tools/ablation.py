"""Reproduce Tables 4 and 5 on any data set: parts of the objective, several seeds each.

    python scripts/paper.py ablate --dataroot datasets/atlas --seeds 1 2 3 \\
        --palette 144,202,228 242,239,233 255,255,255 --network segmenter.pt \\
        -- --netG resnet_6blocks --ngf 16 --load_size 64 --crop_size 64 --val_freq 1 --val_share 0.1

Needs testA and testB. Finished runs are skipped, so the same command resumes after a break. Each
finished run leaves a small file in ``OUT/NAME``, and docs/results.md is written from all of them.
With ``--val_freq`` the best epoch is measured, too. If B holds label maps (``--palette``), the page
counts the runs of each variant that found the right correspondence (counts.py).

The paper's "forward" and "backward" refer to its x, which seems to be the labels (Figure 7): where
B holds labels or maps, as in the official sets, forward is B -> A -> B.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from pathlib import Path

import numpy as np
from PIL import Image

from data.listing import image_paths
from options.flags.flag import Flag
from scripts.figures import pixels
from scripts.paper_tools import jobs, page, results, runs, samples, scoring
from util.files import read_json
from util.image.writing import save_image

VARIANTS = {
    "cycle": ("Cycle alone", ["--lambda_GAN", "0"]),
    "gan": ("GAN alone", ["--lambda_A", "0", "--lambda_B", "0"]),
    "forward": ("GAN + forward cycle", ["--lambda_A", "0"]),
    "backward": ("GAN + backward cycle", ["--lambda_B", "0"]),
    "full": ("CycleGAN", []),
}
FLAGS = (
    *runs.DATA,
    Flag("variants", tuple(VARIANTS), list(VARIANTS), "default: all", nargs="+"),
    *runs.flags("ablation"),
)
WRITING = threading.Lock()  # of the page of results


def ablate(args: Namespace) -> None:
    """Train, test and measure all variants with all seeds.

    Raises:
        UserError: ``OUT/NAME`` holds results of other settings, or a program failed.
    """
    runs.check_name(args)
    args.scoring = runs.scoring_of(args)
    setup = {"dataset": args.dataroot.name, "train": args.train, "palette": args.palette}
    runs.check_setup(args, setup)
    every = [Variant(args, variant, seed) for seed in args.seeds for variant in args.variants]
    if left := runs.left_of(every, args.dry_run):
        jobs.run_all([run.finish for run in left], jobs.places(args.jobs))
        draw_runs(args)
        write_results(args)


def write_results(args: Namespace) -> None:
    page.write(args.out, {key: title for key, (title, _) in VARIANTS.items()})


class Variant(runs.Run):
    """One variant with one seed."""

    def __init__(self, args: Namespace, variant: str, seed: int) -> None:
        super().__init__(args, variant, seed, [*args.train, *VARIANTS[variant][1]])

    def finish(self, place: jobs.Place) -> None:
        """Train, test and measure; write the run's file, and for the first seed a picture."""
        log = self.args.work / "logs" / f"{self.folder.name}.txt"
        self.place = place if place.shown else place._replace(log=log)
        self.execute(self.training())
        scores = {"latest": self.measure("latest")}
        if self.seed == self.args.seeds[0]:
            draw(self.images("latest"), self.args.dataroot, self.record.parent, self.key)
        position = scoring.position_of(self.folder)
        best = None
        if position["validated"]:
            best = read_json(self.folder / "best.json", {"epoch": int})
            # If the last epoch is the best one, both have the same networks.
            same = best["epoch"] == position["validated"][0][0]
            scores["best"] = scores["latest"] if same else self.measure("best")
        record = {"variant": self.key, "best": best, "scores": scores}
        self.write(record | self.facts() | {"log": runs.log(self.folder)})
        with WRITING:
            write_results(self.args)


def draw(images: Path, dataroot: Path, folder: Path, variant: str) -> None:
    """Write a picture of the same few test images for each variant, and one of the real images.

    The upper row is A -> B, the lower row B -> A.
    """
    rows: dict[str, list[np.ndarray]] = {f"{variant}.png": [], "input.png": []}
    for domain, other in (("A", "B"), ("B", "A")):
        names = [Path(path).stem for path in samples.chosen(dataroot, domain)]
        for row, label in zip(rows.values(), (f"fake_{other}", f"real_{domain}"), strict=True):
            tiles = [samples.tile(str(images / f"{name}_{label}.png")) for name in names]
            row.append(np.concatenate([np.asarray(tile) for tile in tiles], 1))
    for file, row in rows.items():
        samples.write(Image.fromarray(np.concatenate(row)), folder / file)


def draw_runs(args: Namespace) -> None:
    """Draw what all variants made of a test image of A, a row for each seed whose images are there.

    Each seed shows another test image, with its true image of B if the test images are pairs.
    """
    inputs, targets = (image_paths(str(args.dataroot / f"test{x}")) for x in "AB")
    titles = ["Input", *["Target"] * args.scoring.paired]
    titles += [VARIANTS[key][0].replace(" + ", "\n+ ") for key in args.variants]
    rows = []
    for i, seed in enumerate(args.seeds):
        at = i * len(inputs) // len(args.seeds)
        name = Path(inputs[at]).stem
        images = [Variant(args, key, seed).images("latest") for key in args.variants]
        row = [images[0] / f"{name}_real_A.png"]
        if args.scoring.paired:
            row.append(images[0] / f"{Path(targets[at]).stem}_real_B.png")
        row += [folder / f"{name}_fake_B.png" for folder in images]
        if all(file.is_file() for file in row):
            rows.append([str(file) for file in row])
    if rows:
        picture = pixels.draw(rows, titles, samples.SIZE)
        save_image(picture, args.out / args.name / f"{results.ALL_RUNS}.png")

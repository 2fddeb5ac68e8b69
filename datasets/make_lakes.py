"""Draw a small dataset for ablations: pictures of lakes, and maps of the lakes.

    python datasets/make_lakes.py OUT

A picture has blue lakes on green ground, with noise; a map has two flat colours, water and land.
All lakes come from the same distribution. So a network that draws lakes in other places than its
input has them makes maps as plausible as the right ones: only the input shows which are right.

The training images are not paired. Test pairs share a name. About a third of a map is water, so a
map of nothing but land, or with lakes in other places, has less than 70 % of its pixels right.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output
from util.console import run_main, say
from util.errors import UserError
from util.image.writing import save_image
from util.limits import whole

WATER, LAND = (144, 202, 228), (242, 239, 233)  # of the map, as in datasets/atlas
LAKE, GROUND = (60, 90, 170), (150, 160, 80)  # of the picture
NOISE = 6.0  # standard deviation of the picture's noise, in levels of 255
SHARES = (0.25, 0.45)  # lowest and highest share of water in a map
FLAGS = (
    Flag("size", whole(8, 512), 32, "width and height of an image (default: 32)"),
    Flag("train", whole(1, 10**5), 200, "training images in each domain (default: 200)"),
    Flag("test", whole(1, 10**5), 60, "test pairs (default: 60)"),
    Flag("seed", SEED, 0, "seed of all images (default: 0)"),
)


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    parser.add_argument("out", type=Output(folder=True), help="folder for trainA, trainB, ...")
    return parser


def lakes(rng: random.Random, size: int) -> np.ndarray:
    """Return a bool array (size, size) that is true in three to five ellipses.

    They cover a share of the image between ``SHARES``.
    """
    y, x = np.mgrid[:size, :size] / size
    while True:
        water = np.zeros((size, size), bool)
        for _ in range(rng.randint(3, 5)):
            u, v = x - rng.random(), y - rng.random()
            angle = rng.random() * np.pi
            along, across = (0.12 + 0.12 * rng.random() for _ in range(2))
            u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
            water |= (u / along) ** 2 + (v / across) ** 2 < 1
        if SHARES[0] < water.mean() < SHARES[1]:
            return water


def draw_map(water: np.ndarray) -> np.ndarray:
    """Return the map of a place, uint8 (size, size, 3)."""
    return np.where(water[..., None], WATER, LAND).astype(np.uint8)


def draw_picture(water: np.ndarray, noise: np.random.RandomState) -> np.ndarray:
    """Return the picture of a place, uint8 (size, size, 3)."""
    picture = np.where(water[..., None], LAKE, GROUND)
    return np.clip(picture + noise.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)


def main() -> None:
    args = build_parser().parse_args()
    if any(args.out.glob("t*/*")):
        raise UserError(f"{args.out}: has images already; give another folder")
    rng, noise = random.Random(args.seed), np.random.RandomState(args.seed)
    for split, count in (("train", args.train), ("test", args.test)):
        for i in range(count):
            here = lakes(rng, args.size)
            there = here if split == "test" else lakes(rng, args.size)
            save_image(draw_picture(here, noise), args.out / f"{split}A" / f"{i:05d}.png")
            save_image(draw_map(there), args.out / f"{split}B" / f"{i:05d}.png")
    say(f"trainA {args.train}, trainB {args.train}, testA {args.test}, testB {args.test}")


if __name__ == "__main__":
    run_main(main)

"""Draw slices like those of a CT, in Hounsfield units (HU): native scans, and with contrast medium.

    python datasets/make_phantoms.py OUT                # float32 TIFF, in HU
    python datasets/make_phantoms.py OUT --levels 256   # the same as 8-bit PNG

A slice has a body with fat, muscle, spine, liver, spleen, kidneys, an aorta and gas, and in most
livers one to three lesions. Domain A is native: soft tissues differ by a few HU. In domain B,
contrast medium has made organs brighter, each by an amount of its own. Values are from -1024 to
3071; with --levels 256 a level is 16 HU, more than the contrast of a lesion in domain A.

The training images are not paired. Test pairs share a name: both show the same slice. tissues.npz
says where in the test slices each tissue fills whole pixels: name -> bool (N, H, W).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output
from util.console import run_main, say
from util.errors import UserError, needs
from util.image.writing import save_image
from util.limits import whole

LOW, HIGH = -1024, 3071
NOISE = 3.0  # standard deviation in HU
PURE = 0.99  # share of a pixel from which on one tissue fills it
FINER = 3  # slices are drawn with this many points per pixel and side
# tissue: HU in A, HU that contrast medium adds in B
TISSUES = {
    "air": (-1000, 0),
    "fat": (-100, 0),
    "muscle": (52, 8),
    "bone": (700, 0),
    "liver": (58, 52),
    "lesion": (47, 24),
    "spleen": (48, 70),
    "kidney": (34, 146),
    "aorta": (42, 118),
    "gas": (-850, 0),
}
Shares = dict[str, np.ndarray]  # see anatomy()
FLAGS = (
    Flag("size", whole(16, 512), 64, "width and height of an image (default: 64)"),
    Flag("train", whole(1, 10**5), 300, "training images in each domain (default: 300)"),
    Flag("test", whole(1, 10**5), 60, "test pairs (default: 60)"),
    Flag("levels", ("float", "256"), "float", "float: TIFF in HU; 256: PNG with 8 bits"),
    Flag("seed", SEED, 0, "seed of all images (default: 0)"),
)


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    parser.add_argument("out", type=Output(folder=True), help="folder for trainA, trainB, ...")
    return parser


def anatomy(rng: random.Random, size: int) -> Shares:
    """Return the share of each pixel that a tissue fills: name -> (size, size), in sum 1."""
    points = size * FINER
    y, x = np.mgrid[:points, :points] / points * 2 - 1
    names = list(TISSUES)
    slice_ = np.zeros((points, points), int)  # air

    def ellipse(tissue: str, u: float, v: float, width: float, height: float) -> None:
        """Fill an ellipse around (u, v), all of it moved, stretched and turned a little."""
        u, v = (w + rng.gauss(0, 0.02) for w in (u, v))
        width, height = (w * (1 + rng.gauss(0, 0.06)) for w in (width, height))
        angle = rng.gauss(0, 0.12)
        along = (x - u) * np.cos(angle) + (y - v) * np.sin(angle)
        across = (y - v) * np.cos(angle) - (x - u) * np.sin(angle)
        slice_[(along / width) ** 2 + (across / height) ** 2 < 1] = names.index(tissue)

    ellipse("fat", 0, 0, 0.9, 0.7)
    ellipse("muscle", 0, 0.02, 0.8, 0.6)
    ellipse("fat", 0, -0.05, 0.7, 0.47)
    ellipse("liver", -0.36, -0.1, 0.33, 0.33)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        u, v = -0.36 + rng.uniform(-0.2, 0.2), -0.1 + rng.uniform(-0.2, 0.2)
        ellipse("lesion", u, v, rng.uniform(0.05, 0.1), rng.uniform(0.05, 0.1))
    ellipse("spleen", 0.5, -0.02, 0.14, 0.24)
    ellipse("kidney", -0.33, 0.32, 0.11, 0.13)
    ellipse("kidney", 0.35, 0.32, 0.11, 0.13)
    ellipse("gas", 0.18 + rng.uniform(-0.08, 0.08), -0.25, 0.12, 0.07)
    ellipse("aorta", 0.06, 0.16, 0.07, 0.07)
    ellipse("bone", 0, 0.38, 0.13, 0.12)
    cells = slice_.reshape(size, FINER, size, FINER)
    return {name: (cells == i).mean((1, 3)) for i, name in enumerate(names)}


def scan(shares: Shares, domain: str, rng: np.random.RandomState) -> np.ndarray:
    """Return a slice as float32 (size, size) in HU, blurred a little and with noise."""
    image = np.zeros(shares["air"].shape)
    for name, (native, enhancement) in TISSUES.items():
        image += shares[name] * (native + enhancement * (domain == "B"))
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 4 * image + np.roll(image, -1, axis)) / 6
    return (image + rng.normal(0, NOISE, image.shape)).clip(LOW, HIGH).astype(np.float32)


def to_levels(image: np.ndarray) -> np.ndarray:
    """Return HU as uint8: ``LOW`` to ``HIGH`` are the levels 0 to 255."""
    return ((image - LOW) / (HIGH - LOW) * 255).round().astype(np.uint8)


def write(image: np.ndarray, path: Path, levels: str) -> None:
    """Write a slice without the extension in ``path``, as TIFF, or as PNG with 256 ``levels``."""
    if levels == "256":
        save_image(to_levels(image), path.with_suffix(".png"))
        return
    with needs("make_phantoms.py", "tifffile"):
        import tifffile
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path.with_suffix(".tif"), image, compression=None)


def slices(
    seed: int, size: int, train: int, test: int
) -> Iterator[tuple[str, int, Shares, Shares]]:
    """Yield ("train" or "test", number, anatomy of image A, of image B); equal in test pairs."""
    rng = random.Random(seed)
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            here = anatomy(rng, size)
            yield split, i, here, here if split == "test" else anatomy(rng, size)


def main() -> None:
    args = build_parser().parse_args()
    if any(args.out.glob("t*/*")):
        raise UserError(f"{args.out}: has images already; give another folder")
    noise = np.random.RandomState(args.seed)
    tissues: dict[str, list[np.ndarray]] = {name: [] for name in TISSUES}
    for split, i, *domains in slices(args.seed, args.size, args.train, args.test):
        for domain, shares in zip("AB", domains, strict=True):
            path = args.out / f"{split}{domain}" / f"{i:05d}"
            write(scan(shares, domain, noise), path, args.levels)
        for name in TISSUES if split == "test" else ():
            tissues[name].append(domains[0][name] > PURE)
    np.savez_compressed(args.out / "tissues.npz", **tissues)  # type: ignore[arg-type]
    say(f"trainA {args.train}, trainB {args.train}, testA {args.test}, testB {args.test}")


if __name__ == "__main__":
    run_main(main)

"""Train a small segmentation network on real photos, for scripts/segment_scores.py --network.

    python scripts/train_segmenter.py --photos datasets/atlas/trainA \\
        --labels atlas --out net.pt
    python scripts/train_segmenter.py --photos DIR --labels DIR \\
        --palette @colours.txt --out net.pt

It takes the place of the FCN that the paper uses for Cityscapes. Photos and labels are paired by
stem. ``--labels atlas`` needs no label maps: it applies the rule that drew the maps of the bundled
set to the training photos. The network is saved as TorchScript and takes values in -1..1.
"""

from __future__ import annotations

import sys
import time
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from PIL import Image, ImageFilter

from data.image_file import read_image
from options.flags.flag import Flag
from scripts.arguments import IMAGES, SEED, Output, colour
from scripts.evaluation.pairs import find_images, match
from scripts.image_arguments import ImageArguments
from util.console import Progress, duration, run_main, say
from util.errors import UsageError, UserError
from util.files import write_atomically
from util.image.metrics import Array, palette_labels
from util.limits import whole
from util.words import amount

ATLAS = ((144, 202, 228), (242, 239, 233), (255, 255, 255))  # water, land, ice
FLAGS = (
    Flag("photos", str, None, "real photos", metavar=IMAGES, required=True),
    Flag("labels", str, None, "their label maps, or the word atlas", metavar=IMAGES, required=True),
    Flag(
        "palette",
        colour,
        list(ATLAS),
        "colours of the classes; or @FILE (default: the three of the atlas)",
        nargs="+",
        metavar="R,G,B",
    ),
    Flag("out", Output(), None, "TorchScript file to write", metavar="FILE", required=True),
    Flag("epochs", whole(1, 10**5), 12, "default: 12"),
    Flag("width", whole(1, 1024), 32, "channels of the network (default: 32)"),
    Flag("seed", SEED, 0, "default: 0"),
)
DILATIONS = (1, 1, 2, 4, 8, 1)  # a receptive field of 35 pixels: water is recognized by its context
BATCH = 8


def atlas_labels(photo: Image.Image) -> Array:
    """Return the class (H, W) of each pixel by the rule of datasets/make_atlas.py."""
    smooth = np.asarray(photo.filter(ImageFilter.MedianFilter(3)), np.int16)
    red, green, blue = np.moveaxis(smooth, -1, 0)
    bluish = (blue > red + 12) & (blue > green + 4) & (red < 110)
    sea = bluish | ((blue >= red) & (blue >= green) & (blue < 30))
    ice = ~sea & (np.minimum(red, np.minimum(green, blue)) > 150)
    classes = Image.fromarray(np.where(sea, 0, np.where(ice, 2, 1)).astype(np.uint8))
    return np.asarray(classes.filter(ImageFilter.ModeFilter(5)))


def read_pairs(args: Namespace) -> tuple[Array, Array]:
    """Return photos (N, H, W, 3) and classes (N, H, W).

    Raises:
        UserError: nothing pairs up, or the images differ in size.
    """
    if args.labels == "atlas":
        if len(args.palette) != len(ATLAS):
            raise UsageError(f"--palette: --labels atlas has {len(ATLAS)} classes")
        images = [read_image(path) for _, path in sorted(find_images(args.photos).items())]
        classes = [atlas_labels(image) for image in images]
    else:
        photos, labels = match(args.photos, args.labels)
        images = [read_image(photos[stem]) for stem in photos]
        maps = [np.asarray(read_image(labels[stem])) for stem in photos]
        classes = [palette_labels(image, args.palette) for image in maps]
    if len({image.size for image in images} | {c.shape[::-1] for c in classes}) > 1:
        raise UserError("photos and labels need one size (datasets/prepare_cityscapes_dataset.py)")
    return np.stack([np.asarray(image) for image in images]), np.stack(classes)


def build_network(width: int, classes: int):
    """Return a fully convolutional network: (N, 3, H, W) to scores (N, ``classes``, H, W)."""
    from torch import nn

    layers: list[nn.Module] = []
    for i, dilation in enumerate(DILATIONS):
        conv = nn.Conv2d(width if i else 3, width, 3, padding=dilation, dilation=dilation)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, classes, 1))


def train(photos: Array, classes: Array, args: Namespace) -> None:
    """Fit the network to randomly mirrored pairs, and write it to ``args.out``."""
    import torch

    torch.manual_seed(args.seed)
    network = build_network(args.width, len(args.palette))
    x = torch.from_numpy(photos).permute(0, 3, 1, 2)
    y = torch.from_numpy(classes.astype(np.int64))
    steps = max(1, len(x) // BATCH) * args.epochs
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    progress, start = Progress(steps, "Training"), time.monotonic()
    for _ in range(steps):
        chosen = torch.randint(len(x), (BATCH,))
        images, truth = x[chosen].float() / 127.5 - 1, y[chosen]
        if torch.rand(()) < 0.5:
            images, truth = images.flip(-1), truth.flip(-1)
        loss = torch.nn.functional.cross_entropy(network(images), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.update(note=f"{loss.item():.3f}")
    progress.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network.eval(), x[:1].float())
        write_atomically(args.out, lambda file: torch.jit.save(traced, file), "--out")
    took = duration(time.monotonic() - start)
    work = f"{amount(len(x), 'photo')}, {amount(steps, 'step')}"
    say(f"{args.out}: {work}, loss {loss.item():.4f}, {took}")


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS, files=True)


def main() -> None:
    args = build_parser().parse_args()
    train(*read_pairs(args), args)


if __name__ == "__main__":
    run_main(main)

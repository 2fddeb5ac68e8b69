"""Train a small segmentation network on real photos and save it as TorchScript, for scripts/segment_scores.py --network.

    python scripts/train_segmenter.py --photos datasets/atlas/trainA --labels atlas --out segmenter.pt
    python scripts/train_segmenter.py --photos DIR --labels DIR --palette @colours.txt --out segmenter.pt

It plays the part that the FCN of Cityscapes plays in the paper. Photos and labels are paired by stem. ``--labels atlas`` needs
none: the maps of the embedded set were drawn from the photos by a rule, which is applied to the training photos here; the test
pairs stay unseen. The network takes values in -1..1.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from PIL import Image, ImageFilter

from data.image_folder import read_image
from scripts.evaluate import colour, find_images
from util.console import Progress, duration, run_main, say
from util.errors import UserError
from util.image.metrics import Array, palette_labels

ATLAS = ((144, 202, 228), (242, 239, 233), (255, 255, 255))  # water, land, ice


def atlas_labels(photo: Image.Image) -> Array:
    """The class (H, W) of each pixel by the rule of datasets/make_atlas.py."""
    red, green, blue = np.moveaxis(
        np.asarray(photo.filter(ImageFilter.MedianFilter(3)), np.int16), -1, 0
    )
    sea = ((blue > red + 12) & (blue > green + 4) & (red < 110)) | (
        (blue >= red) & (blue >= green) & (blue < 30)
    )
    ice = ~sea & (np.minimum(red, np.minimum(green, blue)) > 150)
    return np.asarray(
        Image.fromarray(np.where(sea, 0, np.where(ice, 2, 1)).astype(np.uint8)).filter(
            ImageFilter.ModeFilter(5)
        )
    )


def read_pairs(args: argparse.Namespace) -> tuple[Array, Array]:
    """Photos (N, H, W, 3) and classes (N, H, W), all of one size."""
    photos = find_images(args.photos)
    labels = photos if args.labels == "atlas" else find_images(args.labels)
    stems = sorted(photos.keys() & labels.keys())
    if not stems:
        raise UserError(
            f"no image of --photos {args.photos} has a partner in --labels {args.labels}"
        )
    images = [read_image(photos[stem]) for stem in stems]
    if args.labels == "atlas":
        classes = [atlas_labels(image) for image in images]
    else:
        classes = [
            palette_labels(np.asarray(read_image(labels[stem])), args.palette) for stem in stems
        ]
    if len({image.size for image in images} | {c.shape[::-1] for c in classes}) > 1:
        raise UserError(
            "photos and labels must all be of one size; datasets/prepare_cityscapes_dataset.py makes such sets"
        )
    return np.stack([np.asarray(image) for image in images]), np.stack(classes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
    )
    parser.add_argument("--photos", required=True, metavar="DIR[:LABEL]", help="real photos")
    parser.add_argument(
        "--labels", required=True, metavar="DIR[:LABEL]", help="their label maps; or: atlas"
    )
    parser.add_argument(
        "--palette",
        metavar="R,G,B",
        type=colour,
        nargs="+",
        default=list(ATLAS),
        help="colours of the classes; @FILE: a file with an R,G,B a line (default: the three of the atlas)",
    )
    parser.add_argument("--out", type=Path, required=True, help="TorchScript file to write")
    parser.add_argument("--epochs", type=int, default=12, help="default: 12")
    parser.add_argument("--width", type=int, default=32, help="channels (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    if not args.out.parent.is_dir():
        raise UserError(f"--out {args.out}: there is no folder {args.out.parent}")
    photos, classes = read_pairs(args)
    train(photos, classes, args)


def train(photos: Array, classes: Array, args: argparse.Namespace, batch: int = 8) -> None:
    """Fit the network to the pairs, mirrored at random, and write ``args.out``."""
    import torch
    from torch import nn

    torch.manual_seed(args.seed)
    w, layers, before = args.width, [], 3
    for dilation in (
        1,
        1,
        2,
        4,
        8,
        1,
    ):  # sees 35 pixels, so that a sea is known by its surroundings
        layers += [
            nn.Conv2d(before, w, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(w),
            nn.ReLU(),
        ]
        before = w
    network = nn.Sequential(*layers, nn.Conv2d(w, len(args.palette), 1))
    x = torch.from_numpy(photos).permute(0, 3, 1, 2)
    y = torch.from_numpy(classes.astype(np.int64))
    steps = max(1, len(x) // batch) * args.epochs
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    progress, start = Progress(steps, "Training"), time.monotonic()
    for _ in range(steps):
        chosen = torch.randint(len(x), (batch,))
        some, truth = x[chosen].float() / 127.5 - 1, y[chosen]
        if torch.rand(()) < 0.5:
            some, truth = some.flip(-1), truth.flip(-1)
        loss = nn.functional.cross_entropy(network(some), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.update(note=f"{loss.item():.3f}")
    progress.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network.eval(), x[:1].float()).save(str(args.out))
    say(
        f"{args.out}: {len(x)} photos, {steps} steps, loss {loss.item():.4f}, {duration(time.monotonic() - start)}"
    )


if __name__ == "__main__":
    run_main(main)

"""The segmentation scores of the paper (Tables 2 to 5): per-pixel accuracy, per-class accuracy, class IOU.

Photo to labels: each pixel of a generated label map counts as the class of the nearest palette colour.

  python scripts/segment_scores.py --palette 144,202,228 242,239,233 255,255,255 \\
    --fake results/atlas/test_latest/images:fake_B --real datasets/atlas/testB

Labels to photo: a segmentation network (TorchScript or ONNX) labels the generated photos; --photos gives the row to compare
with, the network on real photos. scripts/train_segmenter.py trains one for the embedded set.

  python scripts/segment_scores.py --palette 144,202,228 242,239,233 255,255,255 --network segmenter.pt \\
    --fake results/atlas/test_latest/images:fake_A --real datasets/atlas/testB --photos datasets/atlas/testA

Cityscapes: --classes cityscapes, with label colours or files named ..._labelIds.png as --real. See docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_folder import read_image
from scripts.evaluate import colour, find_images, warn_missing
from scripts.evaluation.classes import CITYSCAPES, LABEL_IDS, Classes
from scripts.evaluation.ranges import RANGES
from util.console import Progress, run_main, say, warn
from util.errors import UserError
from util.image.metrics import Array, palette_labels

SCORES = {"pixel": "per-pixel acc.", "class": "per-class acc.", "iou": "class IOU"}
Labeller = Callable[
    [str, tuple[int, int]], Array
]  # image file and its label map's (height, width) to class indices


def confusion(truth: Array, predicted: Array, classes: int, quirks: bool = False) -> Array:
    """How many pixels of class i (row) were called class j (column), (C, C + 1); the last column: none of the classes.

    Pixels whose truth is not in 0..C-1 do not count. ``quirks``: as the official script, whose network has a channel more than
    there are classes: a prediction of that class is counted as class 0 of the next row, and if it falls on the last class the
    whole image counts for nothing.
    """
    counts = (truth >= 0) & (truth < classes)
    true, called = (
        truth[counts].astype(np.int64),
        np.minimum(predicted[counts].astype(np.int64), classes),
    )
    if not quirks:
        return np.bincount(
            true * (classes + 1) + called, minlength=classes * (classes + 1)
        ).reshape(classes, classes + 1)
    cells = np.bincount(true * classes + called, minlength=classes * classes)
    cells = cells if len(cells) == classes * classes else np.zeros(classes * classes, np.int64)
    return np.pad(cells.reshape(classes, classes), ((0, 0), (0, 1)))


def scores(matrix: Array, quirks: bool = False) -> dict[str, float]:
    """The three scores, 0 to 1, of a ``confusion`` summed over all images.

    Classes that do not occur are left out of the means: of accuracy where they are never true, of IOU where they are also never
    predicted. ``quirks``: they count as 0.
    """
    right, row = np.diag(matrix[:, :-1]).astype(float), matrix.sum(1).astype(float)
    union = row + matrix[:, :-1].sum(0) - right
    if quirks:
        accuracy, iou = right / (row + 1e-12), right / (union + 1e-12)
    else:
        accuracy, iou = right[row > 0] / row[row > 0], right[union > 0] / union[union > 0]
    return {
        "pixel": float(right.sum() / max(row.sum(), 1e-12)),
        "class": float(np.mean(accuracy)),
        "iou": float(np.mean(iou)),
    }


def resize_labels(labels: Array, size: tuple[int, int]) -> Array:
    """Class indices (H, W) at (height, width) ``size``, each pixel that of the nearest one."""
    if labels.shape == size:
        return labels
    return np.asarray(
        Image.fromarray(labels.astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST)
    )


def by_colour(palette: Array) -> Labeller:
    """Label maps in colours."""
    return lambda path, size: resize_labels(
        palette_labels(np.asarray(read_image(path)), palette), size
    )


def by_network(file: str, levels: str) -> Labeller:
    """Photos through a segmentation network, enlarged to the label map's size before, as officially."""
    from scripts.evaluation.external import load_network, run, to_batch

    network = load_network(file, "--network")

    def label(path: str, size: tuple[int, int]) -> Array:
        photo = read_image(path)
        photo = (
            photo
            if photo.size == size[::-1]
            else photo.resize(size[::-1], Image.Resampling.BILINEAR)
        )
        out = run(network, to_batch([photo], levels), "--network")
        if out.ndim != 4:
            raise UserError(
                f"--network {file}: its output should be (N, classes, H, W), not {tuple(out.shape)}"
            )
        return resize_labels(out[0].argmax(0).numpy(), size)

    return label


def score_folder(
    fake: dict[str, str],
    real: dict[str, str],
    label: Labeller,
    classes: Classes,
    quirks: bool,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The scores of all pairs as one, and for each stem those of its pair alone."""
    total, each = np.zeros((len(classes.palette), len(classes.palette) + 1), np.int64), {}
    for stem in sorted(fake.keys() & real.keys()):
        truth = classes.truth(real[stem])
        matrix = confusion(truth, label(fake[stem], truth.shape), len(classes.palette), quirks)
        if quirks and not matrix.any():
            warn(f"{fake[stem]} counts for nothing, as officially")
        total += matrix
        each[stem] = scores(matrix, quirks)
        progress.update()
    if not total.any():
        raise UserError(
            "no pixel of the true label maps is of one of the classes; look at --palette, --classes and --real"
        )
    return {"n": len(each)} | scores(total, quirks), each


def evaluate(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The rows of the table."""
    classes = CITYSCAPES if args.classes else Classes(np.asarray(args.palette, np.uint8))
    fake, real = find_images(args.fake), find_images(args.real)
    if not fake.keys() & real.keys():
        raise UserError(
            f"no image of {args.fake} has a partner in {args.real}; the first stems are {min(fake)} and {min(real)}. "
            "Files named like 0001_fake_B.png want --fake DIR:fake_B"
        )
    warn_missing(fake.keys() - real.keys(), args.fake, args.real)
    warn_missing(real.keys() - fake.keys(), args.real, args.fake)
    label = (
        by_network(args.network, args.network_range) if args.network else by_colour(classes.palette)
    )
    rows = {"result": (fake, label)}
    if args.photos:
        rows["real photos"] = (find_images(args.photos), label)
    ids = min(real.values()).endswith(
        LABEL_IDS
    )  # the self-test: the truth as if it were the result, 100 % unless all is wrong
    rows["ground truth"] = (
        real,
        (lambda path, _: classes.truth(path)) if ids else by_colour(classes.palette),
    )
    progress = Progress(len(rows) * len(fake.keys() & real.keys()), "Comparing")
    found = {
        row: score_folder(
            of,
            {stem: path for stem, path in real.items() if stem in fake},
            how,
            classes,
            args.official_quirks,
            progress,
        )[0]
        for row, (of, how) in rows.items()
    }
    progress.close()
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--fake",
        required=True,
        metavar="DIR[:LABEL]",
        help="results: label maps, or photos where there is a --network",
    )
    add("--real", required=True, metavar="DIR[:LABEL]", help="true label maps, paired by stem")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument(
        "--palette",
        metavar="R,G,B",
        type=colour,
        nargs="+",
        help="the classes; @FILE: a file with an R,G,B a line",
    )
    group.add_argument("--classes", choices=("cityscapes",), help="the 19 classes of Cityscapes")
    add(
        "--network",
        metavar="FILE",
        help="segmentation network of the photos: TorchScript or ONNX, (1, 3, H, W) to (1, C, H, W)",
    )
    add(
        "--network_range",
        choices=list(RANGES),
        default="-1..1",
        help="of the values it takes (default: -1..1)",
    )
    add(
        "--photos",
        metavar="DIR[:LABEL]",
        help="real photos, for a row of their own; only with --network",
    )
    add(
        "--official_quirks",
        action="store_true",
        help="absent classes count as 0, a class beyond the last as officially",
    )
    add("--json", type=Path, metavar="FILE", help="write numbers and settings there, too")
    args = parser.parse_args()
    if args.photos and not args.network:
        parser.error("--photos are for comparing a --network on real photos")
    return args


def main() -> None:
    args = parse()
    if args.json and not args.json.parent.is_dir():
        raise UserError(f"--json {args.json}: there is no folder {args.json.parent}")
    rows = evaluate(args)
    say(f"{'':14}{'n':>7}" + "".join(f"{heading:>16}" for heading in SCORES.values()))
    for row, found in rows.items():
        say(f"{row:14}{found['n']:7}" + "".join(f"{found[key]:16.4f}" for key in SCORES))
    if args.json:
        args.json.write_text(json.dumps(vars(args) | {"rows": rows}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    run_main(main)

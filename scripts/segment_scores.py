"""Compute the segmentation scores of the paper's Tables 2 to 5.

These are per-pixel accuracy, per-class accuracy and class IOU. See docs/evaluation.md.

Photo to labels: each pixel of a generated label map gets the class of the nearest palette colour.

  python scripts/segment_scores.py \\
    --palette 144,202,228 242,239,233 255,255,255 \\
    --fake results/atlas/test_latest/images:fake_B --real datasets/atlas/testB

Labels to photo: a segmentation network (TorchScript or ONNX) labels the generated photos. With
--photos it labels the real photos too, for comparison. scripts/train_segmenter.py trains one.

  python scripts/segment_scores.py \\
    --palette 144,202,228 242,239,233 255,255,255 \\
    --network segmenter.pt --fake results/atlas/test_latest/images:fake_A \\
    --real datasets/atlas/testB --photos datasets/atlas/testA

Cityscapes: --classes cityscapes; --real holds label colours, or files named ..._labelIds.png.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_file import read_image
from options.flags.flag import Flag
from scripts.arguments import IMAGES, Output, colour
from scripts.evaluation.classes import CITYSCAPES, LABEL_IDS, Classes
from scripts.evaluation.pairs import HINT, Images, find_images, match, split_source
from scripts.evaluation.reading import page_rules
from scripts.image_arguments import ImageArguments
from util.console import Progress, run_main, say, warn
from util.errors import UserError
from util.files import write_atomically
from util.image.metrics import Array, palette_labels
from util.image.ranges import RANGES

FLAGS = (
    Flag(
        "fake",
        str,
        None,
        "results: label maps, or photos with --network",
        metavar=IMAGES,
        required=True,
    ),
    Flag("real", str, None, "true label maps, paired by stem", metavar=IMAGES, required=True),
    Flag(
        "network",
        str,
        None,
        "segmentation network, TorchScript or ONNX: (1, 3, H, W) to (1, C, H, W)",
        metavar="FILE",
    ),
    Flag("network_range", tuple(RANGES), "-1..1", "value range of its input"),
    Flag(
        "photos",
        str,
        None,
        "real photos, for a row of their own; only with --network",
        metavar=IMAGES,
    ),
    Flag(
        "official_quirks",
        bool,
        False,
        "treat absent classes and extra predictions as the official script does",
    ),
    Flag("json", Output(), None, "write the numbers and settings to FILE, too", metavar="FILE"),
)
CLASSES = (  # one of the two
    Flag("palette", colour, None, "colours of the classes; or @FILE", nargs="+", metavar="R,G,B"),
    Flag("classes", ("cityscapes",), None, "the 19 classes of Cityscapes"),
)
SCORES = {"pixel": "per-pixel acc.", "class": "per-class acc.", "iou": "class IOU"}
# From an image file and the (height, width) of its true label map to class indices (H, W).
Labeller = Callable[[str, tuple[int, int]], Array]


def confusion(truth: Array, predicted: Array, classes: int, quirks: bool = False) -> Array:
    """Return how many pixels of class i (row) were labelled j (column), as (C, C + 1).

    The last column counts predictions of no class. Pixels whose true class is not in 0..C-1 are
    left out. With ``quirks`` the counts are those of the official script, whose network has one
    channel more than there are classes: a prediction of that channel counts as class 0 of the next
    row, and if such a pixel is of the last class, the whole image is left out.
    """
    counted = (truth >= 0) & (truth < classes)
    true = truth[counted].astype(np.int64)
    labels = np.minimum(predicted[counted].astype(np.int64), classes)
    if not quirks:
        columns = classes + 1
        cells = np.bincount(true * columns + labels, minlength=classes * columns)
        return cells.reshape(classes, columns)
    cells = np.bincount(true * classes + labels, minlength=classes * classes)
    if len(cells) > classes * classes:
        cells = np.zeros(classes * classes, np.int64)
    return np.pad(cells.reshape(classes, classes), ((0, 0), (0, 1)))


def scores(matrix: Array, quirks: bool = False) -> dict[str, float]:
    """Return the three scores, 0 to 1, of a ``confusion`` matrix summed over all images.

    The mean accuracy leaves out classes without true pixels; the mean IOU leaves out classes with
    neither true nor predicted pixels. With ``quirks`` these classes count as 0.
    """
    right, row = np.diag(matrix[:, :-1]).astype(float), matrix.sum(1).astype(float)
    union = row + matrix[:, :-1].sum(0) - right
    if quirks:
        accuracy, iou = right / (row + 1e-12), right / (union + 1e-12)
    else:
        accuracy, iou = right[row > 0] / row[row > 0], right[union > 0] / union[union > 0]
    pixel = right.sum() / max(row.sum(), 1e-12)
    return {"pixel": float(pixel), "class": float(np.mean(accuracy)), "iou": float(np.mean(iou))}


def resize_labels(labels: Array, size: tuple[int, int]) -> Array:
    """Resize class indices (H, W) to ``size``, (height, width), by the nearest pixel."""
    if labels.shape == size:
        return labels
    image = Image.fromarray(labels.astype(np.uint8))
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))


def by_colour(palette: Array) -> Labeller:
    """Return a labeller of label maps by the nearest palette colour."""

    def label(path: str, size: tuple[int, int]) -> Array:
        return resize_labels(palette_labels(np.asarray(read_image(path)), palette), size)

    return label


def by_network(file: str, levels: str) -> Labeller:
    """Return a labeller of photos by a segmentation network.

    Photos are first resized to the size of the label map, as in the official script.
    """
    from util.image.features import load_network, run, to_batch  # imports torch

    network = load_network(file, "--network")

    def label(path: str, size: tuple[int, int]) -> Array:
        photo = read_image(path)
        if photo.size != size[::-1]:
            photo = photo.resize(size[::-1], Image.Resampling.BILINEAR)
        out = run(network, to_batch([photo], levels), "--network")
        if out.ndim != 4:
            raise UserError(f"--network {file} returns {tuple(out.shape)}, not (N, classes, H, W)")
        return resize_labels(out[0].argmax(0).numpy(), size)

    return label


def score_folder(
    fake: Images, real: Images, label: Labeller, classes: Classes, quirks: bool, progress: Progress
) -> dict[str, float]:
    """Return the number of pairs ``n`` and the scores of all pairs together.

    Raises:
        UserError: no pixel of the label maps belongs to a class.
    """
    count = len(classes.palette)
    total = np.zeros((count, count + 1), np.int64)
    stems = sorted(fake.keys() & real.keys())
    for stem in stems:
        truth = classes.truth(real[stem])
        matrix = confusion(truth, label(fake[stem], truth.shape), count, quirks)
        if quirks and not matrix.any():
            warn(f"{fake[stem]} is left out, as in the official script")
        total += matrix
        progress.update()
    if not total.any():
        raise UserError("no pixel of --real is of one of the classes of --palette or --classes")
    return {"n": len(stems)} | scores(total, quirks)


def require_pictures(source: str) -> None:
    """Raise UserError: ``source`` has results of test.py that are more than 8-bit pictures."""
    page = page_rules(source)
    if page and page.rule:
        folder, label = split_source(source)
        raise UserError(
            f"--fake {source}: these results hold {page.rule.dtype} values, and label maps and "
            f"photos are 8-bit pictures; their previews are: {Path(folder).parent}/previews:{label}"
        )


def evaluate(args: Namespace) -> dict[str, dict[str, float]]:
    """Return the rows of the table. The row "ground truth" is a self-test: it should be 1."""
    classes = CITYSCAPES if args.classes else Classes(np.asarray(args.palette, np.uint8))
    require_pictures(args.fake)
    fake, real = match(args.fake, args.real, HINT)
    colours = by_colour(classes.palette)
    label = by_network(args.network, args.network_range) if args.network else colours
    rows: dict[str, tuple[Images, Labeller]] = {"result": (fake, label)}
    if args.photos:
        rows["real photos"] = (find_images(args.photos), label)
    ids = min(real.values()).endswith(LABEL_IDS)
    rows["ground truth"] = (real, (lambda path, _: classes.truth(path)) if ids else colours)
    progress = Progress(len(rows) * len(real), "Comparing")
    table = {
        row: score_folder(images, real, labeller, classes, args.official_quirks, progress)
        for row, (images, labeller) in rows.items()
    }
    progress.close()
    return table


def build_parser() -> ImageArguments:
    parser = ImageArguments(__doc__, FLAGS, files=True, allow_abbrev=False)
    classes = parser.add_mutually_exclusive_group(required=True)
    for flag in CLASSES:
        flag.add_to(classes)
    return parser


def parse() -> Namespace:
    parser = build_parser()
    args = parser.parse_args()
    if args.photos and not args.network:
        parser.error("--photos compares a --network on real photos, so it needs one")
    return args


def main() -> None:
    args = parse()
    rows = evaluate(args)
    say(f"{'':14}{'n':>7}" + "".join(f"{heading:>16}" for heading in SCORES.values()))
    for row, values in rows.items():
        say(f"{row:14}{values['n']:7}" + "".join(f"{values[key]:16.4f}" for key in SCORES))
    if args.json:
        text = json.dumps(vars(args) | {"rows": rows}, indent=2, default=str) + "\n"
        write_atomically(args.json, text.encode(), "--json")


if __name__ == "__main__":
    run_main(main)

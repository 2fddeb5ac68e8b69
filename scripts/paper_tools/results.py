"""docs/results.md from the small files that finished runs have left in docs/results: ``scripts/paper.py results``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from scripts.paper_tools.scoring import SIDES, shown
from util.checkpoint import write_atomically
from util.console import say
from util.errors import UserError

LOWER = ("L1", "LPIPS", "FID", "KID")  # is better
SEGMENTS = ("per-pixel acc.", "per-class acc.", "class IOU")
PAPER = {  # Tables 5 and 4: per-pixel accuracy, per-class accuracy, class IOU
    "AtoB": {
        "cycle": (0.10, 0.05, 0.02),
        "gan": (0.53, 0.11, 0.07),
        "forward": (0.49, 0.11, 0.07),
        "backward": (0.01, 0.06, 0.01),
        "full": (0.58, 0.22, 0.16),
    },
    "BtoA": {
        "cycle": (0.22, 0.07, 0.02),
        "gan": (0.51, 0.11, 0.08),
        "forward": (0.55, 0.18, 0.12),
        "backward": (0.39, 0.14, 0.06),
        "full": (0.52, 0.17, 0.11),
    },
}
INTRO = """# Results

Written by `python scripts/paper.py results` from the files in `docs/results`, which the runs leave behind; do not edit it.
Numbers are the mean ± the standard deviation over seeds: the same training with another seed differs by so much. A difference
that is not clearly larger than both spreads shows nothing, and with three seeds the spreads themselves are rough.
"""
Record = dict


def write(out: Path, titles: dict[str, str]) -> None:
    """Write ``out.md``, a chapter for each folder in ``out``.

    Raises:
        UserError: there is nothing, or a file cannot be read.
    """
    chapters = [chapter(path.parent, titles) for path in sorted(out.glob("*/setup.json"))]
    if not chapters:
        raise UserError(f"{out} holds no results; scripts/paper.py ablate makes them")
    write_atomically(out.with_suffix(".md"), ("\n".join([INTRO, *chapters])).encode())
    say(f"Written: {out.with_suffix('.md')}")


def chapter(folder: Path, titles: dict[str, str]) -> str:
    try:
        setup = json.loads((folder / "setup.json").read_text())
        records: list[Record] = [
            json.loads(path.read_text()) for path in sorted(folder.glob("*-*.json"))
        ]
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from None
    runs = {
        key: sorted((r for r in records if r["variant"] == key), key=lambda r: r["seed"])
        for key in titles
    }
    runs = {key: found for key, found in runs.items() if found}
    seeds = sorted({record["seed"] for record in records})
    lines = [
        f"## Parts of the objective (Tables 4 and 5) on {setup['dataset']}",
        "",
        *about(setup, records, seeds, len(titles)),
    ]
    if records:
        for side in SIDES:
            lines += tables(side, runs, titles)
        lines += ["### What it shows", "", *findings(runs, titles), ""]
        lines += pictures(folder, runs, titles)
    notes = folder / "notes.md"
    return "\n".join(lines + ([notes.read_text()] if notes.is_file() else []))


def about(setup: dict, records: list[Record], seeds: list[int], variants: int) -> list[str]:
    colours = ["--palette", *setup["palette"]] if setup["palette"] else []
    more = [
        word for key in ("network", "features") if setup[key] for word in (f"--{key}", setup[key])
    ]
    command = [
        "scripts/paper.py",
        "ablate",
        "--dataroot",
        f"datasets/{setup['dataset']}",
        "--seeds",
        *map(str, seeds),
        *colours,
        *more,
        "--",
        *setup["train"],
    ]
    lines = ["```bash", shown(command), "```", ""]
    if not records:
        return [*lines, "No run has finished yet.", ""]
    hours = [record["hours"] for record in records]
    missing = len(seeds) * variants - len(records)
    head = (
        "Runs",
        "Seeds",
        "Commit",
        "Machine",
        "Hours in all",
        "Hours of a run",
        "Images seen by a run",
    )
    return [
        *lines,
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        f"| {len(records)}{f' ({missing} not finished)' if missing > 0 else ''} | {', '.join(map(str, seeds))} | "
        f"{each(records, 'commit')} | {each(records, 'machine')} | {sum(hours):.2f} | {min(hours):.2f} to {max(hours):.2f} | "
        f"{each(records, 'images')} |",
        "",
    ]


def each(records: list[Record], key: str) -> str:
    return ", ".join(dict.fromkeys(str(record[key]) for record in records))


def values(found: Sequence[Record], epoch: str, side: str, metric: str) -> list[float]:
    return [
        r["scores"][epoch][side][metric]
        for r in found
        if metric in r["scores"].get(epoch, {}).get(side, {})
    ]


def metrics_of(runs: dict[str, list[Record]], side: str) -> list[str]:
    return list(
        dict.fromkeys(
            metric
            for found in runs.values()
            for r in found
            for metric in r["scores"]["latest"][side]
        )
    )


def spread(numbers: list[float]) -> str:
    if not numbers:
        return "-"
    digits = 3 if max(map(abs, numbers)) < 2 else 1
    return f"{mean(numbers):.{digits}f}" + (
        f" ± {stdev(numbers):.{digits}f}" if len(numbers) > 1 else ""
    )


def tables(side: str, runs: dict[str, list[Record]], titles: dict[str, str]) -> list[str]:
    """Final epoch, and best epoch where there was a validation."""
    metrics = metrics_of(runs, side)
    if not metrics:
        return []
    compared = set(SEGMENTS) <= set(metrics)
    lines = []
    for epoch, heading in (("latest", "final epoch"), ("best", "best epoch by validation")):
        if not any(epoch in r["scores"] for found in runs.values() for r in found):
            continue
        if epoch == "best":
            heading += f" ({', '.join({r['best']['metric']: 0 for found in runs.values() for r in found if r['best']})})"
        head = [
            "Loss",
            *metrics,
            *(["paper, Cityscapes (the last three)"] if compared else []),
            *(["best epochs"] if epoch == "best" else []),
        ]
        lines += [
            f"### {' → '.join(SIDES[side])}, {heading}",
            "",
            f"| {' | '.join(head)} |",
            "|---" * len(head) + "|",
        ]
        for key, found in runs.items():
            row = [titles[key], *(spread(values(found, epoch, side, metric)) for metric in metrics)]
            row += [" / ".join(f"{number:.2f}" for number in PAPER[side][key])] if compared else []
            row += (
                [", ".join(str(r["best"]["epoch"]) for r in found if r["best"])]
                if epoch == "best"
                else []
            )
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
    return lines


def findings(runs: dict[str, list[Record]], titles: dict[str, str]) -> list[str]:
    """For each metric which variant is best in the mean, and whether the full objective is told apart from it."""
    lines = []
    for side in SIDES:
        for metric in metrics_of(runs, side):
            sign = -1 if metric.startswith(LOWER) else 1
            found = {
                key: numbers
                for key in runs
                if (numbers := values(runs[key], "latest", side, metric))
            }
            best = max(found, key=lambda key: sign * mean(found[key]))
            said = f"- {' → '.join(SIDES[side])}, {metric}: best is {titles[best]} ({spread(found[best])})"
            if "full" in found and len(found) > 1:
                rival = (
                    max((k for k in found if k != "full"), key=lambda k: sign * mean(found[k]))
                    if best == "full"
                    else best
                )
                said += f"; {titles['full']}: {spread(found['full'])}" if best != "full" else ""
                said += f", {apart(found['full'], found[rival])} {titles[rival]} ({spread(found[rival])})"
            lines.append(said + ".")
    return lines


def apart(a: list[float], b: list[float]) -> str:
    if min(len(a), len(b)) < 2:
        return "with one seed not told apart from"
    gap = abs(mean(a) - mean(b))
    return "clearly apart from" if gap > stdev(a) + stdev(b) else "not told apart from"


def pictures(folder: Path, runs: dict[str, list[Record]], titles: dict[str, str]) -> list[str]:
    shown_here = {"input": "Test images", **titles}
    lines = [
        "### Pictures",
        "",
        "Of the first seed, final epoch: above A → B, below B → A (inputs: above A, below B).",
        "",
    ]
    for key, title in shown_here.items():
        if (folder / f"{key}.png").is_file():
            lines += [
                f"{title}:",
                "",
                f"![{title}]({folder.parent.name}/{folder.name}/{key}.png)",
                "",
            ]
    return lines

"""Write docs/results.md from the files that finished runs have left in docs/results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from scripts.paper_tools import counts, jobs
from scripts.paper_tools.scoring import SCORES_KIND, SIDES
from util.files import Maybe, read_json
from util.tables import markdown

# Texts of the page.
TITLE = "Parts of the objective (Tables 4 and 5) on {dataset}"
ABOUT = ("Runs", "Seeds", "Commit", "Machine", "Hours in total", "Hours per run", "Images per run")
EPOCHS = {"latest": "final epoch", "best": "best epoch by validation (metric: {metrics})"}
PAPER_COLUMN = "paper, Cityscapes (the last three)"
BEST = "- {side}, {metric}: best is {best} ({value})"
FULL = "; {full}: {value}"
COMPARED = ", {verdict} {rival} ({value})"
VERDICTS = {
    None: "with one seed not distinguishable from",
    True: "clearly different from",
    False: "not distinguishable from",
}
PICTURES = "First seed, final epoch. Upper row A → B, lower row B → A (inputs: A above B)."
ALL_RUNS = "runs"  # name of the picture of all runs
SEEDS = "A → B in the final epoch: each row is a seed, with a different test image."

LOWER_IS_BETTER = ("L1", "LPIPS", "FID", "KID")
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
# The kinds (see util/files.py) of the files that scripts/paper_tools/ablation.py writes.
SETUP: dict[str, Any] = {"dataset": str, "train": [str], "palette": ([str], None)}
SETUP |= {"network": (str, None), "features": (str, None)}
RECORD: dict[str, Any] = {
    "variant": str,
    "seed": int,
    "hours": float,
    "commit": str,
    "machine": str,
}
RECORD |= {"images": int, "best": ({"metric": str, "epoch": int}, None)}
RECORD |= {"scores": {"latest": SCORES_KIND, "best": Maybe(SCORES_KIND)}}
Record = dict  # of one run
Runs = dict[str, list[Record]]  # variant -> its runs by seed
Titles = dict[str, str]  # variant -> its name in tables


class Chapter(NamedTuple):
    """One comparison on the page of results.

    Attributes:
        title: heading of the chapter.
        conclusion: sentence that was computed from the records; may be empty.
        lines: tables and pictures.
        record: command that repeats the runs, and what they took.
    """

    title: str
    conclusion: str
    lines: list[str]
    record: list[str]


def chapter(folder: Path, titles: Titles) -> Chapter:
    setup = read_json(folder / "setup.json", SETUP)
    records = [read_json(path, RECORD) for path in sorted(folder.glob("*-*.json"))]
    records.sort(key=lambda record: record["seed"])
    runs = {key: [record for record in records if record["variant"] == key] for key in titles}
    runs = {key: of_variant for key, of_variant in runs.items() if of_variant}
    right_pixels = SEGMENTS[0]
    shares = {key: values(runs[key], "latest", "AtoB", right_pixels) for key in runs}
    lines = counts.lines(shares, titles)
    if records:
        lines += [*pictures(folder, titles), "### Scores by metric", ""]
        lines += [*findings(runs, titles), ""]
    for side in SIDES if records else ():
        lines += tables(side, runs, titles)
    title, more = TITLE.format(**setup), []
    if folder.name != setup["dataset"]:  # another study of the same dataset
        title, more = f"{title} ({folder.name})", ["--name", folder.name]
    if records and len(runs) < len(titles):
        more += ["--variants", *runs]
    record = about(setup, runs, more)
    return Chapter(title, counts.conclusion(shares, titles), lines, record)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, and an empty line."""
    return [*markdown(head, rows), ""]


def about(setup: dict, runs: Runs, more: Sequence[str]) -> list[str]:
    """Return the command that repeats the runs, and a table of what they took.

    Args:
        more: options of the command that ``setup`` does not hold.
    """
    records = sorted(chain(*runs.values()), key=lambda record: record["seed"])
    seeds = list(dict.fromkeys(str(record["seed"]) for record in records))
    data = ["--dataroot", f"datasets/{setup['dataset']}", "--seeds", *seeds, *more]
    colours = ["--palette", *setup["palette"]] if setup["palette"] else []
    words = [*data, *colours, *networks(setup)]
    command = ["scripts/paper.py", "ablate", *words, "--", *setup["train"]]
    lines = ["```bash", "# takes hours", jobs.shown(command), "```", ""]
    if not records:
        return [*lines, "No run has finished yet.", ""]
    hours = [record["hours"] for record in records]
    missing = len(seeds) * len(runs) - len(records)
    count = f"{len(records)} ({missing} not finished)" if missing > 0 else str(len(records))
    commit, machine, images = (several(records, key) for key in ("commit", "machine", "images"))
    spent = (f"{sum(hours):.2f}", f"{min(hours):.2f} to {max(hours):.2f}")
    return lines + table(ABOUT, [(count, ", ".join(seeds), commit, machine, *spent, images)])


def networks(setup: dict) -> list[str]:
    """Return the options of the networks that measured."""
    given = {f"--{key}": setup[key] for key in ("network", "features") if setup[key]}
    return [word for option in given.items() for word in option]


def several(records: Sequence[Record], key: str) -> str:
    """Return the different values of a key in ``records``, or "-"."""
    found = dict.fromkeys(str(record[key]) for record in records)
    return ", ".join(filter(None, found)) or "-"


def values(records: Sequence[Record], epoch: str, side: str, metric: str) -> list[float]:
    """Return the values of a metric in the runs that measured it."""
    measured = [record["scores"].get(epoch, {}).get(side, {}) for record in records]
    return [scores[metric] for scores in measured if metric in scores]


def metrics_of(runs: Runs, side: str) -> list[str]:
    records = [record for of_variant in runs.values() for record in of_variant]
    return list(dict.fromkeys(m for record in records for m in record["scores"]["latest"][side]))


def spread(numbers: list[float]) -> str:
    """Return "mean ± standard deviation", the mean of a single number, or "-"."""
    if not numbers:
        return "-"
    digits = 3 if max(map(abs, numbers)) < 2 else 1
    deviation = f" ± {stdev(numbers):.{digits}f}" if len(numbers) > 1 else ""
    return f"{mean(numbers):.{digits}f}{deviation}"


def arrow(side: str) -> str:
    return " → ".join(SIDES[side])


def tables(side: str, runs: Runs, titles: Titles) -> list[str]:
    """Return a table for the final epoch, and one for the best epoch if runs were validated."""
    metrics = metrics_of(runs, side)
    records = [record for of_variant in runs.values() for record in of_variant]
    lines = []
    for epoch, heading in EPOCHS.items() if metrics else ():
        if not any(epoch in record["scores"] for record in records):
            continue
        validations = dict.fromkeys(
            record["best"]["metric"] for record in records if record["best"]
        )
        head, rows = ["Loss", *metrics], []
        head += [PAPER_COLUMN] if set(SEGMENTS) <= set(metrics) else []
        head += ["best epochs"] if epoch == "best" else []
        for key, of_variant in runs.items():
            row = [titles[key]]
            row += [spread(values(of_variant, epoch, side, metric)) for metric in metrics]
            if PAPER_COLUMN in head:
                row.append(" / ".join(f"{number:.2f}" for number in PAPER[side][key]))
            if epoch == "best":
                best = [record["best"]["epoch"] for record in of_variant if record["best"]]
                row.append(", ".join(map(str, best)))
            rows.append(row)
        title = heading.format(metrics=", ".join(validations))
        lines += [f"### {arrow(side)}, {title}", "", *table(head, rows)]
    return lines


def findings(runs: Runs, titles: Titles) -> list[str]:
    """Return a line for each metric: the best variant, and whether the full objective differs."""
    lines = []
    for side in SIDES:
        for metric in metrics_of(runs, side):
            numbers = {key: values(runs[key], "latest", side, metric) for key in runs}
            numbers = {key: of_variant for key, of_variant in numbers.items() if of_variant}
            sign = -1 if metric.startswith(LOWER_IS_BETTER) else 1
            order = sorted(numbers, key=lambda key: -sign * mean(numbers[key]))
            cells = {key: {"value": spread(numbers[key])} for key in order}
            best = order[0]
            line = BEST.format(side=arrow(side), metric=metric, best=titles[best], **cells[best])
            if "full" in numbers and len(numbers) > 1:
                rival = order[1] if best == "full" else best
                if best != "full":
                    line += FULL.format(full=titles["full"], **cells["full"])
                verdict = VERDICTS[differ(numbers["full"], numbers[rival])]
                line += COMPARED.format(verdict=verdict, rival=titles[rival], **cells[rival])
            lines.append(line + ".")
    return lines


def differ(a: list[float], b: list[float]) -> bool | None:
    """True if the means differ by more than both standard deviations; None if one is unknown."""
    if min(len(a), len(b)) < 2:
        return None
    return abs(mean(a) - mean(b)) > stdev(a) + stdev(b)


def pictures(folder: Path, titles: Titles) -> list[str]:
    lines = ["### Pictures", "", *picture(folder, ALL_RUNS, SEEDS, "All runs"), PICTURES, ""]
    for key, title in {"input": "Test images", **titles}.items():
        lines += picture(folder, key, f"{title}:", title)
    return lines


def picture(folder: Path, name: str, text: str, title: str) -> list[str]:
    """Return a picture below a line of text; nothing if the folder does not have it."""
    if not (folder / f"{name}.png").is_file():
        return []
    return [text, "", f"![{title}]({folder.parent.name}/{folder.name}/{name}.png)", ""]

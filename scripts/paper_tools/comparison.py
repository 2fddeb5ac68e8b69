"""The tables and pictures of the comparison with prior methods, from the records of the runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scripts.figures import pixels
from scripts.paper_tools import jobs, results, samples
from scripts.paper_tools.rows import CITYSCAPES, MAPS, ROWS
from scripts.paper_tools.scoring import SCORES_KIND, SIDES
from util import tables
from util.files import read_json, write_atomically
from util.image.writing import save_image

TITLE = "The paper's comparison (Tables 1 to 3) on {dataset}"
TABLES = {"BtoA": "as in Table 2, labels → photo", "AtoB": "as in Table 3, photo → labels"}
CAPTION = "Inputs on the left, targets on the right; first seed, final epoch. Grey: no image."
COSTS = "Hours, parameters (of all networks) and updates are those of one training."
COLLAPSED = 0.1  # share of the targets' variety; the threshold of the health checks
LEFT_OUT = {
    False: "- {title}: no run.",
    True: "- {title}: no run; it needs pairs of training images (`--pairs`).",
}
FAILED = "- {title}, {where}, seed {seed}: failed; {failed}"
SAME = (
    "- {title}, {where}, seed {seed}: collapsed; results differ from each other by only "
    "{share:.0%} of what the targets do."
)
SEARCHED = (
    "- CoGAN, seed {seed}, reconstructions of test images of {domain}: {psnr:.1f} dB, "
    "{gain:+.1f} dB against the mean training image; {verdict}."
)
CSV = ("direction", "method", "quantity", "mean", "deviation", "runs")
GAIN = 3  # dB that a reconstruction is to gain
VERDICTS = {
    True: "at least 3 dB better, so a translation may have to do with its input",
    False: "not 3 dB better, so the translations say little about their inputs",
}
MEASURES = ("hours", "parameters", "updates")
RECORD: dict[str, Any] = {"row": str, "side": str, "seed": int, "failed": (str, None)}
RECORD |= {"scores": SCORES_KIND, "variety": {str: float}, "reconstruction": {str: {str: float}}}
RECORD |= {"hours": float, "images": int, "updates": int, "parameters": int}
RECORD |= {"commit": str, "machine": str}
SETUP: dict[str, Any] = {"dataset": str, "recipe": str, "train": [str], "row_options": [str]}
SETUP |= {"segments": [str], "network": (str, None), "features": (str, None)}
Record = dict
Paper = Mapping[str, Mapping[str, tuple[float, ...]]]


def is_finished(path: Path) -> bool:
    """True if the run of this record ended without a failure."""
    return path.is_file() and read_json(path, RECORD)["failed"] is None


def records_of(folder: Path) -> list[Record]:
    records = [read_json(path, RECORD) for path in sorted(folder.glob("*-*.json"))]
    return sorted(records, key=lambda record: record["seed"])


def failures(folder: Path) -> list[str]:
    """Return the reasons of all runs that failed."""
    return [str(record["failed"]) for record in records_of(folder) if record["failed"]]


def titles_of(records: Sequence[Record]) -> dict[str, str]:
    """Return the titles of the rows that have records, in the paper's order; added ones last."""
    present = dict.fromkeys(record["row"] for record in records)
    known = {row: about.title for row, about in ROWS.items() if row in present}
    return known | {row: row for row in present if row not in ROWS}


def of_row(records: Sequence[Record], row: str, side: str) -> list[Record]:
    """Return the records of a row that concern a direction."""
    return [r for r in records if r["row"] == row and r["side"] in ("", side)]


class Table:
    """The table of one direction: a line for each row, with numbers over the seeds.

    Attributes:
        metrics: what was measured: segmentation scores first, as in the paper.
        rows: row -> title.
        paper: the paper's numbers by row, and the heading of their column.
    """

    def __init__(self, records: Sequence[Record], side: str, dataset: str) -> None:
        self.records, self.side = records, side
        # Another method may have translated in one direction only.
        scored = {r["row"] for r in records if r["scores"][side] or r["failed"]}
        titles = titles_of(records)
        self.rows = {row: title for row, title in titles.items() if row in scored or row in ROWS}
        found = dict.fromkeys(m for r in records for m in r["scores"][side])
        first = (*results.SEGMENTS, "PSNR (dB)", "SSIM")
        self.metrics = [m for m in first if m in found]
        self.metrics += [m for m in found if m not in first and m != "palette (%)"]
        numbers: Paper = CITYSCAPES
        heading = "paper, Cityscapes: per-pixel, per-class, IOU"
        if dataset == "maps":
            numbers, heading = MAPS, "paper: % taken for real by people"
        self.paper, self.heading = numbers[side], heading

    def values(self, row: str, metric: str) -> list[float]:
        of_both = of_row(self.records, row, self.side)
        measured = [r["scores"][self.side] for r in of_both]
        return [scores[metric] for scores in measured if metric in scores]

    def costs(self, row: str) -> dict[str, list[float]]:
        """Return hours, parameters and updates of the trainings that this direction takes."""
        trained = [r for r in of_row(self.records, row, self.side) if r["images"]]
        return {key: [float(r[key]) for r in trained] for key in MEASURES}

    def published(self, row: str) -> str:
        numbers = self.paper.get(row, ())
        if len(numbers) == 2:
            return f"{numbers[0]} ± {numbers[1]}"
        return " / ".join(f"{number:.2f}" for number in numbers) or "-"

    def cells(self) -> list[list[str]]:
        """Return the heading and the lines as texts."""
        lines = [["Method", *self.metrics, *MEASURES, self.heading]]
        for row, title in self.rows.items():
            costs = self.costs(row)
            hours = f"{sum(costs['hours']) / len(costs['hours']):.2f}" if costs["hours"] else "-"
            others = [
                ", ".join(dict.fromkeys(f"{value:,.0f}" for value in costs[key])) or "-"
                for key in MEASURES[1:]
            ]
            scores = [results.spread(self.values(row, metric)) for metric in self.metrics]
            lines.append([title, *scores, hours, *others, self.published(row)])
        return lines

    def numbers(self) -> list[list[object]]:
        """Return lines for the CSV file: direction, method, quantity, mean, deviation, runs."""
        lines: list[list[object]] = []
        for row, title in self.rows.items():
            found = {metric: self.values(row, metric) for metric in self.metrics}
            for quantity, values in (found | self.costs(row)).items():
                if values:
                    deviation = stdev(values) if len(values) > 1 else ""
                    line = [mean(values), deviation, len(values)]
                    lines.append([self.side, title, quantity, *line])
            names = (
                results.SEGMENTS if self.paper is CITYSCAPES[self.side] else ("taken for real", "")
            )
            for name, number in zip(names, self.paper.get(row, ()), strict=False):
                if name:
                    lines.append([self.side, title, f"paper: {name}", number, "", ""])
        return lines


def chapter(folder: Path) -> results.Chapter:
    """Return the chapter of the page of results: tables, remarks, pictures, how to repeat it."""
    setup, records = read_json(folder / "setup.json", SETUP), records_of(folder)
    lines = []
    for side in TABLES if records else ():
        table = Table(records, side, setup["dataset"])
        head, *rows = table.cells()
        lines += [f"### {results.arrow(side)}, {TABLES[side]}", "", *results.table(head, rows)]
    lines += [COSTS, "", *remarks(records), "", "### Pictures", "", CAPTION, ""]
    for side in SIDES:
        title = results.arrow(side)
        lines += results.picture(folder, side, f"{title}:", title)
    return results.Chapter(TITLE.format(**setup), "", lines, about(setup, records))


def about(setup: dict, records: Sequence[Record]) -> list[str]:
    """Return the command that repeats the runs, and a table of what they took."""
    trained = [record for record in records if record["row"] in ROWS]
    seeds = list(dict.fromkeys(str(record["seed"]) for record in trained))
    words = ["--dataroot", f"datasets/{setup['dataset']}"]
    words += ["--recipe", setup["recipe"]] if setup["recipe"] else []
    words += ["--seeds", *seeds]
    words += [w for text in setup["row_options"] for w in ("--row_options", text)]
    words += results.networks(setup)
    train = ["--", *setup["train"]] if setup["train"] else []
    command = jobs.shown(["scripts/paper.py", "baselines", *words, *train])
    commits, machines = (results.several(trained, key) for key in ("commit", "machine"))
    hours = sum(record["hours"] for record in trained)
    line = (str(len(trained)), ", ".join(seeds), commits, machines, f"{hours:.2f}")
    head = ("Runs", "Seeds", "Commit", "Machine", "Hours in total")
    return ["```bash", "# takes hours", command, "```", "", *results.table(head, [line])]


def remarks(records: Sequence[Record]) -> list[str]:
    """Return a line for each row without a run, failure, collapse, and search of CoGAN."""
    titles, lines = titles_of(records), []
    for row, about in ROWS.items():
        if row not in titles:
            lines.append(LEFT_OUT[about.pairs].format(title=about.title))
    for record in records:
        facts = {"title": titles[record["row"]], "seed": record["seed"]}
        where = results.arrow(record["side"]) if record["side"] else "both directions"
        if record["failed"]:
            lines.append(FAILED.format(**facts, where=where, failed=record["failed"]))
        for side, share in record["variety"].items():
            if share < COLLAPSED:
                lines.append(SAME.format(**facts, where=results.arrow(side), share=share))
        for domain, found in record["reconstruction"].items():
            gain = found["psnr"] - found["mean image"]
            verdict = VERDICTS[gain >= GAIN]
            line = SEARCHED.format(domain=domain, gain=gain, verdict=verdict, **found, **facts)
            lines.append(line)
    return ["### Remarks", "", *lines] if lines else []


def write(folder: Path) -> None:
    """Write the tables as table.md, table.csv and table.tex, and a picture for each direction."""
    setup, records = read_json(folder / "setup.json", SETUP), records_of(folder)
    of_sides = {side: Table(records, side, setup["dataset"]) for side in TABLES}
    markdown, text = [], io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV)
    for side, table in of_sides.items():
        head, *rows = table.cells()
        markdown += [f"{results.arrow(side)}, {TABLES[side]}:", "", *results.table(head, rows)]
        writer.writerows(table.numbers())
    markdown += remarks(records)
    write_atomically(folder / "table.md", ("\n".join(markdown) + "\n").encode())
    write_atomically(folder / "table.csv", text.getvalue().encode())
    latex = [line for side, table in of_sides.items() for line in latex_lines(table, side)]
    write_atomically(folder / "table.tex", ("\n".join(latex) + "\n").encode())
    for side in SIDES:
        draw(folder, side, titles_of(records))


def latex_lines(table: Table, side: str) -> list[str]:
    """Return a table for LaTeX; it needs the package booktabs."""
    head, *rows = ([tables.latex(cell) for cell in line] for line in table.cells())
    title = f"% {results.arrow(side)}, {TABLES[side]}".replace("→", "to")
    layout = "l" + "r" * (len(head) - 1)
    return [title, *tables.tabular(layout, head, rows, tables.BOOKTABS), ""]


def draw(folder: Path, side: str, titles: dict[str, str]) -> None:
    """Draw all rows side by side, as in the paper's Figures 5 and 6, from their strips."""
    columns = {"input": "Input", **titles, "target": "Target"}
    strips = {row: folder / f"strip_{row}_{side}.png" for row in columns}
    present = [row for row, file in strips.items() if file.is_file()]
    if len(present) < 2:
        return
    names = [columns[row].replace(" + ", "\n+ ") for row in present]
    height = samples.TILES * samples.SIZE
    files = [str(strips[row]) for row in present]
    picture = pixels.draw([files], names, height, unit=samples.SIZE)
    save_image(picture, folder / f"{side}.png")

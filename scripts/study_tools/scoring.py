"""Scores a study: how often the images of each method were taken for real, as in Table 1."""

from __future__ import annotations

import csv
import io
import math
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from options.flags.flag import Flag
from scripts.arguments import SEED, Output
from scripts.study_tools.answers import Session, read_sessions, result_files
from scripts.study_tools.key import read_key
from util import tables
from util.console import say, warn
from util.files import write_atomically
from util.words import amount

ENDINGS = (".txt", ".md", ".csv", ".tex")
SAMPLES, CHUNK = 10_000, 500  # of the bootstrap, and how many are drawn at once
FEW = 25  # participants for each method in the paper
HEAD = ("Method", "% labeled real", "Participants", "Trials")
NUMBERS = (1, 2, 3)  # the columns of HEAD that are aligned to the right
NESTED_HELP = "bootstrap over the trials of each drawn participant, too, as in the authors' script"
FLAGS = (
    Flag("key", Path, None, "key of the study", metavar="FILE", required=True),
    Flag("answers", Path, None, "result files, or folders of them", "+", "PATH", required=True),
    Flag("output", Output(*ENDINGS), None, "also write the table: .txt, .md, .csv or .tex"),
    Flag("nested", bool, False, NESTED_HELP),
    Flag("seed", SEED, 0, "seed of the bootstrap (default: 0)"),
)


@dataclass
class Row:
    """The score of a method.

    Attributes:
        percent: of the scored trials in which the generated image was taken for the real one.
        error: standard error of ``percent``; NaN if there is one participant only.
    """

    name: str
    percent: float
    error: float
    participants: int
    trials: int

    def cells(self, plus_minus: str = " ± ") -> tuple[str, str, str, str]:
        error = "" if math.isnan(self.error) else f"{plus_minus}{self.error:.1f}"
        score = f"{self.percent:.1f}{error}"
        return self.name, score, str(self.participants), str(self.trials)


def score(args: Namespace) -> None:
    """Print the table of a study, and write it to ``args.output``.

    Raises:
        UserError: the key or all of the result files cannot be used.
    """
    key = read_key(args.key)
    files = result_files(args.answers, args.key)
    sessions = read_sessions(files, key)
    rows = []
    for token, group in key["groups"].items():
        fooled = np.array([s.fooled for s in sessions if s.group == token])
        if len(fooled):
            error = 100 * standard_error(fooled, args.nested, args.seed)
            rows.append(Row(group["name"], 100 * fooled.mean(), error, len(fooled), fooled.size))
        else:
            warn(f"no result file is of {group['name']}")
    say(*text_table(rows).splitlines())
    remark(rows, sessions, key, len(files))
    if args.output:
        writers = dict(zip(ENDINGS, (text_table, markdown, csv_table, latex), strict=True))
        content = writers[args.output.suffix.lower()](rows)
        write_atomically(args.output, content.encode(errors="replace"), "--output")


def standard_error(fooled: np.ndarray, nested: bool = False, seed: int = 0) -> float:
    """Return the bootstrap's standard error of the mean of ``fooled``; NaN for one participant.

    Args:
        fooled: booleans (participants, trials).
        nested: also draw trials of each drawn participant with replacement. That counts the chance
            in a participant's answers twice: it is in the differences between participants, too.
    """
    if len(fooled) < 2:
        return math.nan
    random, (people, trials) = np.random.default_rng(seed), fooled.shape
    rates = fooled.mean(1)
    means = []
    for _ in range(SAMPLES // CHUNK):
        drawn = rates[random.integers(people, size=(CHUNK, people))]
        # The mean of n draws with replacement from answers of which a share p is "fooled"
        means.append((random.binomial(trials, drawn) / trials if nested else drawn).mean(1))
    return float(np.std(means))


def remark(rows: list[Row], sessions: list[Session], key: dict, files: int) -> None:
    """Print what a reader of the table should know."""
    say(f"{amount(len(sessions), 'session')} of {amount(files, 'file')}; chance is 50 %")
    if single := [row.name for row in rows if row.participants == 1]:
        say(f"one participant, so no standard error: {', '.join(single)}")
    if few := [row.name for row in rows if row.participants < FEW]:
        say(f"fewer than the paper's {FEW} participants: {', '.join(few)}")
    small = sum(session.image < key["size"] - 1 for session in sessions)
    if small:
        say(f"{amount(small, 'session')} showed the images smaller than {key['size']} pixels")
    say("Result files are plain text: a forged one that is consistent cannot be recognized.")


def text_table(rows: list[Row]) -> str:
    return lines_of(tables.columns([HEAD, *(row.cells() for row in rows)], NUMBERS))


def markdown(rows: list[Row]) -> str:
    return lines_of(tables.markdown(HEAD, [row.cells() for row in rows], NUMBERS))


def csv_table(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("method", "percent", "standard_error", "participants", "trials"))
    for row in rows:
        error = "" if math.isnan(row.error) else f"{row.error:.4f}"
        writer.writerow((row.name, f"{row.percent:.4f}", error, row.participants, row.trials))
    return text.getvalue()


def latex(rows: list[Row]) -> str:
    """Return a tabular with the columns of Table 1, and the number of participants."""
    lines = []
    for row in rows:
        name, number, people, _ = row.cells(r" \pm ")
        lines.append((tables.latex(name), f"${number}$", people))
    return lines_of(tables.tabular("lcr", ("Method", r"\% labeled real", "$n$"), lines))


def lines_of(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"

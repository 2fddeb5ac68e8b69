"""Plot the curves of one or several runs, a panel for each quantity and a curve for each run.

  python scripts/plot.py --runs atlas --output curves.png
  python scripts/plot.py --runs atlas other/checkpoints/facades \\
    --keys G_A cycle_A lr --smooth 0.95 --output curves.svg

Runs with the same LABEL= are one curve, their mean, with a band of one standard deviation. For a
paper, --width sets the width of the figure, and its text has 8 points:

  python scripts/plot.py --runs ours=a_seed1 ours=a_seed2 ours=a_seed3 \\
    base=b_seed1 base=b_seed2 --keys val_l1 --width 3.25 --output column.pdf

Losses and health measurements are smoothed; lr, validations and times never are. Reads
metrics.jsonl, or loss_log.txt in folders without it, such as runs of the official code.
Needs: pip install matplotlib
"""

from __future__ import annotations

import sys
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from scripts.figures.curves import curve
from scripts.figures.drawing import MATPLOTLIB, Panel, draw, layout_of, settings
from scripts.figures.logs import Run, read
from util.console import run_main, say, warn
from util.errors import UsageError, UserError, explain, needs
from util.files import write_atomically
from util.limits import real
from util.words import amount

PANELS = 60  # at most, because the layout of more takes minutes
FLAGS = (
    Flag(
        "runs",
        str,
        None,
        "names of runs in --checkpoints_dir, or folders, each with its label if it should have "
        "another; runs with one label are drawn as their mean",
        nargs="+",
        metavar="[LABEL=]RUN",
        required=True,
    ),
    Flag("checkpoints_dir", Path, Path("checkpoints"), "default: checkpoints"),
    Flag(
        "output",
        Output(".png", ".svg", ".pdf"),
        None,
        "picture to write: .png, .svg or .pdf",
        required=True,
    ),
    Flag(
        "keys", str, None, "losses, lr, time, ... (default: all losses)", nargs="+", metavar="KEY"
    ),
    Flag(
        "smooth",
        real(0, below=1),
        0.9,
        "weight of the past in the moving average, 0 (off) to below 1 (default: 0.9)",
    ),
    Flag(
        "x", ("epoch", "total"), "epoch", "x axis: epochs, or images seen in total (default: epoch)"
    ),
    Flag("log", bool, False, "logarithmic y axis"),
    Flag(
        "width",
        real(2, 40),
        None,
        "width of the figure in inches, e.g. 3.25 for a column of a paper (default: about 4 for "
        "each panel in a row)",
    ),
)
Groups = dict[str, dict[str, Run]]  # label -> name of a run -> its log


def read_groups(words: list[str], checkpoints: Path) -> Groups:
    """Return the logs of the runs that ``[LABEL=]RUN`` name; a run's own name is its label.

    Raises:
        UsageError: a label or a name is empty.
        UserError: there is no such run, or it has no losses yet.
    """
    groups: Groups = {}
    for word in words:
        label = name = word
        if "=" in word and not (checkpoints / word).is_dir() and not Path(word).is_dir():
            label, _, name = word.rpartition("=")  # a label such as "weight = 2" has = in it
        if not label or not name:
            raise UsageError(f"--runs {word}: should be RUN or LABEL=RUN")
        groups.setdefault(label, {})[name] = read(name, checkpoints)
    return groups


def chosen_keys(groups: Groups, args: Namespace) -> list[str]:
    """Return the keys to plot. Raises UserError: there are none, too many, or unknown ones."""
    entries = [entry for runs in groups.values() for run in runs.values() for entry in run]
    known = dict.fromkeys(key for entry in entries for key in entry["values"])
    losses = dict.fromkeys(key for entry in entries for key in entry["losses"])
    unknown = [key for key in args.keys or () if key not in known]
    if unknown:
        raise UserError(f"--keys {unknown[0]}: the runs have {', '.join(known)}")
    keys = list(dict.fromkeys(args.keys or losses))
    if not keys:
        raise UserError(f"--runs {' '.join(args.runs)}: no losses; --keys takes {', '.join(known)}")
    if len(keys) > PANELS:
        raise UserError(f"--keys: {len(keys)} panels, at most {PANELS}; choose some of the losses")
    return keys


def make_panels(groups: Groups, keys: list[str], args: Namespace) -> list[Panel]:
    """Return the curves of each key, and say what they do not show."""
    for label, runs in groups.items():
        ends = {run[-1][args.x]: name for name, run in runs.items()}
        if max(ends) - min(ends) > 1e-6:
            unit = "epoch" if args.x == "epoch" else "image"
            place = f"{unit} {min(ends):g}, where run {ends[min(ends)]} ends"
            warn(f"the mean of {label} is drawn up to {place}")
    panels, is_mean = [], any(len(runs) > 1 for runs in groups.values())
    for key in keys:
        curves = {n: curve(n, runs, key, args.x, args.smooth) for n, runs in groups.items()}
        if is_mean:  # pale raw values of single runs would hide the bands
            curves = {label: found and found._replace(raw=None) for label, found in curves.items()}
        panel = Panel(key, {label: found for label, found in curves.items() if found})
        values = [y for found in panel.curves.values() for y in (found.y, found.raw)]
        hidden = sum(int((y <= 0).sum()) for y in values if y is not None)
        if args.log and hidden:
            warn(f"--log: {amount(hidden, 'point')} of {key} cannot be drawn, being 0 or less")
        panels.append(panel)
    return panels


def write(panels: list[Panel], labels: list[str], args: Namespace) -> None:
    """Draw the panels and write ``args.output``.

    Raises:
        UserError: matplotlib cannot draw the values, or the file cannot be written.
    """
    with needs(*MATPLOTLIB):
        from matplotlib import rc_context
    layout = layout_of(len(panels), labels, args.width)

    def save(file: Any) -> None:
        figure.savefig(file, format=args.output.suffix[1:].lower(), dpi=200 if args.width else 150)

    with (
        rc_context(settings(layout.font)),
        explain("cannot draw the curves"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # for numbers near the largest float
        figure = draw(panels, labels, layout, args.x, args.log)
        write_atomically(args.output, save, "--output")


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    groups = read_groups(args.runs, args.checkpoints_dir)
    write(make_panels(groups, chosen_keys(groups, args), args), list(groups), args)
    runs = sum(map(len, groups.values()))
    means = f" in {amount(len(groups), 'curve')}, mean ± standard deviation" * (runs > len(groups))
    say(f"{amount(runs, 'run')}{means}: {args.output}")


if __name__ == "__main__":
    run_main(main)

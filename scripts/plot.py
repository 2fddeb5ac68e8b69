"""Plot the curves of one or several runs, a panel for each quantity and a curve for each run.

  python scripts/plot.py --runs atlas --output curves.png
  python scripts/plot.py --runs atlas other/checkpoints/facades --keys G_A cycle_A lr \\
    --smooth 0.95 --output curves.svg

Reads metrics.jsonl, or loss_log.txt in folders without it, such as runs of the official code.
Needs: pip install matplotlib
"""

from __future__ import annotations

import math
import re
import sys
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from util.console import run_main, say
from util.errors import UserError, explain, needs
from util.files import write_atomically
from util.limits import real
from util.runs import no_run
from util.sinks.base import read_metrics
from util.words import amount

# The official code writes "[Rank 0] " before a line and commas between the losses since 2025.
LINE = re.compile(
    r"(?:\[Rank 0\] )?"
    r"\(epoch: (\d{1,9}), iters: (\d{1,12}), time: ([\d.]+), data: ([\d.]+)\) (.*)"
)
LOSS = re.compile(r"([^\s,]\S*): ([^\s,]+)")
NOT_PLOTTED = {"epoch", "iters", "share", "total", "losses", "note"}  # keys of metrics.jsonl
MATPLOTLIB = ("scripts/plot.py", "matplotlib")  # what needs which package
PANELS = 60  # at most, because the layout of more takes minutes
FLAGS = (
    Flag(
        "runs",
        str,
        None,
        "names of runs in --checkpoints_dir, or folders",
        nargs="+",
        metavar="RUN",
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
)
Run = list[dict[str, Any]]  # one dict for each line of the log


def read(name: str, checkpoints: Path) -> Run:
    """Return the log of a run: its lines with the keys epoch, total, losses and values.

    Raises:
        UserError: there is no such run, or it has no losses yet.
    """
    folder = checkpoints / name if (checkpoints / name).is_dir() else Path(name)
    if not folder.is_dir():
        raise no_run(checkpoints, name, "--runs")
    entries = [entry for entry in read_metrics(folder) if "losses" in entry]
    entries = entries or read_loss_log(folder / "loss_log.txt")
    if not entries:
        raise UserError(f"--runs {name}: {folder} has no losses in metrics.jsonl or loss_log.txt")
    run = []
    for entry in entries:
        others = {key: value for key, value in entry.items() if key not in NOT_PLOTTED}
        x = {"epoch": entry["epoch"] - 1 + entry["share"], "total": entry["total"]}
        run.append(x | {"losses": entry["losses"], "values": entry["losses"] | others})
    return run


def read_loss_log(path: Path) -> Run:
    """Return the lines since the last start, with the keys of ``metrics.jsonl``.

    The file does not hold the number of images per epoch: the largest ``iters`` is taken.
    """
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    lines = text.split("= Training Loss (")[-1].splitlines()
    matches = [match for line in lines if (match := LINE.match(line))]
    size = max((int(match[2]) for match in matches), default=0) or 1
    entries = []
    for match in matches:
        epoch, iters, time, data, losses = match.groups()
        try:
            values = {name: float(value) for name, value in LOSS.findall(losses)}
            times = {"time": float(time), "data": float(data)}
        except ValueError as error:
            raise UserError(f"cannot read {path}: {error} in the line {match[0].strip()}") from None
        position = {"epoch": int(epoch), "share": int(iters) / size}
        total = (int(epoch) - 1) * size + int(iters)
        entries.append(position | {"total": total, "losses": values} | times)
    return entries


def smooth(values: list[float], weight: float) -> list[float]:
    """Return the exponential moving average with Adam's bias correction; NaN stays NaN."""
    mean, total, smoothed = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            mean, total = weight * mean + (1 - weight) * value, weight * total + 1 - weight
        smoothed.append(mean / total if math.isfinite(value) else math.nan)
    return smoothed


def draw(runs: dict[str, Run], keys: list[str], args: Namespace) -> None:
    """Draw a panel for each of ``keys`` and write ``args.output``.

    Raises:
        UserError: matplotlib cannot draw the values, or the file cannot be written.
    """
    with needs(*MATPLOTLIB):
        from matplotlib import rc_context
    # Names of losses and runs are text, not formulas.
    with (
        rc_context({"text.parse_math": False}),
        explain("cannot draw the curves"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # for numbers near the largest float
        figure = panels(runs, keys, args)
        kind = args.output.suffix[1:].lower()
        write_atomically(
            args.output, lambda file: figure.savefig(file, format=kind, dpi=150), "--output"
        )


def panels(runs: dict[str, Run], keys: list[str], args: Namespace) -> Any:
    """Return a figure with a panel for each of ``keys``."""
    with needs(*MATPLOTLIB):
        from matplotlib.figure import Figure
    columns = min(4, math.ceil(math.sqrt(len(keys))))
    rows = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.6 * rows + 0.5), layout="constrained")
    scale = "log" if args.log else "linear"
    for i, key in enumerate(keys, 1):
        axes = figure.add_subplot(rows, columns, i, title=shown(key), yscale=scale)
        axes.set_xlabel("epoch" if args.x == "epoch" else "images")
        axes.grid(alpha=0.25)
        for j, (name, run) in enumerate(runs.items()):
            x = [entry[args.x] for entry in run]
            values = [entry["values"].get(key) for entry in run]
            y = [math.nan if value is None else value for value in values]
            if args.smooth:
                axes.plot(x, y, color=f"C{j}", alpha=0.25, linewidth=0.8)
            axes.plot(x, smooth(y, args.smooth), color=f"C{j}", linewidth=1.4, label=shown(name))
    if len(runs) > 1:
        lines = figure.axes[0].get_legend_handles_labels()
        figure.legend(*lines, loc="outside lower center", ncols=len(runs))
    return figure


def shown(name: str) -> str:
    """Return a name as text that can be drawn; a legend leaves out labels that begin with _."""
    text = name.encode(errors="backslashreplace").decode()
    return f" {text}" if text.startswith("_") else text


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    runs = {name: read(name, args.checkpoints_dir) for name in args.runs}
    entries = [entry for run in runs.values() for entry in run]
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
    draw(runs, keys, args)
    say(f"{amount(len(runs), 'run')}: {args.output}")


if __name__ == "__main__":
    run_main(main)

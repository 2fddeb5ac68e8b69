"""Curves of one or several runs as a picture, from metrics.jsonl, or from loss_log.txt where there is none (an official run).

One panel for each quantity, in it a curve for each run:
  python scripts/plot.py --runs atlas --output curves.png
  python scripts/plot.py --runs atlas other/checkpoints/facades --keys G_A cycle_A lr --smooth 0.95 --output curves.svg

Needs the package matplotlib: pip install matplotlib
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from util.console import run_main, say
from util.errors import UsageError, UserError
from util.sinks.base import read_metrics

LINE = re.compile(r"\(epoch: (\d+), iters: (\d+), time: ([\d.]+), data: ([\d.]+)\) (.*)")
NOT_PLOTTED = {"epoch", "iters", "share", "total", "losses", "note"}  # of an entry
Run = list[dict[str, Any]]  # x and values: one dict for each report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        required=True,
        metavar="RUN",
        help="names in --checkpoints_dir, or folders",
    )
    parser.add_argument(
        "--checkpoints_dir",
        type=Path,
        default=Path("checkpoints"),
        help="where runs are looked for by name",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="picture to write: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--keys", nargs="+", metavar="KEY", help="losses, lr, time, data, ...; default: all losses"
    )
    parser.add_argument(
        "--smooth",
        type=float,
        default=0.9,
        help="weight of the past in each point, from 0 (off) to below 1",
    )
    parser.add_argument(
        "--x",
        default="epoch",
        choices=("epoch", "total"),
        help="over epochs, or over images seen in all",
    )
    parser.add_argument("--log", action="store_true", help="logarithmic values")
    args = parser.parse_args()
    if not 0 <= args.smooth < 1:
        raise UsageError(f"--smooth {args.smooth:g}: should be from 0 to below 1")
    if args.output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"--output {args.output}: the name should end in .png, .svg or .pdf")
    runs = {name: read(name, args.checkpoints_dir) for name in args.runs}
    known = dict.fromkeys(key for run in runs.values() for entry in run for key in entry["values"])
    losses = dict.fromkeys(key for run in runs.values() for entry in run for key in entry["losses"])
    unknown = [key for key in args.keys or () if key not in known]
    if unknown:
        raise UserError(f"--keys {unknown[0]}: the runs have {', '.join(known)}")
    draw(runs, args.keys or [*losses], args)
    say(f"{len(runs)} run{'s' if len(runs) > 1 else ''}: {args.output}")


def read(name: str, checkpoints: Path) -> Run:
    """The reports of a run.

    Raises:
        UserError: there is no such run, or it has reported nothing.
    """
    folder = checkpoints / name if (checkpoints / name).is_dir() else Path(name)
    if not folder.is_dir():
        raise UserError(f"--runs {name}: neither {checkpoints / name} nor {name} is a folder")
    entries = [entry for entry in read_metrics(folder) if "losses" in entry] or read_loss_log(
        folder / "loss_log.txt"
    )
    if not entries:
        raise UserError(f"--runs {name}: {folder} has no losses in metrics.jsonl or loss_log.txt")
    return [
        {
            "epoch": entry["epoch"] - 1 + entry["share"],
            "total": entry["total"],
            "losses": entry["losses"],
            "values": {
                **entry["losses"],
                **{key: value for key, value in entry.items() if key not in NOT_PLOTTED},
            },
        }
        for entry in entries
    ]


def read_loss_log(path: Path) -> Run:
    """Entries as in ``metrics.jsonl``, from the last start on; an epoch is taken to be as long as its last line says."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = [
        match.groups()
        for line in text.split("= Training Loss (")[-1].splitlines()
        if (match := LINE.match(line))
    ]
    size = max((int(iters) for _, iters, *_ in found), default=1)
    return [
        {
            "epoch": int(epoch),
            "share": int(iters) / size,
            "total": (int(epoch) - 1) * size + int(iters),
            "losses": {name: float(value) for name, value in re.findall(r"(\S+): (\S+)", losses)},
            "time": float(time),
            "data": float(data),
        }
        for epoch, iters, time, data, losses in found
    ]


def smooth(values: list[float], weight: float) -> list[float]:
    """Exponential moving average without the bias towards its start (Adam's correction); gaps stay gaps."""
    mean, seen, smoothed = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            mean, seen = weight * mean + (1 - weight) * value, weight * seen + 1 - weight
        smoothed.append(mean / seen if math.isfinite(value) else math.nan)
    return smoothed


def draw(runs: dict[str, Run], keys: list[str], args: argparse.Namespace) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("plotting needs the package matplotlib: pip install matplotlib") from None
    columns = min(4, math.ceil(math.sqrt(len(keys))))
    rows = math.ceil(len(keys) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.6 * rows + 0.5), layout="constrained")
    for i, key in enumerate(keys, 1):
        axes = figure.add_subplot(
            rows, columns, i, title=key, yscale="log" if args.log else "linear"
        )
        axes.set_xlabel("epoch" if args.x == "epoch" else "images")
        axes.grid(alpha=0.25)
        for j, (name, run) in enumerate(runs.items()):
            x = [entry[args.x] for entry in run]
            y = [
                math.nan if entry["values"].get(key) is None else entry["values"][key]
                for entry in run
            ]
            if args.smooth:
                axes.plot(x, y, color=f"C{j}", alpha=0.25, linewidth=0.8)
            axes.plot(x, smooth(y, args.smooth), color=f"C{j}", linewidth=1.4, label=name)
    if len(runs) > 1:
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(runs)
        )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.output, dpi=150)


if __name__ == "__main__":
    run_main(main)

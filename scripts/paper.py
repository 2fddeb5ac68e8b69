"""Reproduce the paper's experiments: download, train, test, and compare with the paper's numbers.

    python scripts/paper.py list                # all tasks
    python scripts/paper.py show horse2zebra    # settings and commands
    python scripts/paper.py run horse2zebra     # the same command resumes it
    python scripts/paper.py run maps --dry_run  # only print the commands
    python scripts/paper.py run maps -- --batch_size 4  # options of train.py
    python scripts/paper.py table               # our numbers and the paper's

The comparison with prior methods of Tables 1 to 3, and the ablation of Tables 4 and 5, on any data
set (see baselines.py and ablation.py in scripts/paper_tools):

    python scripts/paper.py baselines --dataroot datasets/maps --seeds 1 2 3 \\
        --jobs 4
    python scripts/paper.py ablate --dataroot datasets/atlas --seeds 1 2 3 \\
        -- --ngf 16 ...
    python scripts/paper.py results   # docs/results.md from docs/results/

The tasks are in scripts/paper.ini.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from textwrap import wrap
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from scripts.paper_tools import ablation, baselines, jobs, runs, scoring, tasks
from util import tables
from util.checkpoint import saved_options
from util.console import run_main, say
from util.errors import UsageError
from util.files import read_json, real_path, write_atomically

RECORD = "paper.json"  # file in the folder of a finished run: its commands and numbers
RECORD_KIND: dict[str, Any] = {
    "task": str,
    "hours": float,
    "machine": str,
    "images": int,
    "commit": str,
}
RECORD_KIND |= {"changed": [str], "scores": scoring.SCORES_KIND}


FLAGS = (
    Flag("dataroot", Path, None, "existing images (default: downloaded to datasets/)"),
    Flag("results_dir", Output(folder=True), Path("results"), "default: results"),
    Flag("mirror", str, [], "download host (repeatable)", metavar="URL", repeatable=True),
    Flag("unchecked", bool, False, "accept another version of the archive"),
    Flag("dry_run", bool, False, "only print the commands"),
    *scoring.FLAGS,
)
RUNS = (Flag("checkpoints_dir", Output(folder=True), Path("checkpoints"), "default: checkpoints"),)


def run(task: tasks.Task, args: Namespace) -> None:
    """Run what is left of a task, write its record, and print its numbers."""
    commands = tasks.plan(task, args)
    if args.dry_run:
        return say(*(jobs.shown(argv) for argv in commands))
    folder = args.checkpoints_dir / tasks.run_name(task)
    for name in (RECORD, "evaluate.json", *(f"{side}.json" for side in scoring.SIDES)):
        (folder / name).unlink(missing_ok=True)
    done = []
    while commands:
        jobs.execute(commands[0])
        done.append(commands[0])
        commands = tasks.plan(task, args) if commands[0][0] == tasks.DOWNLOAD else commands[1:]
    opt, position = saved_options(folder), scoring.position_of(folder)
    record = {
        "task": task.name,
        "commands": [jobs.shown(argv) for argv in done],
        "commit": scoring.commit(),
        "machine": scoring.machine(opt["device"]),
        "hours": position["elapsed"] / 3600,
        "images": position["total"],
        "changed": tasks.changed(task, opt),
        "scores": scoring.collect(folder),
    }
    write_atomically(folder / RECORD, json.dumps(record, indent=1).encode())
    say()
    return print_table([task], args)


def print_table(chosen: list[tasks.Task], args: Namespace) -> None:
    """Print a line for each number of the paper or of our runs."""
    lines = [("task: direction", "metric", "paper", "ours")]
    figures_only = []
    remarks: list[str] = []
    for task in chosen:
        path = args.checkpoints_dir / tasks.run_name(task) / RECORD
        record = read_json(path, RECORD_KIND, missing={})
        ours: scoring.Scores = record.get("scores", {})
        paper = {(side, metric): number for side, metric, number in tasks.paper_numbers(task)}
        measured = [(side, metric) for side in scoring.SIDES for metric in ours.get(side, ())]
        keys = list(dict.fromkeys([*paper, *measured]))
        for side, metric in keys:
            number = ours.get(side, {}).get(metric)
            text = "-" if number is None else f"{number:.3f}"
            title = f"{task.name}: {tasks.direction(task, side)}"
            lines.append((title, metric, paper.get((side, metric), "-"), text))
        figures_only += [] if keys else [task.name]
        if record:
            line = "{task}: {hours:.2f} hours on {machine}, images: {images}, commit {commit}"
            other = f"; changed: {' '.join(record['changed'])}" if record["changed"] else ""
            remarks += [line.format(**record) + other, *tasks.missing(task, ours)]
    if len(lines) > 1:
        say(*tables.fitted(lines))
    if figures_only:
        say(*wrap(f"No numbers in the paper or here: {', '.join(figures_only)}", tables.WIDTH))
    say(*remarks)


def show(task: tasks.Task, args: Namespace) -> None:
    """Print a task: the data set, what the paper says and does not say, and the commands."""
    domains = f"{task['A']} (A) <-> {task['B']} (B)"
    say(f"{task.name}: {domains}, dataset {task['dataset']} of kind {task['kind']}")
    for title, key in (("The paper", "says"), ("It does not say", "silent")):
        say(*wrap(f"{title}: {' '.join(task[key].split())}", tables.WIDTH))
    for side, metric, number in tasks.paper_numbers(task):
        say(f"  {tasks.direction(task, side)}: {metric} {number}")
    say("Commands:")
    for argv in tasks.plan(task, args):
        say("  " + jobs.shown(argv))


def list_tasks() -> None:
    for task in tasks.all_tasks().values():
        say(f"{task.name:14}{task['A']} <-> {task['B']}")


def build_parser() -> Arguments:
    parser = Arguments(__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    flags_of: dict[str, tuple[Flag, ...]] = {
        "list": (),
        "show": (*FLAGS, *RUNS),
        "run": (*FLAGS, *RUNS),
        "table": RUNS,
        "ablate": ablation.FLAGS,
        "baselines": baselines.FLAGS,
        "results": runs.RESULTS,
    }
    for name, flags in flags_of.items():
        program = programs.add_parser(name, flags=flags, allow_abbrev=False)
        if name in ("show", "run"):
            program.add_argument("name", help="name of the task")
    return parser


def parse(words: list[str]) -> Namespace:
    """Return the options; ``train`` holds those after ``--``, which are for train.py."""
    at = words.index("--") if "--" in words else len(words)
    args = build_parser().parse_args(words[:at])
    args.train = words[at + 1 :]
    if args.train and args.program not in ("show", "run", "ablate", "baselines"):
        raise UsageError(f"{args.program} takes no options of train.py")
    # The programs run in the project's folder, so paths are made absolute.
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, real_path(value))
        elif name in ("network", "features") and value and Path(value).is_file():
            setattr(args, name, str(real_path(value)))
    return args


def main() -> None:
    args = parse(sys.argv[1:])
    if args.program == "list":
        list_tasks()
    elif args.program == "table":
        print_table(list(tasks.all_tasks().values()), args)
    elif args.program == "ablate":
        ablation.ablate(args)
    elif args.program == "baselines":
        baselines.baselines(args)
    elif args.program == "results":
        ablation.write_results(args)
    else:
        (show if args.program == "show" else run)(tasks.find_task(args.name), args)


if __name__ == "__main__":
    run_main(main)

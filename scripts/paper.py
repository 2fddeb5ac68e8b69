"""The paper's experiments, from the download to our number beside the paper's.

    python scripts/paper.py list                    # all tasks
    python scripts/paper.py show horse2zebra        # settings, what the paper says and does not say, the commands
    python scripts/paper.py run horse2zebra         # download, train, test, measure; the same command goes on after a break
    python scripts/paper.py run maps --dry_run      # only print the exact commands
    python scripts/paper.py run maps -- --batch_size 4   # with other options of train.py
    python scripts/paper.py table                   # our numbers so far, beside the paper's

Tables 4 and 5, on any set of images (see scripts/paper_tools/ablation.py):

    python scripts/paper.py ablate --dataroot datasets/atlas --seeds 1 2 3 -- --netG resnet_6blocks ...
    python scripts/paper.py results                 # write docs/results.md again, from what the runs left in docs/results

The tasks are in scripts/paper.ini.
"""

from __future__ import annotations

import argparse
import configparser
import json
import shlex
import sys
from argparse import Namespace
from difflib import get_close_matches
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts.paper_tools import ablation, scoring
from scripts.paper_tools.scoring import ROOT, SIDES, Scores
from util.checkpoint import STATE, load, saved_options, write_atomically
from util.console import run_main, say
from util.errors import UsageError

FINISHED = "paper.json"  # in the folder of a run: its numbers
DOWNLOAD = "datasets/download.py"
TRAINED = {  # options that make a result another one
    "accumulate",
    "amp",
    "batch_size",
    "beta1",
    "crop_size",
    "dataset_mode",
    "direction",
    "ema",
    "gan_mode",
    "init_D_A",
    "init_D_B",
    "init_G_A",
    "init_G_B",
    "init_gain",
    "init_type",
    "jpeg_draft",
    "lambda_A",
    "lambda_B",
    "lambda_GAN",
    "lambda_identity",
    "load_size",
    "lr",
    "lr_decay_iters",
    "lr_policy",
    "max_dataset_size",
    "model",
    "n_epochs",
    "n_epochs_decay",
    "n_layers_D",
    "ndf",
    "netD",
    "netG",
    "ngf",
    "no_dropout",
    "no_flip",
    "norm",
    "pool_size",
    "preprocess",
    "serial_batches",
    "val_share",
}
Task = configparser.SectionProxy


def tasks() -> configparser.ConfigParser:
    table = configparser.ConfigParser(interpolation=None)
    table.optionxform = str  # type: ignore[assignment,method-assign]  # A and B keep their case
    table.read(Path(__file__).with_suffix(".ini"), encoding="utf-8")
    return table


def find(name: str) -> Task:
    table = tasks()
    if name not in table or name == "DEFAULT":
        near = get_close_matches(name, table.sections(), 1)
        raise UsageError(
            f"no task is named {name}; {f'did you mean {near[0]}? There' if near else 'there'} are: "
            f"{', '.join(table.sections())}"
        )
    return table[name]


def numbers(task: Task) -> list[tuple[str, str, str]]:
    """What the paper reports: (direction, metric, number) each."""
    rows = [
        [cell.strip() for cell in line.split("|")] for line in task["paper"].strip().splitlines()
    ]
    return [(direction, metric, number) for direction, metric, number in rows]


def named(task: Task, direction: str) -> str:
    x, y = SIDES[direction]
    return f"{task[x]} -> {task[y]}"


def dataroot(task: Task, args: Namespace) -> Path:
    return args.dataroot or ROOT / "datasets" / (
        task["dataset"] + ("_pix2pix" if task["kind"] == "pix2pix" else "")
    )


def commands(task: Task, args: Namespace) -> list[list[str]]:
    """All that a run takes, in order; what is there already is passed over. How files are named shows when they are there."""
    data, name = dataroot(task, args), run_name(task)
    folder = args.checkpoints_dir / name
    where = ["--name", name, "--checkpoints_dir", str(args.checkpoints_dir)]
    found: list[list[str]] = []
    if not args.dataroot and not data.is_dir():
        unchecked = ["--unchecked"] if args.unchecked else []
        mirrors = [word for url in args.mirror for word in ("--mirror", url)]
        found.append(
            [
                DOWNLOAD,
                task["dataset"],
                "--kind",
                task["kind"],
                "--out",
                str(data),
                *mirrors,
                *unchecked,
            ]
        )
    if (folder / STATE).is_file():
        found.append(["train.py", "--continue_train", *args.train, *where])
    else:
        found.append(
            [
                "train.py",
                "--dataroot",
                str(data),
                *shlex.split(task["model"]),
                *shlex.split(task["train"]),
                *args.train,
                *where,
            ]
        )
    found.append(
        [
            "test.py",
            "--dataroot",
            str(data),
            *where,
            "--results_dir",
            str(args.results_dir),
            *shlex.split(task["model"]),
            "--phase",
            task["phase"],
            *shlex.split(task["test"]),
        ]
    )
    how = Namespace(
        features=args.features,
        network=args.network,
        network_range=args.network_range,
        segments=["--classes", "cityscapes", "--official_quirks"]
        if task.getboolean("labels")
        else [],
    )
    images = args.results_dir / name / f"{task['phase']}_latest" / "images"
    return found + scoring.commands(
        images, data, task["phase"], bool(task.getboolean("paired")), how, folder
    )


def changed(task: Task, opt: dict) -> list[str]:
    """The options of a training that are not those of the recipe, whichever call gave them."""
    from options.train_options import TrainOptions

    words = [
        "--dataroot",
        opt["dataroot"],
        "--gpu_ids",
        "-1",
        *shlex.split(task["model"]),
        *shlex.split(task["train"]),
    ]
    recipe = vars(TrainOptions().parse(words, record=False))
    return [
        f"--{name} {opt[name]}"
        for name in sorted(TRAINED & opt.keys())
        if opt[name] != recipe[name]
    ]


def run_name(task: Task) -> str:
    return f"paper_{task.name}"


def run(task: Task, args: Namespace) -> None:
    todo = commands(task, args)
    if args.dry_run:
        return say("\n".join(scoring.shown(argv) for argv in todo))
    folder = args.checkpoints_dir / run_name(task)
    for old in (FINISHED, "evaluate.json", *(f"{side}.json" for side in SIDES)):
        (folder / old).unlink(missing_ok=True)
    done = []
    while todo:
        scoring.execute(todo[0])
        done.append(todo[0])
        todo = commands(task, args) if todo[0][0] == DOWNLOAD else todo[1:]
    opt, position = saved_options(folder), load(folder / STATE)["position"]
    record = {
        "task": task.name,
        "commands": [scoring.shown(argv) for argv in done],
        "commit": scoring.commit(),
        "machine": scoring.machine(opt["device"]),
        "hours": position["elapsed"] / 3600,
        "images": position["total"],
        "changed": changed(task, opt),
        "scores": scoring.collect(folder),
    }
    write_atomically(folder / FINISHED, json.dumps(record, indent=1).encode())
    say()
    return print_table([task], args)


def print_table(chosen: list[Task], args: Namespace) -> None:
    """A line for each number of the paper's or ours."""
    lines = [("task", "direction", "metric", "paper", "ours")]
    remarks = []
    for task in chosen:
        path = args.checkpoints_dir / run_name(task) / FINISHED
        record = json.loads(path.read_text()) if path.is_file() else None
        ours: Scores = record["scores"] if record else {}
        paper = {(direction, metric): number for direction, metric, number in numbers(task)}
        keys = [
            *paper,
            *(
                (side, metric)
                for side in ours
                for metric in ours[side]
                if (side, metric) not in paper
            ),
        ]
        for side, metric in keys:
            mine = ours.get(side, {}).get(metric)
            lines.append(
                (
                    task.name,
                    named(task, side),
                    metric,
                    paper.get((side, metric), "-"),
                    "-" if mine is None else f"{mine:.3f}",
                )
            )
        if not keys:
            lines.append((task.name, f"{task['A']} <-> {task['B']}", "-", "figures only", "-"))
        if record:
            other = f"; changed: {' '.join(record['changed'])}" if record["changed"] else ""
            remarks.append(
                f"{task.name}: {record['hours']:.2f} hours on {record['machine']}, {record['images']} images, commit "
                f"{record['commit']}{other}"
            )
            remarks += missing(task, ours)
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    for line in lines:
        say("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    for remark in remarks:
        say(remark)


def missing(task: Task, ours: Scores) -> list[str]:
    """What was not measured, and how it would be."""
    told = []
    if task.getboolean("labels") and "class IOU" not in ours["BtoA"]:
        told.append(
            f"{task.name}: {named(task, 'BtoA')} needs a segmentation network: --network FILE"
        )
    if not any("FID" in metric for metric in ours["AtoB"]):
        told.append(f"{task.name}: FID and KID need --features, e.g. --features inception")
    return told


def show(task: Task, args: Namespace) -> None:
    say(
        f"{task.name}: {task['A']} (A) <-> {task['B']} (B), dataset {task['dataset']} of kind {task['kind']}"
    )
    for title, key in (("The paper", "says"), ("It does not say", "silent")):
        say(f"{title}: {' '.join(task[key].split())}")
    for direction, metric, number in numbers(task):
        say(f"  {named(task, direction)}: {metric} {number}")
    say("Commands:")
    for argv in commands(task, args):
        say("  " + scoring.shown(argv))


def parse(words: list[str]) -> Namespace:
    own, extra = (
        (words[: words.index("--")], words[words.index("--") + 1 :])
        if "--" in words
        else (words, [])
    )
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    programs = parser.add_subparsers(dest="program", required=True)
    made = {
        name: programs.add_parser(name, allow_abbrev=False)
        for name in ("list", "show", "run", "table", "ablate", "results")
    }
    for name in ("show", "run"):
        add = made[name].add_argument
        add("name", help="of the task")
        add(
            "--dataroot",
            type=Path,
            help="images that are there already (default: downloaded to datasets/)",
        )
        add("--results_dir", type=Path, default=Path("results"), help="default: results")
        add(
            "--mirror",
            action="append",
            default=[],
            metavar="URL",
            help="of the download (repeatable)",
        )
        add(
            "--unchecked",
            action="store_true",
            help="take another version of the archive than is known",
        )
        add("--dry_run", action="store_true", help="only print the commands")
        scoring.add_options(made[name])
    for name in ("show", "run", "table"):
        made[name].add_argument(
            "--checkpoints_dir", type=Path, default=Path("checkpoints"), help="default: checkpoints"
        )
    ablation.add_options(made["ablate"], made["results"])
    args = parser.parse_args(own)
    if extra and args.program not in ("show", "run", "ablate"):
        raise UsageError(f"{args.program} takes no options of train.py")
    args.train = extra
    for name in (
        "dataroot",
        "checkpoints_dir",
        "results_dir",
        "out",
        "work",
    ):  # the programs run in the project's folder
        if getattr(args, name, None):
            setattr(args, name, getattr(args, name).resolve())
    for name in ("network", "features"):
        if Path(getattr(args, name, None) or "/").is_file():
            setattr(args, name, str(Path(getattr(args, name)).resolve()))
    return args


def main() -> None:
    args = parse(sys.argv[1:])
    if args.program == "list":
        for task in tasks().values():
            if task.name != "DEFAULT":
                say(f"{task.name:14}{task['A']} <-> {task['B']}")
    elif args.program == "table":
        print_table([task for task in tasks().values() if task.name != "DEFAULT"], args)
    elif args.program in ("ablate", "results"):
        (ablation.ablate if args.program == "ablate" else ablation.write_results)(args)
    else:
        (show if args.program == "show" else run)(find(args.name), args)


if __name__ == "__main__":
    run_main(main)

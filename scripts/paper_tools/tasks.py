"""The experiments of scripts/paper.ini, and the commands that reproduce one of them."""

from __future__ import annotations

import configparser
import shlex
from argparse import Namespace
from difflib import get_close_matches
from pathlib import Path

from options.train_options import TrainOptions
from scripts.paper_tools import scoring
from scripts.paper_tools.scoring import ROOT, SIDES
from util.checkpoint import STATE
from util.errors import UsageError

TABLE = Path(__file__).resolve().parents[1] / "paper.ini"
DOWNLOAD = "datasets/download.py"
# Options that influence the result of a training.
TRAINED = {
    "accumulate", "amp", "batch_size", "beta1", "crop_size", "dataset_mode", "direction", "ema",
    "gan_mode", "init_bare", "init_D_A", "init_D_B", "init_G_A", "init_G_B", "init_gain",
    "init_type", "jpeg_draft", "lambda_A", "lambda_B", "lambda_GAN", "lambda_identity", "load_size",
    "lr", "lr_decay_iters", "lr_policy", "max_dataset_size", "model", "n_epochs", "n_epochs_decay",
    "n_layers_D", "ndf", "netD", "netG", "ngf", "no_dropout", "no_flip", "norm", "pool_size",
    "preprocess", "serial_batches", "upsample", "upsample_B", "val_share",
}  # fmt: skip
Task = configparser.SectionProxy


def all_tasks() -> dict[str, Task]:
    """Return the tasks of the table by name."""
    table = configparser.ConfigParser(interpolation=None)
    table.optionxform = str  # type: ignore[assignment,method-assign]  # keeps A and B
    table.read(TABLE, encoding="utf-8")
    return {name: table[name] for name in table.sections()}


def find_task(name: str) -> Task:
    """Return the task ``name``. Raises UsageError if there is none."""
    tasks = all_tasks()
    if name not in tasks:
        near = get_close_matches(name, tasks, 1)
        hint = f"did you mean {near[0]}? There" if near else "there"
        raise UsageError(f"no task is named {name}; {hint} are: {', '.join(tasks)}")
    return tasks[name]


def paper_numbers(task: Task) -> list[tuple[str, str, str]]:
    """Return (direction, metric, number) for each number that the paper reports."""
    rows = [line.split("|") for line in task["paper"].strip().splitlines()]
    return [(side.strip(), metric.strip(), number.strip()) for side, metric, number in rows]


def direction(task: Task, side: str) -> str:
    """Return ``side``, e.g. "AtoB", in the task's words: "photo -> labels"."""
    x, y = SIDES[side]
    return f"{task[x]} -> {task[y]}"


def run_name(task: Task) -> str:
    return f"paper_{task.name}"


def plan(task: Task, args: Namespace) -> list[list[str]]:
    """Return the commands that a run still takes, in order.

    How the results are measured depends on the names of the images, so the measuring commands may
    change once the data set is downloaded.
    """
    suffix = "_pix2pix" if task["kind"] == "pix2pix" else ""
    data = args.dataroot or ROOT / "datasets" / (task["dataset"] + suffix)
    folder = args.checkpoints_dir / run_name(task)
    run = ["--name", run_name(task), "--checkpoints_dir", str(args.checkpoints_dir)]
    source, model = ["--dataroot", str(data)], shlex.split(task["model"])
    commands: list[list[str]] = []
    if not args.dataroot and not data.is_dir():
        more = [word for url in args.mirror for word in ("--mirror", url)]
        more += ["--unchecked"] * args.unchecked
        kind = ["--kind", task["kind"], "--out", str(data)]
        commands.append([DOWNLOAD, task["dataset"], *kind, *more])
    if (folder / STATE).is_file():
        commands.append(["train.py", "--continue_train", *args.train, *run])
    else:
        settings = shlex.split(task["train"])
        commands.append(["train.py", *source, *model, *settings, *args.train, *run])
    results = ["--results_dir", str(args.results_dir), "--phase", task["phase"]]
    commands.append(["test.py", *source, *run, *results, *model, *shlex.split(task["test"])])
    segments = shlex.split(task["segments"])
    paired, network = bool(task.getboolean("paired")), (args.network, args.network_range)
    how = scoring.Scoring(paired, segments, args.features, *network)
    images = args.results_dir / run_name(task) / f"{task['phase']}_latest" / "images"
    sources = how.sources(images, data, task["phase"])
    return commands + how.commands(sources, data, task["phase"], folder)


def changed(task: Task, opt: dict) -> list[str]:
    """Return the options ``opt`` of a training that differ from the task's, e.g. "--lr 0.1"."""
    words = ["--dataroot", opt["dataroot"], "--gpu_ids", "-1"]
    words += shlex.split(task["model"]) + shlex.split(task["train"])
    recipe = vars(TrainOptions().parse(words, record=False))
    names = sorted(TRAINED & opt.keys())
    return [f"--{name} {opt[name]}" for name in names if opt[name] != recipe[name]]


def missing(task: Task, scores: scoring.Scores) -> list[str]:
    """Return remarks on numbers that were not measured, and how to measure them."""
    remarks = []
    if task["segments"] and "class IOU" not in scores["BtoA"]:
        what = direction(task, "BtoA")
        remarks.append(f"{task.name}: {what} needs a segmentation network: --network FILE")
    if not any("FID" in metric for metric in scores["AtoB"]):
        remarks.append(f"{task.name}: FID and KID need --features, e.g. --features inception")
    return remarks

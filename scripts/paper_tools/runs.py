"""One training of a comparison: train, test, score and record it; a finished one is not repeated.

Used by the ablation (Tables 4 and 5) and by the comparison with prior methods (Tables 1 to 3).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.listing import image_paths, stem
from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output, colour_text
from scripts.paper_tools import jobs, scoring
from scripts.paper_tools.jobs import ROOT
from util import plugins
from util.checkpoint import STATE, load_state_dict, saved_options
from util.console import say
from util.errors import UsageError, UserError
from util.files import read_json, write_atomically

RESULTS = (Flag("out", Output(folder=True), ROOT / "docs" / "results", "default: docs/results"),)
POINTS = 40  # lines of the loss log that are kept
DATA = (
    Flag("dataroot", Path, None, "folder with trainA, trainB, testA, testB", required=True),
    Flag("seeds", SEED, [1, 2, 3], "default: 1 2 3", nargs="+"),
)


def flags(program: str, ending: str = "", palette: str = "") -> tuple[Flag, ...]:
    """Return the options that all comparisons have behind their own.

    Args:
        program: name of the folder of runs in checkpoints.
        ending: what the default of ``--name`` adds to the dataroot.
        palette: what is said of the default of ``--palette``.
    """
    of_name = f"name of the results (default: the name of the dataroot{ending})"
    colours, folder = "colours of the classes, if B holds label maps", f"checkpoints/{program}"
    return (
        Flag("name", str, None, of_name),
        Flag("palette", colour_text, [], colours + palette, nargs="+", metavar="R,G,B"),
        Flag("work", Output(folder=True), ROOT / folder, f"folder of runs (default: {folder})"),
        Flag("dry_run", bool, False, "only print the commands that are left"),
        jobs.JOBS,
        *scoring.FLAGS,
        *RESULTS,
    )


class Run:
    """One training with one seed, in the folder ``WORK/NAME_KEY_SEED``.

    Attributes:
        key: what is trained; with the seed, the name of the record.
        settings: options of train.py.
        model: the model, for test.py.
        labels: for each direction, the labels of the input, the result and the target.
        dataroot: the training images; the test images are in ``args.dataroot``.
        place: where the programs run.
    """

    labels = scoring.LABELS

    def __init__(self, args: Namespace, key: str, seed: int, settings: list[str]) -> None:
        self.args, self.key, self.seed, self.settings = args, key, seed, settings
        self.model, self.dataroot, self.place = "cycle_gan", args.dataroot, jobs.HERE
        self.folder = args.work / f"{args.name}_{key}_{seed}"
        self.results = args.work / "results"
        self.where = ["--name", self.folder.name, "--checkpoints_dir", str(args.work)]

    @property
    def record(self) -> Path:
        return Path(self.args.out / self.args.name / f"{self.key}-{self.seed}.json")

    def is_finished(self) -> bool:
        return self.record.is_file()

    def finish(self, place: jobs.Place) -> None:
        """Train, test and measure, and write the record."""
        raise NotImplementedError

    def training(self, resume: bool = True) -> list[str]:
        """Return the command that trains, or that resumes the training if it was interrupted."""
        if resume and (self.folder / STATE).is_file():
            return ["train.py", "--continue_train", *self.where, *own_files(self.settings)]
        data, seed = ["--dataroot", str(self.dataroot)], ["--seed", str(self.seed)]
        return ["train.py", *data, *self.settings, *self.where, *seed]

    def test(self, epoch: str) -> list[str]:
        data = ["--dataroot", str(self.args.dataroot)]
        options = ["--results_dir", str(self.results), "--model", self.model, "--epoch", epoch]
        dataset = own_files(self.settings, "dataset_mode")
        return ["test.py", *data, *self.where, *options, *dataset]

    def images(self, epoch: str) -> Path:
        return Path(self.results / self.folder.name / f"test_{epoch}" / "images")

    def measure(self, epoch: str) -> scoring.Scores:
        """Test an epoch and return the scores of its images."""
        self.execute(self.test(epoch))
        out = self.folder / f"scores_{epoch}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        how: scoring.Scoring = self.args.scoring
        sources = how.sources(self.images(epoch), self.args.dataroot, "test", self.labels)
        for argv in how.commands(sources, self.args.dataroot, "test", out):
            self.execute(argv)
        return scoring.collect(out)

    def execute(self, argv: list[str]) -> None:
        jobs.execute(argv, self.place)

    def facts(self) -> dict[str, Any]:
        """Return what every record holds: the command, and what the training took."""
        position = scoring.position_of(self.folder)
        return {
            "seed": self.seed,
            "command": self.readable(self.training(resume=False)),
            "commit": scoring.commit(),
            "machine": scoring.machine(saved_options(self.folder)["device"]),
            "hours": round(position["elapsed"] / 3600, 4),
            "images": position["total"],
        }

    def write(self, record: dict) -> None:
        write_atomically(self.record, json.dumps(record, indent=1).encode())

    def readable(self, argv: list[str]) -> str:
        """Return a command line with the folders of a fresh checkout."""
        text = jobs.shown(argv)
        for folder, name in (
            (self.args.work, f"checkpoints/{self.args.work.name}"),
            (self.dataroot, f"datasets/{self.dataroot.name}"),
        ):
            text = text.replace(str(folder), name)
        return text


def check_name(args: Namespace) -> None:
    """Set the default of ``--name``. Raises UsageError: it is no name of a folder."""
    args.name = args.name or args.dataroot.name
    if args.name in ("", "..") or Path(args.name).name != args.name:
        raise UsageError(f"--name {args.name}: should be the name of one folder, without /")


def scoring_of(args: Namespace, segments: str = "") -> scoring.Scoring:
    """Return what to measure; ``segments`` are the classes without ``--palette``."""
    classes = ["--palette", *args.palette] if args.palette else shlex.split(segments)
    networks = (args.features, args.network, args.network_range)
    return scoring.Scoring(is_paired(args.dataroot), classes, *networks)


def check_setup(args: Namespace, setup: dict) -> None:
    """Write ``OUT/NAME/setup.json``, or raise UserError if it holds other settings."""
    path = args.out / args.name / "setup.json"
    for key in ("features", "network"):
        network = getattr(args, key)
        setup[key] = Path(network).name if network else None
    if (old := read_json(path, dict, missing=setup)) != setup:
        differ = ", ".join(key for key in setup if old.get(key) != setup[key])
        raise UserError(f"{path} is of other settings ({differ}); give another --name")
    if not args.dry_run:
        write_atomically(path, json.dumps(setup, indent=1).encode())


def left_of(runs: Sequence[Run], dry_run: bool) -> list[Run]:
    """Return the runs that are left, and print which are finished.

    Args:
        dry_run: print the commands of those that are left, and return none.
    """
    left = []
    for run in runs:
        if run.is_finished():
            say(f"{run.key}, seed {run.seed}: finished")
        elif dry_run:
            say(*(jobs.shown(argv) for argv in (run.training(), run.test("latest"))))
        else:
            left.append(run)
    return left


def is_paired(dataroot: Path) -> bool:
    """True if testA and testB hold the same names. Raises UserError: a folder is missing."""
    for folder in ("trainA", "trainB", "testA", "testB"):
        if not (dataroot / folder).is_dir():
            raise UserError(f"--dataroot {dataroot}: has no folder {folder}")
    names = [{stem(path) for path in image_paths(str(dataroot / f"test{x}"))} for x in "AB"]
    return names[0] == names[1]


def own_files(words: list[str], *flags: str) -> list[str]:
    """Return the options of ``words`` that name a model or dataset file; a resume needs them."""
    parser = Arguments(add_help=False, allow_abbrev=False)
    for flag in ("model", "dataset_mode"):
        parser.add_argument(f"--{flag}", default="")
    return plugins.file_flags(vars(parser.parse_known_args(words)[0]), *flags)


def log(run: Path) -> list[str]:
    """Return lines of the loss log: all validations, and about ``POINTS`` of the others."""
    lines = [line.strip() for line in (run / "loss_log.txt").read_text().splitlines()]
    lines = [line for line in lines if line.startswith("(epoch")]
    losses = [line for line in lines if "val_" not in line]
    kept = set(losses[:: 1 + len(losses) // POINTS] + losses[-1:])
    return [re.sub(r", time: .*?\)", ")", line) for line in lines if "val_" in line or line in kept]


def parameters(folder: Path) -> int:
    """Return the number of weights in the networks of the last epoch; not of averaged ones."""
    files = [path for path in folder.glob("latest_net_*.pth") if not path.stem.endswith("_ema")]
    states = [load_state_dict(path) for path in files]
    return sum(
        weight.numel()
        for state in states
        for name, weight in state.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )

"""Reproduce Tables 1 to 3 on any data set: CycleGAN beside the methods that the paper compares.

    python scripts/paper.py baselines --dataroot datasets/cityscapes --network fcn.pt
    python scripts/paper.py baselines --dataroot datasets/mine --recipe maps --jobs 4 \\
        --add Mine=results/mine/test_latest/images -- --n_epochs 50 --n_epochs_decay 50

Needs testA and testB. A recipe is a task of scripts/paper.ini: image size, generator and epochs,
for all rows alike. The options after -- are for all rows; those of --row_options for one of them.
Finished runs are skipped and interrupted ones resume, so the same command continues after a break.
A run that failed stays in the table with its reason, and the same command tries it again.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from itertools import pairwise
from math import ceil
from pathlib import Path

from data.listing import image_paths
from options.flags.flag import Flag
from scripts.paper_tools import ablation, added, comparison, jobs, runs, samples, scoring, tasks
from scripts.paper_tools.rows import ROWS, Row
from scripts.paper_tools.runs import Run
from util.checkpoint import saved_options
from util.console import say, warn
from util.errors import UsageError, UserError, printable

ONE_WAY = ("real_A", "fake_B", "real_B")  # labels of a model with one direction, in both
NO_PAIRS = (
    "pix2pix is left out: it needs pairs of the training images, in the folder train of {folder} "
    "or of --pairs DIR"
)


FLAGS = (
    *runs.DATA,
    Flag("recipe", str, None, "task of scripts/paper.ini (default: the name of the dataroot)"),
    Flag("rows", tuple(ROWS), list(ROWS), "default: all", nargs="+"),
    Flag("pairs", Path, None, "folder whose train holds pairs (default: DATAROOT, DATAROOT_pairs)"),
    Flag(
        "row_options",
        str,
        [],
        "options of train.py for one row (repeatable)",
        metavar="ROW=OPTIONS",
        repeatable=True,
    ),
    Flag(
        "add", str, [], "images of another method (repeatable)", metavar="NAME=DIR", repeatable=True
    ),
    *runs.flags("baselines", ", _baselines", " (default: the recipe's)"),
)


def baselines(args: Namespace) -> None:
    """Train, test and measure all rows with all seeds, and write the tables and pictures.

    Raises:
        UserError: ``OUT/NAME`` holds results of other settings, or runs failed.
    """
    prepare(args)
    left = runs.left_of(all_runs(args), args.dry_run)
    if args.dry_run:
        return
    if left:
        samples.draw_real(args.dataroot, args.scoring.paired, args.record_folder)
    try:
        jobs.run_all([run.finish for run in left], jobs.places(args.jobs))
        for name, folder in args.add:
            added.add(args, name, Path(folder), all_runs(args))
    finally:
        if any(args.record_folder.glob("*-*.json")):
            comparison.write(args.record_folder)
            ablation.write_results(args)
    if failed := comparison.failures(args.record_folder):
        raise UserError(
            f"{len(failed)} of the runs failed, and the table has the reasons; the same command "
            f"tries them again. The first: {failed[0]}"
        )


def prepare(args: Namespace) -> None:
    """Complete the options, and check the settings of earlier results."""
    args.name = args.name or f"{args.dataroot.name}_baselines"
    runs.check_name(args)
    args.record_folder = args.out / args.name
    recipe = args.recipe or args.dataroot.name
    known = tasks.all_tasks()
    if args.recipe and recipe not in known:
        tasks.find_task(recipe)  # raises, and names the tasks
    task = known.get(recipe)
    if task is None:
        say(f"No recipe is named {recipe}: 256 pixels and the paper's epochs (see --recipe)")
    args.words = words_of(task or known["horse2zebra"])
    args.scoring = runs.scoring_of(args, task["segments"] if task else "")
    args.of_row = rows_of(args.row_options)
    args.add = [assignment("--add", text) for text in args.add]
    if len(dict(args.add)) < len(args.add):
        raise UsageError("--add: two methods have the same name")
    args.pair_folder = find_pairs(args)
    if "pix2pix" in args.rows and not args.pair_folder:
        warn(NO_PAIRS.format(folder=args.dataroot))
        args.rows = [row for row in args.rows if row != "pix2pix"]
    setup = {
        "program": "baselines",
        "dataset": args.dataroot.name,
        "recipe": recipe if task else "",
        "train": args.train,
        "row_options": sorted(args.row_options),
        "segments": args.scoring.segments,
    }
    runs.check_setup(args, setup)


def words_of(task: tasks.Task) -> list[str]:
    """Return a task's options of train.py without --lambda_identity, an option of one row."""
    words = shlex.split(task["train"])
    at = words.index("--lambda_identity")
    return words[:at] + words[at + 2 :]


def assignment(flag: str, text: str) -> tuple[str, str]:
    """Return the two parts of ``NAME=VALUE``. Raises UsageError that names ``flag``."""
    name, _, value = (part.strip() for part in text.partition("="))
    name = printable(name)  # it is in tables
    if not (name and value):
        raise UsageError(f"{flag} {text}: should be NAME=VALUE")
    if "/" in name or name in ROWS and flag == "--add":
        raise UsageError(f"{flag} {text}: {name} should be another name, without /")
    return name, value


def rows_of(texts: list[str]) -> dict[str, list[str]]:
    """Return the options of ``--row_options`` by row. Raises UsageError: there is no such row."""
    options: dict[str, list[str]] = {}
    for text in texts:
        row, words = assignment("--row_options", text)
        if row not in ROWS:
            raise UsageError(f"--row_options {text}: the rows are {', '.join(ROWS)}")
        try:
            options[row] = options.get(row, []) + shlex.split(words)
        except ValueError as error:
            raise UsageError(f"--row_options {text}: {error}") from None
    return options


def find_pairs(args: Namespace) -> Path | None:
    """Return the folder whose ``train`` holds pairs of images. Raises UsageError: not in --pairs.

    Only this folder is read, so no pair of the test set can get into a training.
    """
    near = [args.dataroot.with_name(args.dataroot.name + end) for end in ("_pairs", "_pix2pix")]
    for folder in [args.pairs] if args.pairs else [args.dataroot, *near]:
        if (folder / "train").is_dir():
            return Path(folder)
    if args.pairs:
        raise UsageError(f"--pairs {args.pairs}: has no folder train with pairs")
    return None


def all_runs(args: Namespace) -> list[BaselineRun]:
    """Return all trainings; each seed begins once all rows of the one before have begun."""
    return [
        BaselineRun(args, row, side, seed)
        for seed in args.seeds
        for row in args.rows
        for side in ("",) * ROWS[row].both or tuple(scoring.SIDES)
    ]


class BaselineRun(Run):
    """One training of a row: in one direction, or for both (``side`` is empty)."""

    def __init__(self, args: Namespace, row: str, side: str, seed: int) -> None:
        self.row, self.side = row, side
        about = ROWS[row]
        words = [*args.words, *shlex.split(about.options), *args.train]
        words += schedule(about, args, words) + args.of_row.get(row, [])
        words += ["--direction", side] if side else []
        super().__init__(args, f"{row}_{side}" if side else row, seed, words)
        self.model = about.options.split()[1]
        self.dataroot = args.pair_folder if about.pairs else args.dataroot
        if side:
            self.labels = {side: ONE_WAY}

    def test(self, epoch: str) -> list[str]:
        """Return the command; a row that is trained on pairs gets the same test images."""
        unaligned = ["--dataset_mode", "unaligned"] if ROWS[self.row].pairs else []
        return super().test(epoch) + unaligned

    def is_finished(self) -> bool:
        """True if the run ended without a failure."""
        return comparison.is_finished(self.record)

    def finish(self, place: jobs.Place) -> None:
        """Train, test and measure; record the outcome, also that of a run that failed.

        Raises Interrupted: the run can be resumed.
        """
        log = self.args.work / "logs" / f"{self.folder.name}.txt"
        self.place = place._replace(log=log)
        jobs.announce(f"{self.key}, seed {self.seed}: started; output in {log}")
        failed: str | None = None
        scores: scoring.Scores = {side: {} for side in scoring.SIDES}
        try:
            self.execute(self.training())
        except jobs.Interrupted:
            raise
        except UserError as error:
            failed = str(error)
        if any(self.folder.glob("latest_net_*.pth")):
            try:
                scores = self.measure("latest")
            except jobs.Interrupted:
                raise
            except UserError as error:
                failed = failed or str(error)
        record = {"row": self.row, "side": self.side, "failed": failed, "scores": scores}
        self.write(record | self.outcome(failed) | self.look())
        outcome = f"failed: {failed}" if failed else "finished"
        jobs.announce(f"{self.key}, seed {self.seed}: {outcome}")

    def outcome(self, failed: str | None) -> dict:
        """Return what the training took; of a failed one, as far as its state shows it."""
        nothing = {"seed": self.seed, "command": self.readable(self.training(resume=False))}
        nothing |= {"commit": scoring.commit(), "machine": "", "hours": 0.0, "images": 0}
        nothing |= {"updates": 0, "parameters": 0, "log": []}
        try:
            facts = self.facts()
            opt = saved_options(self.folder)
            epochs = opt["n_epochs"] + opt["n_epochs_decay"]
            # The last batch of an epoch may be smaller.
            updates = epochs * ceil(facts["images"] / epochs / opt["batch_size"])
            log = runs.log(self.folder)
        except (UserError, OSError, KeyError):
            if failed:
                return nothing
            raise
        return facts | {"updates": updates, "parameters": runs.parameters(self.folder), "log": log}

    def look(self) -> dict:
        """Draw the pictures of the first seed, and return what the images show."""
        images = self.images("latest")
        first = self.seed == self.args.seeds[0]
        found: dict[str, dict] = {"variety": {}, "reconstruction": {}}
        for side, labels in self.labels.items():
            if first:
                file = self.args.record_folder / f"strip_{self.row}_{side}.png"
                samples.draw_strip(self.args.dataroot, side, images, labels[1], file)
            if images.is_dir() and (variety := samples.variety(images, *labels[1:])) is not None:
                found["variety"][side] = variety
        if self.row == "cogan" and images.is_dir():
            for domain in "AB":
                if psnr := samples.reconstruction(images, domain, self.args.dataroot):
                    found["reconstruction"][domain] = psnr
        return found


def schedule(row: Row, args: Namespace, words: list[str]) -> list[str]:
    """Return the epochs of a row that counts updates, rounded up to whole epochs; else nothing."""
    if not row.updates:
        return []
    given = [value for word, value in pairwise(words) if word == "--batch_size"]
    batch = int(given[-1]) if given and given[-1].isdecimal() else 1
    images = max(len(image_paths(str(args.dataroot / f"train{x}"))) for x in "AB")
    epochs = ceil(row.updates / max(1, ceil(images / batch)))
    return ["--n_epochs", str(epochs), "--n_epochs_decay", "0"]

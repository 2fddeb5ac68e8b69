"""Shows that a killed training goes on exactly: kill -9 at random instants, --continue_train, compare with an unbroken run.

python scripts/check_resume.py                                 30 kills, 10 of them while a checkpoint is written
python scripts/check_resume.py --variant all --kills 6         the same with each variant, one after the other

Each run is killed once to four times and then left to finish. Its weights must be bit-equal to the unbroken run's, its log
equal but for times, its files the same and its page the same. The status is 1 if anything differs. On the CPU, in a
temporary folder (kept if anything differs).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from util.console import Progress, run_main, say
from util.errors import UserError

ATLAS = Path(__file__).resolve().parents[2] / "datasets" / "atlas"
COMMON = f"""--dataroot {ATLAS} --gpu_ids -1 --display_id 0 --num_threads 0 --seed 1 --netG resnet_6blocks --ngf 4 --ndf 4
    --load_size 34 --crop_size 32 --max_dataset_size 8 --n_epochs 2 --n_epochs_decay 2
    --print_freq 1 --display_freq 4 --update_html_freq 6 --save_latest_freq 3 --save_epoch_freq 2"""
VARIANTS = {
    "cycle_gan": "",
    "threads": "--num_threads 2",
    "batch": "--batch_size 3 --max_dataset_size 10",
    "dropout": f"--model pix2pix --dataset_mode template --dataroot {ATLAS / 'trainA'} --netG unet_128",
    "pool": "--pool_size 3",
    "linear": "--n_epochs 1 --n_epochs_decay 3",
    "step": "--lr_policy step --lr_decay_iters 2",
    "cosine": "--lr_policy cosine",
    "by_iter": "--save_by_iter",
}
SAVING = (
    ".saving.json",
    ".state.pth.",
    ".latest_net_",
    ".1_net_",
    ".2_net_",
    ".iter_",
)  # files that stand there for an instant

# A clean process that has imported PyTorch and copies itself for each run, which saves seconds per kill.
launcher = multiprocessing.get_context("forkserver")
launcher.set_forkserver_preload(
    ["torch._dynamo", "data.pipeline.loader"]
)  # the first is what optimizers import when they step


def run_train(args: list[str], output: Path) -> None:
    """Body of a process of its own session, so that its workers die with it: train.py, which prints into a file."""
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # type: ignore[arg-type]  # the default again, not the launcher's
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.dup2(file, 1), 2)
    sys.stdout = sys.stderr = os.fdopen(
        file, "w", buffering=1
    )  # also where this is a copy of a process with others
    import torch

    import train

    torch.set_num_threads(1)
    sys.argv = ["train.py", *args]
    run_main(train.main)


def start(args: list[str], output: Path):
    with output.open("a") as file:
        file.write("Starting\n")
    process = launcher.Process(target=run_train, args=(args, output))
    process.start()
    return process


def kill(process) -> None:
    """SIGKILL to the whole session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not made its session yet, or has ended
        process.kill()
    process.join()


@dataclass
class Check:
    """One variant: the unbroken run, and what became of the others."""

    variant: str
    folder: Path
    rng: random.Random
    more: list[str] = field(default_factory=list)  # arguments of train.py
    kills: int = 0
    saving: int = 0
    runs: int = 0
    wrong: dict[str, str] = field(
        default_factory=dict
    )  # files, weights, log, page, data, end -> the first difference

    def __post_init__(self) -> None:
        """Make the unbroken run."""
        self.args = [*COMMON.split(), *VARIANTS[self.variant].split(), *self.more, "--name", "run"]
        self.seconds = 0.0  # from the first step to the end
        self.whole = self.complete(self.folder / "whole", [])

    def command(self, folder: Path) -> list[str]:
        """How a user goes on; before the first save there is nothing to go on from, and the run starts again."""
        if (folder / "run" / "state.pth").is_file():
            return ["--continue_train", "--name", "run", "--checkpoints_dir", str(folder)]
        shutil.rmtree(folder / "run", ignore_errors=True)
        return [*self.args, "--checkpoints_dir", str(folder)]

    def complete(self, folder: Path, plan: list[bool]) -> Path:
        """A run that is killed as planned (True: while it saves) and continued to its end; returns its folder."""
        folder.mkdir(parents=True)
        output, run = folder / "output.txt", folder / "run"
        for saving in plan:
            command, before = self.command(folder), being_saved(run, SAVING)
            process = start(command, output)
            if saving or self.rng.random() < 0.8:  # else it may also be starting
                wait_for_steps(process, output)
            process.join(self.rng.uniform(0, self.seconds / len(plan)))
            if saving:
                wait_for_save(process, run, self.rng.choice(SAVING[:3]))
            kill(process)
            self.kills += process.exitcode == -signal.SIGKILL
            self.saving += bool(being_saved(run, SAVING) - before)
        process = start(self.command(folder), output)
        wait_for_steps(process, output)
        begin = time.monotonic()
        process.join()
        self.seconds = self.seconds or time.monotonic() - begin
        if process.exitcode:
            raise UserError(f"status {process.exitcode}: {output.read_text().splitlines()[-1]}")
        return run

    def break_runs(self, kills: int, progress: Progress) -> None:
        """Runs with one to four kills each until there were so many, a third of them while saving."""
        while self.kills < kills:
            count, before = min(self.rng.randint(1, 4), kills - self.kills), self.kills
            plan = [self.saving + i < (kills + 2) // 3 for i in range(count)]
            self.rng.shuffle(plan)
            self.runs += 1
            try:
                found = differences(self.whole, self.complete(self.folder / str(self.runs), plan))
            except UserError as error:  # it could not be continued
                found = {"end": str(error)}
            for what, difference in found.items():
                self.wrong.setdefault(what, f"run {self.runs}: {difference}")
            progress.update(self.kills - before, self.variant)


def wait_for_steps(process, output: Path) -> None:
    """Until the last start that is noted in the output has made its first step, or ended."""
    while process.is_alive() and not (
        output.exists() and "(epoch: " in output.read_text().rpartition("Starting")[2]
    ):
        time.sleep(0.005)


def wait_for_save(process, folder: Path, name: str) -> None:
    """Until the next instant in which a file of such a name is being written."""
    before = being_saved(folder, SAVING)
    while process.is_alive() and not being_saved(folder, (name,)) - before:
        time.sleep(0.0005)


def being_saved(folder: Path, which: tuple[str, ...]) -> set[tuple[str, int]]:
    """The files there that a save makes and removes again, with their times; a killed one leaves them."""
    try:
        return {
            (entry.name, entry.stat().st_mtime_ns)
            for entry in os.scandir(folder)
            if entry.name.startswith(which)
        }
    except FileNotFoundError:
        return set()


def differences(whole: Path, broken: Path) -> dict[str, str]:
    """What of files, weights, log and page differs between two finished runs, and the first difference of each."""
    import torch

    found = {}
    names = [
        {p.relative_to(folder).as_posix() for p in folder.rglob("*")} for folder in (whole, broken)
    ]
    if names[0] != names[1]:
        found["files"] = f"only one has {', '.join(sorted(names[0] ^ names[1])[:5])}"
    for name in sorted(n for n in names[0] & names[1] if re.fullmatch(r"\w+_net_\w+\.pth", n)):
        a, b = (torch.load(folder / name, weights_only=True) for folder in (whole, broken))
        bad = [key for key in a if key not in b or not torch.equal(a[key], b[key])]
        if bad or a.keys() != b.keys():
            found.setdefault("weights", f"{name} in {len(bad)} of {len(a)} tensors")
    for a, b in zip(log(whole), log(broken), strict=False):
        if a != b:
            found.setdefault("log", f"{a!r} became {b!r}")
    if len(log(whole)) != len(log(broken)):
        found.setdefault("log", f"{len(log(whole))} lines became {len(log(broken))}")
    for name in sorted(
        n for n in names[0] & names[1] if n.startswith("web/") and (whole / n).is_file()
    ):
        if name != "web/data.js" and (whole / name).read_bytes() != (broken / name).read_bytes():
            found.setdefault("page", name)
    if page_data(whole) != page_data(broken):
        found.setdefault("data", "web/data.js")
    return found


def page_data(folder: Path) -> list[list]:
    """What the page's script is told, without times and without the beginnings and ends of processes."""
    path = folder / "web" / "data.js"
    keys: list[str] = []
    told = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        kind, *values = json.loads(f"[{line[4:-1]}]")  # run("kind", ...)
        keys = values[0] if kind == "keys" else keys
        if kind == "point":
            timed = {
                3,
                *(4 + i for i, key in enumerate(keys) if key in ("time", "data", "logging")),
            }
            values = [value for i, value in enumerate(values[0]) if i not in timed]
        if kind in ("images", "text"):
            values = values[:-1]
        if kind not in ("begin", "end"):
            told.append([kind, *values])
    return told


def log(folder: Path) -> list[str]:
    """The lines of the log, without times."""
    lines = (folder / "loss_log.txt").read_text().splitlines()
    return [re.sub(r"time: \S+ data: \S+|Loss \(.*\)", "", line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--variant",
        nargs="+",
        default=["cycle_gan"],
        choices=[*VARIANTS, "all"],
        metavar="NAME",
        help=f"{', '.join(VARIANTS)}, or all (default: cycle_gan)",
    )
    parser.add_argument("--kills", type=int, default=30, help="for each variant (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the instants (default: 0)")
    opt = parser.parse_args()
    variants = list(VARIANTS) if "all" in opt.variant else opt.variant
    folder = Path(tempfile.mkdtemp(prefix="check_resume_"))
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore:resource_tracker",
    }  # which killed workers leave busy
    progress = Progress(opt.kills * len(variants), "Killing")
    say(
        f"{'variant':12}{'runs':>6}{'kills':>7}{'saving':>8}  files  weights  log    page   data   verdict"
    )
    failed = False
    for variant in variants:
        check = Check(variant, folder / variant, random.Random(f"{opt.seed} {variant}"))
        check.break_runs(opt.kills, progress)
        parts = ("files", "weights", "log", "page", "data")
        cells = "  ".join(f"{'differ' if part in check.wrong else 'equal':5}" for part in parts)
        say(
            f"{variant:12}{check.runs:6}{check.kills:7}{check.saving:8}  {cells}  {'FAILED' if check.wrong else 'exact'}"
        )
        for what, difference in check.wrong.items():
            say(f"    {what}: {difference}")
        failed |= bool(check.wrong)
    progress.close()
    if failed:
        raise UserError(f"a continued run differs; all runs are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    run_main(main)

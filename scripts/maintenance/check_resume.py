"""Check that a killed training resumes exactly: kill -9 at random instants, resume, compare.

    python scripts/check_resume.py    # 30 kills, 10 of them during a save
    python scripts/check_resume.py --variant all --kills 6    # every variant

Each run is killed one to four times and then finished. Of two ranks either the launcher is killed,
or it and both of them. It must equal an uninterrupted run:
bit-equal weights, the same log apart from times, the same files and the same page. Otherwise the
exit status is 1 and the temporary folder of all runs is kept. Runs on the CPU, or with --gpu_ids
and --deterministic on a GPU; two ranks need two GPUs, so "all" leaves them out there.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments
from scripts.maintenance.compare_runs import PARTS, differences
from scripts.maintenance.resume_variants import TWO_RANKS, VARIANTS, arguments
from scripts.maintenance.sessions import forkserver, kill, need_fork, redirect, run_here
from util.checkpoint import saved_options
from util.console import Progress, run_main, say
from util.errors import UserError
from util.limits import whole
from util.lock import Lock
from util.plugins import file_flags

FLAGS = (
    Flag(
        "variant",
        (*VARIANTS, "all"),
        ["cycle_gan"],
        f"{', '.join(VARIANTS)}, or all (default: cycle_gan)",
        nargs="+",
        metavar="NAME",
    ),
    Flag("kills", whole(1, 10**4), 30, "kills of each variant (default: 30)"),
    Flag("seed", SEED, 0, "seed of the instants (default: 0)"),
    Flag("gpu_ids", whole(-1, 1023), -1, "a GPU to train on (default: -1, the CPU)"),
)
# Beginnings of the names of files that exist only during a save.
SAVING = (".saving.json", ".state.pth.", ".latest_net_", ".1_net_", ".2_net_", ".iter_", ".best")

# Runs start as copies of a process that has imported PyTorch, which saves seconds per kill. The
# first module is the one that optimizers import in their first step.
launcher = forkserver(["torch._dynamo", "data.pipeline.loader"])


def run_train(args: list[str], output: Path) -> None:
    """Run train.py in this process, as the leader of a session, printing into a file.

    A signal to the session also reaches the processes that load images.
    """
    os.setsid()
    train_here(args, output)


def run_ranks(args: list[str], output: Path) -> None:
    """Start train.py in two processes as torchrun does, in a session that this process leads."""
    os.setsid()
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(server.getsockname()[1])}
    os.environ |= place | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}
    ranks = []
    for rank in ("0", "1"):
        os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
        process = multiprocessing.get_context("fork").Process(
            target=train_here, args=(args, output)
        )
        process.start()
        ranks.append(process)
    for process in ranks:
        process.join()
    sys.exit(any(process.exitcode for process in ranks))


def train_here(args: list[str], output: Path) -> None:
    """Run train.py in this process, printing into a file."""
    if "--deterministic" not in args:  # on the CPU, a GPU need not even be started
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    redirect(output)
    import torch

    import train

    torch.set_num_threads(1)
    run_here(train.main, ["train.py", *args])


def start(args: list[str], output: Path, run: Callable = run_train):
    """Start train.py in a process of its own and return the process."""
    with output.open("a") as file:
        file.write("Starting\n")
    process = launcher.Process(target=run, args=(args, output))
    process.start()
    return process


@dataclass
class Check:
    """One variant: makes the uninterrupted run, then kills, resumes and compares other runs.

    Attributes:
        more: further options of train.py.
        kills, saving, runs: numbers of kills, of kills during a save, and of killed runs.
        wrong: for each part that differs in any run, the first difference.
    """

    variant: str
    folder: Path
    rng: random.Random
    more: list[str] = field(default_factory=list)
    kills: int = 0
    saving: int = 0
    runs: int = 0
    wrong: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.args = [*arguments(self.variant, self.folder), *self.more, "--name", "run"]
        self.run = run_ranks if self.variant in TWO_RANKS else run_train
        self.seconds = 0.0  # duration of the uninterrupted run after its first step
        self.whole = self.complete(self.folder / "whole", [])

    def command(self, folder: Path) -> list[str]:
        """Return the arguments that resume the run, or start it again if it saved no state yet."""
        if (folder / "run" / "state.pth").is_file():
            files = file_flags(saved_options(folder / "run"))
            return ["--continue_train", "--name", "run", "--checkpoints_dir", str(folder), *files]
        shutil.rmtree(folder / "run", ignore_errors=True)
        return [*self.args, "--checkpoints_dir", str(folder)]

    def complete(self, folder: Path, plan: list[bool]) -> Path:
        """Kill a run once per entry of ``plan`` (True: during a save), finish it.

        Raises:
            UserError: the run ended with an error.
        """
        folder.mkdir()
        output, run = folder / "output.txt", folder / "run"
        for during_save in plan:
            command, before = self.command(folder), being_saved(run, SAVING)
            process = start(command, output, self.run)
            training = during_save or self.rng.random() < 0.8
            if training:  # otherwise it is possibly killed before the first step
                wait_for_steps(process, output)
            process.join(self.rng.uniform(0, self.seconds / len(plan)))
            if during_save:
                wait_for_save(process, run, self.rng.choice(SAVING[:3]))
            if self.run is run_ranks and training and self.rng.random() < 0.5:
                process.kill()  # the launcher alone: its ranks save and end by themselves
                process.join()
                wait_for_end(run)
            else:
                kill(process)
            self.kills += process.exitcode == -signal.SIGKILL
            self.saving += bool(being_saved(run, SAVING) - before)
        process = start(self.command(folder), output, self.run)
        wait_for_steps(process, output)
        begin = time.monotonic()
        process.join()
        self.seconds = self.seconds or time.monotonic() - begin
        if process.exitcode:
            raise UserError(f"status {process.exitcode}: {output.read_text().splitlines()[-1]}")
        return run

    def break_runs(self, kills: int, progress: Progress) -> None:
        """Kill and finish runs until there were ``kills`` kills, a third of them during a save."""
        while self.kills < kills:
            count, before = min(self.rng.randint(1, 4), kills - self.kills), self.kills
            plan = [self.saving + i < (kills + 2) // 3 for i in range(count)]
            self.rng.shuffle(plan)
            self.runs += 1
            try:
                found = differences(self.whole, self.complete(self.folder / str(self.runs), plan))
            except UserError as error:  # the run could not be resumed
                found = {"end": str(error)}
            for part, difference in found.items():
                self.wrong.setdefault(part, f"run {self.runs}: {difference}")
            progress.update(self.kills - before, self.variant)

    def report(self) -> None:
        """Print a row of the table, and the differences below it."""
        cells = "  ".join("differ" if part in self.wrong else "equal " for part in PARTS)
        numbers = f"{self.runs:6}{self.kills:7}{self.saving:8}"
        say(f"{self.variant:13}{numbers}  {cells}  {'FAILED' if self.wrong else 'exact'}")
        for part, difference in self.wrong.items():
            say(f"    {part}: {difference}")


def wait_for_end(run: Path) -> None:
    """Wait until no training holds the lock of a run any more."""
    while True:
        try:
            Lock(run).close()
            return
        except (UserError, OSError):  # an OSError if the file vanishes meanwhile
            time.sleep(0.01)


def wait_for_steps(process, output: Path) -> None:
    """Wait until the latest start recorded in ``output`` has made a step, or the process ended."""
    while process.is_alive():
        if output.exists() and "(epoch: " in output.read_text().rpartition("Starting")[2]:
            return
        time.sleep(0.005)


def wait_for_save(process, folder: Path, name: str) -> None:
    """Wait until a new file whose name starts with ``name`` appears, or the process ended."""
    before = being_saved(folder, SAVING)
    while process.is_alive() and not being_saved(folder, (name,)) - before:
        time.sleep(0.0005)


def being_saved(folder: Path, names: tuple[str, ...]) -> set[tuple[str, int]]:
    """Return the temporary files of a save, with their times; a killed save leaves them behind."""
    try:
        files = [entry for entry in os.scandir(folder) if entry.name.startswith(names)]
        return {(entry.name, entry.stat().st_mtime_ns) for entry in files}
    except FileNotFoundError:
        return set()


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def main() -> None:
    opt = build_parser().parse_args()
    need_fork("check_resume.py", launcher)
    chosen = list(VARIANTS) if "all" in opt.variant else opt.variant
    device = []
    if opt.gpu_ids >= 0:
        device = ["--gpu_ids", str(opt.gpu_ids), "--deterministic"]
        chosen = [name for name in chosen if name not in TWO_RANKS]
    folder = Path(tempfile.mkdtemp(prefix="check_resume_"))
    # Killed loader processes leave semaphores behind; the tracker would warn about them.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore:resource_tracker"}
    progress = Progress(opt.kills * len(chosen), "Killing")
    say(f"{'variant':13}{'runs':>6}{'kills':>7}{'saving':>8}  {'   '.join(PARTS)}   verdict")
    failed = False
    for variant in chosen:
        instants = random.Random(f"{opt.seed} {variant}")
        check = Check(variant, folder / variant, instants, device)
        check.break_runs(opt.kills, progress)
        check.report()
        failed |= bool(check.wrong)
    progress.close()
    if failed:
        raise UserError(f"a resumed run differs; all runs are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    run_main(main)

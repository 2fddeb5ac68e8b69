"""Prepare inputs and untouched results, then run cases in forked workers."""

from __future__ import annotations

import encodings.idna  # noqa: F401  of the first download
import gc
import json
import os
import random
import runpy
import select
import shutil
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from scripts.maintenance.fuzzing import fixtures, server
from scripts.maintenance.fuzzing.archives import archive_cases, make_archives
from scripts.maintenance.fuzzing.cases import Case, Program, option_cases
from scripts.maintenance.fuzzing.child import ROOT, WAIT, Outcome, run_case
from scripts.maintenance.fuzzing.damage import damage_cases
from scripts.maintenance.fuzzing.disks import can_mount, disk_cases
from scripts.maintenance.fuzzing.limits import adopt_orphans
from scripts.maintenance.fuzzing.programs import PROGRAMS, TRAIN
from scripts.maintenance.fuzzing.scratch import remove
from scripts.maintenance.fuzzing.surroundings import surrounding_cases
from scripts.maintenance.fuzzing.verdict import Untouched, judge
from util.console import Progress, say
from util.errors import UserError

SEED_RUN = Program(
    "run",
    "train.py",
    f"{TRAIN} --name run --val_freq 1 --val_share 0.4 --max_dataset_size 5",
    ("in/two",),
)
EXPORT = Program(
    "export",
    "scripts/export.py",
    "--name run --to torchscript --output run.pt",
    ("checkpoints/run",),
)


@dataclass
class Result:
    """The verdict on one case."""

    id: str
    program: str
    kind: str
    reason: str
    command: str
    status: int
    seconds: float
    output: str


class Session:
    """A scratch folder with the fixture, and what the programs do without anything odd."""

    def __init__(self, only: list[str]) -> None:
        names = [program.name for program in PROGRAMS]
        for name in only:
            if name not in names:
                raise UserError(f"--only {name}: should be of {', '.join(names)}")
        self.owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
        self.folder.chmod(0o755)
        self.fixture = self.folder / "fixture"
        self.untouched: dict[str, Untouched] = {}
        self.options: dict[str, list] = {}
        self.failures: list[str] = []  # commands that fail without anything odd
        self.server = 0
        adopt_orphans()
        warm()
        self.make_fixture()
        self.programs = [p for p in self.with_port(PROGRAMS) if not only or p.name in only]

    def make_fixture(self) -> None:
        """Write images, networks, archives, and a run that train.py makes."""
        fixtures.make_images(self.fixture)
        pid = os.fork()
        if pid == 0:
            try:
                fixtures.make_networks(self.fixture)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        slot = self.folder / "first"
        outcome = run_case(Case("run", SEED_RUN), slot, self.fixture)
        if outcome.status:
            raise UserError(f"train.py failed on the tiny inputs: {outcome.err[-2000:]}")
        shutil.copytree(slot / "place/checkpoints", self.fixture / "checkpoints")
        fixtures.pack_run(self.fixture)
        slot = self.folder / "second"
        outcome = run_case(Case("export", EXPORT), slot, self.fixture)
        if outcome.status:
            raise UserError(f"export.py failed on the tiny run: {outcome.err[-2000:]}")
        shutil.copy(slot / "place/run.pt", self.fixture / "in/run.pt")
        weights = self.fixture / "checkpoints/run/latest_net_G_A.pth"
        server.make_files(self.folder / "www", self.fixture / "in", weights)
        make_archives(self.folder / "www", self.fixture / "in")

    def with_port(self, programs: tuple[Program, ...]) -> list[Program]:
        """Start the host of archives, and put its port into the command lines."""
        self.port, self.server = server.serve(self.folder / "www")
        return [replace(p, words=p.words.replace("PORT", str(self.port))) for p in programs]

    def choose(self, args: Namespace) -> list[Case]:
        """Return the cases that the options ask for; runs each program without anything odd."""
        programs = self.programs
        if args.case:
            programs = [p for p in programs if p.name == args.case.split(":")[0]]
        cases: list[Case] = []
        for program in programs:
            first = self.run_untouched(program)
            if first is None:
                continue
            cases += option_cases(program, first.options)
            cases += damage_cases(program)
            cases += surrounding_cases(program)
            cases += disk_cases(program)
            cases += archive_cases(program, self.port)
        if not can_mount():
            say("No cases of full disks: file systems cannot be mounted here")
        if self.failures:
            raise UserError("failed with nothing odd: " + "\n".join(self.failures))
        if args.case:
            cases = [case for case in cases if case.id == args.case]
            if not cases:
                raise UserError(f"--case {args.case}: there is no such case (see --list)")
        cases = [case for case in cases if args.match in case.id]
        count = len(cases) if args.all else min(args.count, len(cases))
        return cases if args.list else random.Random(args.seed).sample(cases, count)

    def run_untouched(self, program: Program) -> Outcome | None:
        """Run a program twice without anything odd; None if it needs a package that is missing."""
        case = Case(f"{program.name}:untouched", program, wait=1.5 * program.slow)
        slot = self.folder / "slot0"
        first = run_case(case, slot, self.fixture, options=True)
        if "pip install" in first.err and first.status == 1:
            say(f"{program.name} is left out: {first.err.strip()}")
            return None
        if first.status and not program.slow:
            message = (first.err or first.out or first.exception).strip()
            self.failures.append(f"{case.command()}: {message[-500:]}")
        second = first if program.slow else run_case(case, slot, self.fixture)
        self.untouched[program.name] = Untouched.of(first, second)
        return first

    def run(self, cases: list[Case], jobs: int) -> Iterator[Result]:
        """Run ``cases`` in ``jobs`` forked workers, and yield their results as they come."""
        pipes: dict[int, bytes] = {}
        workers = []
        for job in range(min(jobs, len(cases))):
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                try:
                    self.work(cases[job::jobs], self.folder / f"slot{job}", writing)
                except KeyboardInterrupt:
                    os._exit(1)
                os._exit(0)
            os.close(writing)
            pipes[reading] = b""
            workers.append(pid)
        progress, count = Progress(len(cases), "Fuzzing"), 0
        while pipes:
            for pipe in select.select(list(pipes), [], [])[0]:
                block = os.read(pipe, 1 << 16)
                *lines, pipes[pipe] = (pipes[pipe] + block).split(b"\n")
                for line in lines:
                    count += 1
                    progress.update()
                    yield Result(**json.loads(line))
                if not block:
                    del pipes[pipe]
        progress.close()
        for pid in workers:
            os.waitpid(pid, 0)
        if count < len(cases):
            raise UserError(f"only {count} of {len(cases)} cases ran: a worker ended")

    def work(self, cases: list[Case], slot: Path, pipe: int) -> None:
        """Run ``cases`` one after the other, and write a line for each into ``pipe``."""
        adopt_orphans()
        for case in cases:
            result = self.try_case(case, slot)
            if result.kind == "hang":  # again, with more time: the machine may have been busy
                result = self.try_case(replace(case, wait=2 * (case.wait or WAIT)), slot)
            os.write(pipe, json.dumps(asdict(result)).encode() + b"\n")
        remove(slot)

    def try_case(self, case: Case, slot: Path) -> Result:
        try:
            outcome = run_case(case, slot, self.fixture)
        except Exception as error:
            outcome = Outcome(status=97, err=f"the fuzzer could not prepare the case: {error}")
        kind, reason = judge(case, outcome, self.untouched[case.program.name])
        if kind == "ok" and case.program.name == "check_data" and case.option:
            kind, reason = self.keep_promise(case, outcome, slot)
        output = (outcome.out[-3000:] + outcome.err[-3000:] + outcome.exception[-3000:]).strip()
        return Result(
            case.id, case.program.name, kind, reason, case.command(), outcome.status,
            outcome.seconds, output,
        )  # fmt: skip

    def keep_promise(self, case: Case, outcome: Outcome, slot: Path) -> tuple[str, str]:
        """Run train.py where check_data.py said that nothing would stop it."""
        if "Nothing would stop" not in outcome.out:
            return "ok", ""
        train = next(program for program in PROGRAMS if program.name == "train")
        trained = run_case(replace(case, program=train), slot, self.fixture)
        if trained.status <= 0 or "out of memory" in trained.err:
            return "ok", ""
        return "silent", f"train.py stops: {trained.err.strip()[:200]}"

    def close(self) -> None:
        """Stop the host and delete the scratch folder; forked children leave both alone."""
        if os.getpid() != self.owner:
            return
        if self.server:
            with suppress(OSError):
                os.kill(self.server, signal.SIGTERM)
                os.waitpid(self.server, 0)
        remove(self.folder)


def warm() -> None:
    """Import what the programs import, so that a case need not."""
    say("Importing the programs, and running each without anything odd")
    import torch._dynamo  # noqa: F401  optimizers import it in their first step

    import models.training.check_data
    import models.training.run
    import models.translation.batch
    import models.translation.results
    import models.translation.translator  # noqa: F401
    from data import aligned_dataset, single_dataset, unaligned_dataset  # noqa: F401
    from models import colorization_model, cycle_gan_model, pix2pix_model, test_model  # noqa: F401
    from scripts.evaluation import external  # noqa: F401
    from util.download import transfer

    with suppress(ImportError):  # packages that only some programs need
        import skimage.feature
        import skimage.measure
        import skimage.morphology  # noqa: F401
    Image.init()
    transfer.PAUSES = (0.0, 0.0)
    path = list(sys.path)
    for script in sorted({program.script for program in PROGRAMS}):
        sys.path[0] = str((ROOT / script).parent)
        runpy.run_path(str(ROOT / script), run_name="warm")
    sys.path[:] = path
    gc.freeze()  # a collection in a child would copy all memory pages

"""Try odd options, damaged files and odd surroundings on every program; report what goes wrong.

    python scripts/maintenance/fuzz.py                     # 1,500 cases
    python scripts/maintenance/fuzz.py --all --jobs 4      # every case
    python scripts/maintenance/fuzz.py --only train plot   # two programs
    python scripts/maintenance/fuzz.py --case train:lr:20  # one case again

Every option gets 30 odd values, every input file is damaged in many ways, and the main programs run
with closed streams, little memory, read-only folders, signals and links that lead in a circle. Each
case runs in a child of one process that has imported PyTorch, in a scratch folder, with limits.
Root's children give up their capabilities first, because root may read and write everything.

A bad result is a traceback, a crash, a hang, or silence (see fuzzing/verdict.py); the exit status
is 1 if there is one. "Poor" are errors of several lines, or that name neither option nor value.
Runs on Linux.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "linux":
    sys.exit("error: fuzz.py needs Linux: it reads /proc")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # forks of a process with one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.flags.flag import Flag
from scripts.arguments import SEED, Arguments, Output
from scripts.maintenance.fuzzing.child import Become
from scripts.maintenance.fuzzing.report import Report
from scripts.maintenance.fuzzing.session import Session
from util.console import run_main, say
from util.errors import UserError
from util.limits import whole

FLAGS = (
    Flag("all", bool, False, "run every case"),
    Flag("count", whole(1, 10**6), 1500, "cases to draw (default: 1500)"),
    Flag("seed", SEED, 0, "seed of the draw (default: 0)"),
    Flag("jobs", whole(1, 256), 1, "cases at a time (default: 1)"),
    Flag("only", str, [], "cases of these programs only", nargs="+", metavar="PROGRAM"),
    Flag("match", str, "", "cases whose ID holds TEXT only", metavar="TEXT"),
    Flag("case", str, None, "run one case and print its output", metavar="ID"),
    Flag("json", Output(), None, "write a line for each case to FILE, too", metavar="FILE"),
    Flag("list", bool, False, "print the IDs of the cases instead of running them"),
)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    session = Session(args.only)
    try:
        cases = session.choose(args)
        if args.list:
            say(*(case.id for case in cases))
            return
        report = Report(bool(args.case), args.json)
        try:
            for result in session.run(cases, args.jobs):
                report.add(result)
        except KeyboardInterrupt:
            say(f"Stopped after {len(report.results)} of {len(cases)} cases")
        report.show()
    finally:
        session.close()
    if report.bad:
        raise UserError(f"{len(report.bad)} of {len(cases)} cases are bad")


if __name__ == "__main__":
    try:
        run_main(main)
    except Become as child:  # in a forked child: the program takes the fuzzer's place
        child.run()

"""Report what of a fork of the official code works here, before anything of it is run.

    python scripts/check_fork.py ~/my-fork

A fork is any folder with Python files that were written for the official PyTorch code of CycleGAN
and pix2pix: a whole checkout, or some models, datasets, options and scripts. Its files are read and
not executed. The report says where each file belongs, and lists every import, call, attribute and
option that does not work here, with its file, its line and what to do. The exit status is 0 if
everything works, and 1 if something does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from options.flags.flag import Flag
from scripts.arguments import Arguments
from scripts.fork.judge import Verdict, judge
from scripts.fork.sources import Finding, read_fork
from util.console import run_main, say
from util.errors import UserError
from util.words import amount

FLAGS = (Flag("verbose", bool, False, "also list the files that need no attention"),)


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the fork")
    return parser


def place(finding: Finding) -> str:
    """``file:line``, or the file alone."""
    return f"{finding.path}:{finding.line}" if finding.line else finding.path


def report(verdict: Verdict, verbose: bool) -> list[str]:
    """The lines about one checkout."""
    files = verdict.files
    lines = []
    groups = (
        ("Copy", files.own, "of the fork alone"),
        ("Copy in place of ours", files.changed, "changed in the fork"),
        ("Leave out", files.unchanged, "as in the official code"),
        ("Not looked at", files.ignored, "no part of the program"),
    )
    for title, sources, why in groups:
        if sources and (verbose or title.startswith("Copy")):
            lines += [f"{title} ({why}):", *(f"  {s.path}" for s in sources.values())]
        elif sources:
            lines.append(f"{title} ({why}): {amount(len(sources), 'file')}")
    if verdict.packages:
        lines.append(f"Packages to install: {', '.join(sorted(verdict.packages))}")
    remarks = [f for f in verdict.findings if f.works]
    problems = [f for f in verdict.findings if not f.works]
    lines += [f"Remark: {place(f)}: {f.text}" for f in remarks]
    lines += [f"{place(f)}: {f.text}" for f in problems]
    return lines


def main() -> None:
    opt = build_parser().parse_args()
    verdicts = judge(read_fork(opt.folder))
    problems = sum(not finding.works for v in verdicts for finding in v.findings)
    for verdict in verdicts:
        if len(verdicts) > 1:
            say(f"== {opt.folder / verdict.checkout.folder}")
        say(*report(verdict, opt.verbose))
    if problems:
        raise UserError(f"{opt.folder}: {amount(problems, 'place')} will not work here")
    say("Everything works here")


if __name__ == "__main__":
    run_main(main)

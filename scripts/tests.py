"""Run lint, types and tests as ``make test`` does, also where there is no make.

    pip install -r requirements-dev.txt
    python scripts/tests.py
    python scripts/tests.py --only slow

Further words go to pytest, for example ``tests/data -x``.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.flags.flag import Flag
from scripts.arguments import Arguments
from util.console import run_main, say
from util.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# Part -> (title, words after "python") of each command
PARTS = {
    "lint": (
        ("ruff", "-m ruff check ."),
        ("ruff format", "-m ruff format --check --quiet ."),
        ("mypy", "-m mypy"),
        ("house rules", "scripts/maintenance/check_house.py"),
    ),
    "check": (("pytest", "-m pytest -m 'not slow'"),),
    "slow": (("pytest, the slow tests", "-m pytest -m slow"),),
}
FLAGS = (Flag("only", tuple(PARTS), None, "run this part (default: lint and check)"),)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def main() -> None:
    args, others = build_parser().parse_known_args()
    parts = [args.only] if args.only else ["lint", "check"]
    for title, words in (command for part in parts for command in PARTS[part]):
        command = shlex.split(words)
        if command[0] == "-m" and not find_spec(command[1]):
            raise UserError(f"{command[1]} is missing: pip install -r requirements-dev.txt")
        say(f"== {title}")
        more = others if "pytest" in command else []
        if status := subprocess.run([sys.executable, *command, *more], cwd=ROOT).returncode:
            sys.exit(status if status > 0 else 128 - status)


if __name__ == "__main__":
    run_main(main)

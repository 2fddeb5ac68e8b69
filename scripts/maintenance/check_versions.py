"""Run the fast tests with the lowest and with the newest versions of all required packages.

    python scripts/maintenance/check_versions.py
    python scripts/maintenance/check_versions.py --only lowest -- tests/data -x

Each environment is made once, in ``--folder`` (15 GB for both, most of it PyTorch for CUDA). The
lowest versions are those of requirements.txt, with their last bug fixes: ``torch>=2.4`` becomes
``torch~=2.4.0``. Words after ``--`` are arguments of pytest. The table is printed as Markdown; the
exit status is 1 if a test failed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from util.console import run_main, say
from util.errors import UserError
from util.files import real_path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = {"lowest": "python3.10", "newest": "python3.13"}
FLAGS = (
    Flag("only", tuple(PYTHON), None, "run one of the two environments"),
    Flag("folder", Output(folder=True), ROOT / ".versions", "folder of environments"),
)
SHOWN = ("torch", "torchvision", "numpy", "pillow")
OPTIONAL = ("visdom", "tornado")  # visdom exists as source only; its tests bring a stand-in
TOOLS = ("ruff", "mypy")  # these check the code, not its behaviour with other versions


def requirements(file: Path) -> list[str]:
    """Return the requirements of ``file``, such as "torch>=2.4", without comments."""
    lines = (line.split("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and package_of(line) not in OPTIONAL + TOOLS]


def package_of(requirement: str) -> str:
    return re.split(r"[<>=~ ]", requirement)[0].lower()


def lowest(requirement: str) -> str:
    """Return "torch~=2.4.0" for "torch>=2.4", and any other kind of requirement unchanged."""
    package, separator, version = requirement.partition(">=")
    if not separator:
        return requirement
    full = version if version.count(".") > 1 else f"{version}.0"
    return f"{package}~={full}"


def packages(kind: str) -> list[str]:
    """Return what pip installs in the environment ``kind``; test tools are the newest that fit."""
    required = requirements(ROOT / "requirements.txt")
    tools = requirements(ROOT / "requirements-dev.txt")
    return (required if kind == "newest" else [lowest(line) for line in required]) + tools


def make_environment(kind: str, interpreter: str, folder: Path) -> Path:
    """Create the environment if it is missing, and return its Python.

    Raises:
        UserError: the interpreter is missing, or pip cannot install a package.
    """
    python = folder / kind / "bin" / "python"
    complete = folder / kind / ".installed"
    wanted = "\n".join(packages(kind))
    if complete.exists() and complete.read_text() == wanted:
        return python
    found = shutil.which(interpreter)
    if not found:
        raise UserError(f"--{kind}_python {interpreter}: there is no such program")
    say(f"Making the environment {folder / kind} with {found}")
    commands = [
        [found, "-m", "venv", "--clear", str(folder / kind)],
        [str(python), "-m", "pip", "install", "--quiet", *packages(kind)],
    ]
    for command in commands:
        if subprocess.run(command).returncode:
            raise UserError(f"{' '.join(command[:5])} ... failed; its message stands above")
    complete.write_text(wanted)
    return python


def versions(python: Path) -> list[str]:
    """Return the versions of Python and of the packages in the table."""
    code = (
        "import platform, sys; from importlib.metadata import version;"
        "print(platform.python_version(), *map(version, sys.argv[1:]))"
    )
    command = [str(python), "-c", code, *SHOWN]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split()


def run_tests(python: Path, arguments: list[str]) -> tuple[dict[str, int], int]:
    """Run pytest in the project; return its counts, such as {"passed": 1379}, and its status."""
    command = [str(python), "-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    print(result.stdout, end="")
    words = "passed|failed|skipped|errors?"
    last = result.stdout.strip().splitlines()[-1:] or [""]
    counts = re.findall(rf"(\d+) ({words})", last[0])
    return {word.rstrip("s"): int(count) for count, word in counts}, result.returncode


def build_parser() -> Arguments:
    parser = Arguments(__doc__, FLAGS)
    for kind, name in PYTHON.items():
        parser.add_argument(f"--{kind}_python", metavar="PROGRAM", default=name)
    parser.add_argument("tests", nargs="*", metavar="TESTS", help="arguments of pytest")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    titles = ["Versions", "Python", *SHOWN, "passed", "skipped", "failed", "time"]
    rows, failed = [titles, ["---"] * len(titles)], False
    for kind in [args.only] if args.only else PYTHON:
        python = make_environment(kind, getattr(args, f"{kind}_python"), real_path(args.folder))
        started = time.monotonic()
        counts, status = run_tests(python, args.tests)
        failed |= status != 0
        numbers = [counts.get(key, 0) for key in ("passed", "skipped")]
        numbers += [counts.get("failed", 0) + counts.get("error", 0)]
        seconds = f"{time.monotonic() - started:.0f} s"
        rows.append([kind, *versions(python), *map(str, numbers), seconds])
    for row in rows:
        say("| " + " | ".join(row) + " |")
    sys.exit(failed)


if __name__ == "__main__":
    run_main(main)

"""Check that training on this machine's GPU is right, and measure how fast it is.

    python scripts/check_gpu.py --json gpu.json               # 20 minutes
    python scripts/check_gpu.py --json gpu.json --only speed  # adds to the file
    python scripts/check_gpu.py --only compile/graphs         # one check
    python scripts/check_gpu.py --gpu_ids -1                  # smaller, on CPU

Each check runs in a process of its own with a time limit, and a failure stops only that check. The
last lines say which options are fastest on this GPU. The exit status is 1 if a check failed; the
output of all checks is kept then. docs/performance.md explains the checks. Without a GPU the
program runs on the CPU, which proves only that the checks themselves work. Only train.py's
requirements are needed; the tests marked gpu run if pytest is installed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from options.flags.flag import Flag
from scripts.arguments import Arguments, Output
from util.console import run_main, say
from util.errors import UsageError, UserError
from util.files import real_path, write_atomically
from util.limits import real, whole
from util.words import amount

SECONDS = 1400  # after which no further check starts, unless --only names it
FLAGS = (
    Flag(
        "gpu_ids",
        whole(-1, 1023),
        None,
        "number of the GPU, -1 for the CPU (default: 0 if there is a GPU)",
    ),
    Flag("only", str, None, "groups of checks, or checks such as compile/graphs", "+", "NAME"),
    Flag("json", Output(), None, "write all figures to FILE, beside those it has", metavar="FILE"),
    Flag("official", Path, None, "also measure an unpacked copy of the official code", None, "DIR"),
    Flag("patience", real(0.1, 1000), 1.0, "factor of all time limits (default: 1)"),
    Flag("list", bool, False, "list the checks with their time limits, and exit"),
)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def machine(gpu: int) -> dict[str, Any]:
    """Return the hardware and the versions that the results depend on."""
    import torch

    return {
        "gpu": torch.cuda.get_device_name(gpu) if gpu >= 0 else "",
        "torch": torch.__version__,
        "cuda": torch.version.cuda if gpu >= 0 else None,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def choose_gpu(wanted: int | None) -> int:
    """Return the number of the GPU, -1 for the CPU. Raises UsageError: there is no such GPU."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted is None:
        return 0 if count else -1
    if wanted >= count:
        raise UsageError(f"--gpu_ids {wanted}: PyTorch sees {amount(count, 'CUDA GPU')} here")
    return wanted


def select(checks: list, only: list[str] | None) -> list:
    """Return the checks that ``--only`` names. Raises UsageError: there is no such check."""
    names = {name for check in checks for name in (check.group, check.title)}
    for name in only or ():
        if name not in names:
            groups = ", ".join(dict.fromkeys(check.group for check in checks))
            raise UsageError(f"--only {name}: should be one of {groups}, or a check of --list")
    return [check for check in checks if not only or {check.group, check.title} & set(only)]


def earlier_rows(file: Path | None, here: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows that ``--json`` holds. Raises UserError: of something else than this."""
    if not file or not file.is_file():
        return {}
    try:
        report = json.loads(file.read_text())
        rows = {row["check"]: row for row in report["rows"]}
        found = report["machine"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"--json {file}: holds no results of check_gpu.py") from None
    different = [f"{key} {found.get(key)}" for key in ("gpu", "torch") if found[key] != here[key]]
    if different:
        raise UserError(f"--json {file}: holds results of {', '.join(different)}; name a new file")
    return rows


def main() -> None:
    opt = build_parser().parse_args()
    if opt.official and not (opt.official / "models").is_dir():
        raise UserError(f"--official {opt.official}: should be a copy of the official code")
    from scripts.gpu import report  # not at the top: PyTorch would slow --help down
    from scripts.gpu.checks import SKIPPED, Setup, Verdict
    from scripts.gpu.processes import row, run
    from scripts.gpu.registry import all_checks

    checks = select(all_checks(), opt.only)
    if opt.list:
        say(*(f"{check.title:28} {check.seconds:4} s" for check in checks))
        return
    gpu = choose_gpu(opt.gpu_ids)
    here = machine(gpu)
    rows = earlier_rows(opt.json, here)
    official = real_path(opt.official) if opt.official else None
    folder = Path(tempfile.mkdtemp(prefix="check_gpu_"))
    say(", ".join(f"{key} {value}" for key, value in here.items() if value))
    if gpu < 0:
        say("On the CPU: smaller checks, which prove nothing about GPUs")
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # faster for tiny networks
    begin = time.monotonic()
    for number, check in enumerate(checks):
        if not opt.only and time.monotonic() - begin > SECONDS * opt.patience:
            rows[check.title] = row(check, Verdict(SKIPPED, "the time is over; use --only"), 0)
        else:
            setup = Setup(gpu, folder / str(number), official)
            rows[check.title] = run(check, setup, opt.patience)
        say(report.line(rows[check.title]))
        if opt.json:  # after each check, so that an interrupted run leaves its results
            data = json.dumps({"machine": here, "rows": list(rows.values())}, indent=1)
            write_atomically(opt.json, f"{data}\n".encode(), "--json")
    say("", *(report.line(row) for row in rows.values()), *report.speed_table(rows))
    say(*report.advice(rows, here["gpu"]))
    if failed := report.failed(rows):
        raise UserError(
            f"{len(failed)} of {amount(len(rows), 'check')} failed: {', '.join(failed)}; their "
            f"output is in {folder}"
        )
    shutil.rmtree(folder)


if __name__ == "__main__":
    run_main(main)

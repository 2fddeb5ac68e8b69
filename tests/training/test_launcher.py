"""The start and the end of ranks: torchrun is killed, a rank never comes, a start hangs."""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from conftest import Programs
from displays import free_port
from survival import state, subclass
from test_ranks import arguments, work

from models.training.run import Lock
from util import distributed
from util.console import run_main
from util.errors import UserError

pytest_plugins = ["survival"]


def launch(ranks: tuple[int, ...], args: list[str], folder: Path) -> None:
    """Start ranks as torchrun does, and wait."""
    context, port = multiprocessing.get_context("fork"), free_port()
    files = [folder / f"launched{rank}.txt" for rank in ranks]
    processes = [
        context.Process(target=work, args=(rank, port, args, file))
        for rank, file in zip(ranks, files, strict=True)
    ]
    for process in processes:
        process.start()
    time.sleep(100)


def free(folder: Path, seconds: float) -> bool:
    """True as soon as no process holds the lock of the run in ``folder``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(UserError):
            Lock(folder).close()
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("when", ["before they have met", "in the training"])
def test_the_launcher_is_killed(run: Programs, data: Path, when: str) -> None:
    """The ranks end within seconds; in the training, they save after the same step."""
    name = f"killed {when[:2]}"
    folder, out = run.runs / name, run.folder / "launched0.txt"
    out.write_text("")
    # Rank 1 never comes in the first case
    ranks, sign = ((0,), folder / ".lock") if when[0] == "b" else ((0, 1), folder / "loss_log.txt")
    args = arguments(data, run.runs, name, "--no_html", "--n_epochs", "1000")
    launcher = multiprocessing.get_context("fork").Process(
        target=launch, args=(ranks, args, run.folder)
    )
    launcher.start()
    until = time.monotonic() + 60
    while not (sign.exists() and "epoch: 1," in sign.read_text() + "epoch: 1," * (when[0] == "b")):
        assert time.monotonic() < until and launcher.is_alive(), out.read_text()
        time.sleep(0.005)
    launcher.kill()
    launcher.join()
    assert free(folder, 20), out.read_text()
    text = "".join(file.read_text() for file in run.folder.glob("launched*.txt"))
    assert "torchrun has ended, so this process stops as well" in text and "Traceback" not in text
    if when[0] == "i":
        while "Saved in epoch" not in out.read_text():  # printed after the lock is released
            assert time.monotonic() < until
            time.sleep(0.005)
        [seen] = re.findall(r"Saved in epoch (\d+) after (\d+) images", out.read_text())
        position = state(folder)["position"]
        assert tuple(map(str, (position["epoch"], position["seen"]))) == seen


def test_a_rank_that_never_comes(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for minutes, not for the half hour that a collective may take."""
    assert distributed.MEETING.total_seconds() <= 300
    monkeypatch.setattr(distributed, "MEETING", timedelta(seconds=1))
    args, output = arguments(data, run.runs, "alone"), run.folder / "alone.txt"
    rank = multiprocessing.get_context("fork").Process(
        target=work, args=(0, free_port(), args, output)
    )
    rank.start()
    rank.join(30)
    lines = [line for line in output.read_text().splitlines() if "error" in line]
    assert rank.exitcode == 1 and len(lines) == 1
    assert "error (rank 0): the 2 processes of this training have not found each" in lines[0]
    assert not (run.runs / "alone" / "stall.log").exists()


def test_an_error_destroys_the_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise PyTorch prints warnings, and other ranks may wait."""
    destroyed = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: destroyed.append(1))

    def main() -> None:
        raise UserError("something")

    with pytest.raises(SystemExit):
        run_main(main)
    assert destroyed == [1]


def test_a_start_that_hangs(run: Programs, data: Path) -> None:
    """The stall log shows where, also before the first step."""
    model = subclass(
        run.folder / "hanging_model.py",
        "def setup(self, opt):",
        "    time.sleep(1.3)  # hangs here",
        "    super().setup(opt)",
    )
    args = arguments(data, run.runs, "hang", "--model", model, "--no_html")
    run.train(*args, "--stall_timeout", "1", "--n_epochs", "1").ok()
    assert " in setup" in (run.runs / "hang" / "stall.log").read_text()

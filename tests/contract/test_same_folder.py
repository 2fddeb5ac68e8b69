"""Two runs in one folder, at the same time or one after the other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import torch
from conftest import ONE_EPOCH, TINY, Programs
from survival import Running, interrupt, resume, state, subclass, train

pytest_plugins = ["survival"]


def test_a_killed_process_leaves_no_lock(run: Programs, data: Path, running: Running) -> None:
    """Another run in the folder is refused until the first is killed; its workers hold no lock."""
    process = running(data, "--num_threads", "2", "--n_epochs", "500")
    running.wait_for(run.runs / "x" / "state.pth")
    options = (run.runs / "x" / "train_opt.json").read_bytes()
    for second in (train(run, data), resume(run)):
        second.refused(1, f"process {process.pid}", os.uname().nodename, "--name")
    assert (run.runs / "x" / "train_opt.json").read_bytes() == options
    os.kill(process.pid, signal.SIGKILL)
    while process.is_alive():
        time.sleep(0.005)
    assert "Continuing in epoch" in resume(run, "--n_epochs", "1", "--num_threads", "0").ok().out


def test_a_new_run_keeps_the_state_of_the_old(
    run: Programs, data: Path, after_step: Callable
) -> None:
    """A start without --continue_train in the folder of an interrupted run."""
    train(run, data).ok()
    number = state(run.runs / "x")["number"]
    interrupt(run, data, after_step, step=1)
    [kept] = (run.runs / "x").glob("earlier_*.pth")
    assert torch.load(kept, weights_only=True)["number"] == number
    kept.replace(run.runs / "x" / "state.pth")
    assert "has finished its 2 epochs" in resume(run).out


def test_the_printed_command_can_be_pasted(run: Programs, data: Path) -> None:
    lines = "def set_input(self, input):", "    super().set_input(input)", "    self.real_A /= 0"
    model = ("--model", subclass(run.folder / "divides_by_0_model.py", *lines))
    result = run.train("--dataroot", data, "--name", "a b; $c", *model, *TINY, *ONE_EPOCH)
    result.refused(1, "--name 'a b; $c'")
    assert not (run.runs / "a b; $c" / "stall.log").exists()

"""A training that was killed or stopped by a signal at any moment resumes to the same result."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Programs
from survival import Running, equal, interrupt, resume, state, subclass, train

from scripts.maintenance.check_resume import Check
from util.console import Progress

pytest_plugins = ["survival"]


def test_five_kills(tmp_path: Path, copied: None) -> None:
    """A short version of scripts/check_resume.py."""
    short = ["--n_epochs", "1", "--n_epochs_decay", "1", "--max_dataset_size", "5"]
    check = Check("cycle_gan", tmp_path, random.Random(0), short)
    check.break_runs(5, Progress(5))
    assert check.wrong == {} and check.kills == 5 and check.saving >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(run: Programs, data: Path, running: Running, number: signal.Signals) -> None:
    """The step is finished and saved, the command to resume printed, the status is the signal's."""
    more = ("--n_epochs", "3", "--save_latest_freq", "5000")
    train(run, data, *more, name="whole").ok()
    process = running(data, *more)
    running.wait_for(run.runs / "x" / "loss_log.txt", "epoch: 1,")
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == -number
    output = running.output.read_text()
    assert f"{number.name}: finishing this step and saving" in output
    command = re.findall(r"Resume with: python train.py (.*)", output)[-1]
    assert command == f"--continue_train --name x --checkpoints_dir {run.runs}"
    assert "Continuing in epoch" in run.train(*command.split()).ok().out and equal(run)


def test_second_signal(run: Programs, data: Path, running: Running, tmp_path: Path) -> None:
    """A second signal does not wait for the end of a slow step; the state before it stays."""
    model = subclass(
        tmp_path / "slow_model.py",
        "def optimize_parameters(self):",
        "    super().optimize_parameters()",
        "    if self.image_paths[0].endswith('a3.png'):",
        f"        open('{tmp_path}/slow', 'w')",
        "        time.sleep(30)",
    )
    process = running(data, "--model", model, "--serial_batches", "--save_latest_freq", "1")
    running.wait_for(tmp_path / "slow")
    os.kill(process.pid, signal.SIGINT)
    running.wait_for(running.output, "SIGINT: finishing this step")
    os.kill(process.pid, signal.SIGINT)
    process.join(10)
    assert process.exitcode == -signal.SIGINT
    assert state(run.runs / "x")["position"]["seen"] == 3


def test_signal_to_all_processes(
    run: Programs, data: Path, running: Running, tmp_path: Path
) -> None:
    """systemd and Slurm signal all processes; the workers live until the training has saved."""
    model = subclass(
        tmp_path / "slow_model.py",
        "def optimize_parameters(self):",
        "    super().optimize_parameters()",
        f"    open('{tmp_path}/slow', 'w')",
        "    time.sleep(1)",
    )
    process = running(data, "--num_threads", "2", "--model", model)
    running.wait_for(tmp_path / "slow")
    os.killpg(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == -signal.SIGTERM, running.output.read_text()
    assert running.output.read_text().count("SIGTERM: finishing") == 1
    assert state(run.runs / "x")["position"]["total"] > 0


def test_signal_before_the_first_step(
    run: Programs, data: Path, running: Running, tmp_path: Path
) -> None:
    model = subclass(
        tmp_path / "early_model.py",
        "def setup(self, opt):",
        "    super().setup(opt)",
        "    if not opt.continue_train:",
        "        signal.raise_signal(signal.SIGTERM)",
    )
    process = running(data, "--model", model)
    process.join(60)
    assert process.exitcode == -signal.SIGTERM
    assert "Saved in epoch 1 after 0 images" in running.output.read_text()
    resume(run).ok()


def test_before_the_first_save(
    run: Programs, data: Path, whole: Path, after_step: Callable
) -> None:
    """A run that crashed before its first regular save resumes from its initial state."""
    interrupt(run, data, after_step, step=1)
    resume(run).ok()
    assert equal(run)

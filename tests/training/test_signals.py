"""A training that was killed or stopped by a signal at any moment resumes to the same result."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, TINY, Programs
from survival import (
    OFTEN,
    TWO_EPOCHS,
    Running,
    equal,
    interrupt,
    resume,
    state,
    subclass,
    train,
)

from scripts.maintenance.check_resume import Check
from train import main as train_main
from util.console import Progress, run_main
from util.training_process import STOP_SIGNALS, SignalHandler

pytest_plugins = ["survival"]


def test_five_kills(tmp_path: Path, copied: None) -> None:
    """A short version of scripts/check_resume.py."""
    short = ["--n_epochs", "1", "--n_epochs_decay", "1", "--max_dataset_size", "5"]
    check = Check("cycle_gan", tmp_path, random.Random(0), short)
    check.break_runs(5, Progress(5))
    assert check.wrong == {} and check.kills == 5 and check.saving >= 1


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore this process's handlers of signals; in the test, SIGHUP stops also under nohup."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(
    run: Programs, data: Path, handlers: None, running: Running, number: signal.Signals
) -> None:
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_to_all_processes(
    run: Programs, data: Path, running: Running, tmp_path: Path, number: signal.Signals
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
    os.killpg(process.pid, number)
    process.join(60)
    assert process.exitcode == -number, running.output.read_text()
    assert running.output.read_text().count(f"{number.name}: finishing") == 1
    assert state(run.runs / "x")["position"]["total"] > 0


def test_signal_before_the_first_step(
    run: Programs, data: Path, running: Running, tmp_path: Path
) -> None:
    model = subclass(
        tmp_path / "early_model.py",
        "def setup(self, opt):",
        "    super().setup(opt)",
        "    if not opt.continue_train:",
        "        signal.raise_signal(signal.SIGUSR2)",
    )
    process = running(data, "--model", model)
    process.join(60)
    assert process.exitcode == -signal.SIGUSR2
    assert "Saved in epoch 1 after 0 images" in running.output.read_text()
    resume(run).ok()


def test_before_the_first_save(
    run: Programs, data: Path, whole: Path, after_step: Callable
) -> None:
    """A run that crashed before its first regular save resumes from its initial state."""
    interrupt(run, data, after_step, step=1)
    resume(run).ok()
    assert equal(run)


def test_what_a_lost_connection_sends(handlers: None) -> None:
    """The shell and the kernel both send SIGHUP: the second one does not interrupt the save."""
    handler = SignalHandler()
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert handler.poll() == signal.SIGHUP
    assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_nohup(handlers: None) -> None:
    """Where SIGHUP is ignored, the training continues."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handler = SignalHandler()
    signal.raise_signal(signal.SIGHUP)
    assert handler.poll() == 0
    signal.raise_signal(signal.SIGUSR1)
    assert handler.poll() == signal.SIGUSR1
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_systems_without_these_signals() -> None:
    """As on Windows."""
    program = """if True:
        import signal
        for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE"):
            delattr(signal, name)
        from util.training_process import STOP_SIGNALS, SignalHandler
        SignalHandler()
        print([number.name for number in STOP_SIGNALS])"""
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out == "['SIGINT', 'SIGTERM']\n"


def train_into(stdout: int, reader: int, stderr: Path, args: list[str]) -> None:
    """Run train.py in this process with other streams; ``reader``: the pipe's other end."""
    os.close(reader)
    os.dup2(stdout, 1)
    os.close(stdout)
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python starts
    sys.argv = ["train.py", *args]
    run_main(train_main)


@pytest.mark.parametrize("stdout", ["pipe", "full"])
def test_output_that_nobody_gets(run: Programs, data: Path, whole: Path, stdout: str) -> None:
    """A closed pipe (``| head -1``) stops the training, which saves first; a full disk does not."""
    options = [*TINY, *TWO_EPOCHS, *OFTEN, "--checkpoints_dir", str(run.runs), "--name", "x"]
    reader, writer = os.pipe()
    stream = writer if stdout == "pipe" else os.open("/dev/full", os.O_WRONLY)
    errors = run.folder / "stderr"
    process = multiprocessing.get_context("fork").Process(
        target=train_into, args=(stream, reader, errors, ["--dataroot", str(data), *options])
    )
    process.start()
    os.close(writer)
    if stdout == "pipe":
        with os.fdopen(reader) as lines:
            next(line for line in lines if "epoch: 1," in line)
    process.join(60)
    if stdout == "full":
        assert process.exitcode == 0
        assert "No space left on device; the training continues" in errors.read_text()
        assert errors.read_text().count("\n") == 1
    else:
        assert process.exitcode == -signal.SIGPIPE and errors.read_text() == ""
        assert state(run.runs / "x")["position"]["total"] > 0
        resume(run).ok()
    assert equal(run)

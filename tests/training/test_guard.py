"""Full disks, non-finite gradients, stalls, dead workers: one line, and the state stays."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, Programs, Result
from PIL import Image
from survival import Running, equal, resume, state, subclass, train

from models.training.step import Step
from options.flags import schedule

pytest_plugins = ["survival"]
UNALIGNED = "data.unaligned_dataset.UnalignedDataset"
PLAIN = ("--no_html", "--pool_size", "0")  # every checkpoint is of one size

# The disk


@pytest.fixture
def disk(run: Programs) -> Iterator[Callable[[str], None]]:
    """``disk("size=4m")`` mounts a file system of that size for the checkpoints, or resizes it."""

    def mount(options: str) -> None:
        again = "remount," if os.path.ismount(run.runs) else ""
        run.runs.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", run.runs],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"mounting is not permitted: {done.stderr.strip()}")

    if not shutil.which("mount"):
        pytest.skip("there is no mount")
    yield mount
    if os.path.ismount(run.runs):
        subprocess.run(["umount", "-l", run.runs], check=True)


def after_warning(result: Result) -> Result:
    """Return ``result`` without its first error line, which warns of the small disk."""
    warning, rest = result.err.split("\n", 1)
    assert warning.startswith("warning: --checkpoints_dir") and "disk space" in warning
    return replace(result, err=rest)


def test_full_disk(run: Programs, data: Path, disk: Callable) -> None:
    """The second checkpoint does not fit: the first is complete, and the run resumes with space."""
    train(run, data, *PLAIN, name="whole").ok()
    files = {p.name: p.stat().st_size for p in (run.runs / "whole").iterdir()}
    saved = sum(size for name, size in files.items() if name.endswith(".pth"))
    (run.runs / "whole").rename(run.folder / "whole")
    disk(f"size={saved + files['state.pth'] // 2}")
    after_warning(train(run, data, *PLAIN)).refused(1, "state.pth", "No space left on device")
    assert {p.name for p in (run.runs / "x").iterdir()} >= files.keys() - {"loss_log.txt"}
    assert not list((run.runs / "x").glob(".*.pth.*"))
    assert state(run.runs / "x")["position"]["total"] in (0, 2)
    after_warning(resume(run)).refused(1, "No space left on device")
    disk("size=64m")
    resume(run).ok()
    shutil.move(run.folder / "whole", run.runs / "whole")
    assert equal(run)


def test_full_disk_for_the_log(run: Programs, data: Path, disk: Callable) -> None:
    """Everything else that writes also reports a full disk in one line."""
    disk("size=16m")
    train(run, data, *PLAIN, *ONE_EPOCH).ok()
    with (run.runs / "filler").open("wb") as file, pytest.raises(OSError, match="space"):
        for chunk in [bytes(1 << 20)] * 20 + [bytes(512)] * 4000:
            file.write(chunk)
            file.flush()
    resume(run, "--n_epochs", "2").refused(1, "No space left")
    (run.runs / "filler").unlink()
    resume(run, "--n_epochs", "2").ok()


def test_read_only(run: Programs, data: Path, disk: Callable) -> None:
    disk("size=64m")
    train(run, data, *ONE_EPOCH).ok()
    disk("ro")
    for second in (resume(run, "--n_epochs", "2"), train(run, data, name="y")):
        second.refused(1, "Read-only file system", "checkpoints")
    disk("rw")
    resume(run, "--n_epochs", "2").ok()


def test_protected_folder(run: Programs, data: Path, after_step: Callable) -> None:
    """During the training the folder becomes immutable, even for root."""
    folder = run.runs / "x"
    after_step(3, lambda: subprocess.run(["chattr", "+i", folder], check=True, capture_output=True))
    try:
        result = train(run, data)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"chattr +i does not work here: {error}")
    finally:
        subprocess.run(["chattr", "-i", folder], check=False, capture_output=True)
    result.refused(1, "checkpoints/x", "not permitted")
    assert state(folder)["position"]["total"] == 2
    resume(run).ok()


def test_vanished_folder(run: Programs, data: Path, after_step: Callable) -> None:
    """The folder is moved away during the training: one line; moved back, the run resumes."""
    after_step(3, lambda: (run.runs / "x").rename(run.folder / "moved"))
    result = train(run, data)
    assert (result.status, result.err.count("\n")) == (1, 1) and str(run.runs.name) in result.err, (
        result.err
    )
    shutil.rmtree(run.runs / "x", ignore_errors=True)
    (run.folder / "moved").rename(run.runs / "x")
    assert state(run.runs / "x")["position"]["total"] == 2
    resume(run).ok()


# Numbers


@pytest.fixture
def poison(tmp_path: Path) -> str:
    """Return the path of a model whose loss is NaN for image a2."""
    return subclass(
        tmp_path / "poison_model.py",
        "def forward(self):",
        "    super().forward()",
        "    if self.image_paths[0].endswith('a2.png'):",
        "        self.rec_A = self.rec_A * float('nan')",
    )


def test_stop_at_bad_numbers(run: Programs, data: Path, poison: str) -> None:
    """No optimizer steps with them: the saved state is finite, and resumes by skipping the step."""
    train(run, data, "--model", poison, "--serial_batches").refused(
        1, "not finite", "A/a2.png, ", "B/b2.png;", "--lr", "Resume with: "
    )
    saved = state(run.runs / "x")
    assert saved["position"]["total"] == 2
    assert all(
        value.isfinite().all()
        for net in saved["model"]["networks"].values()
        for value in net.values()
    )
    result = resume(run, "--on_nonfinite", "skip").ok()
    assert "not finite" in result.err and "a2.png" in result.err


def test_printing_looks_for_bad_numbers(
    run: Programs, data: Path, poison: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step on a GPU does not check gradients, and the next checkpoint may be far away."""
    began = Step.__init__
    monkeypatch.setattr(
        Step,
        "__init__",
        lambda self, *args: (began(self, *args), setattr(self, "check_every_step", False))[0],
    )
    result = train(run, data, "--model", poison, "--serial_batches", "--print_freq", "3")
    result.refused(1, "not finite", "A/a2.png, ")
    assert "iters: 3" not in result.out and state(run.runs / "x")["position"]["total"] == 2


def test_skip_bad_numbers(run: Programs, data: Path, poison: str) -> None:
    result = train(run, data, "--model", poison, "--serial_batches", "--on_nonfinite", "skip").ok()
    assert len(re.findall("not finite", result.err)) == 2  # generators, once an epoch
    saved = state(run.runs / "x")
    assert all(
        value.isfinite().all()
        for net in saved["model"]["networks"].values()
        for value in net.values()
    )
    steps = [
        moments["step"].item() for moments in saved["model"]["optimizers"][0]["state"].values()
    ]
    assert set(steps) == {8.0}


def test_exploding(run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [lr] = [flag.kind for flag in schedule.FLAGS if flag.name == "lr"]
    monkeypatch.setattr(lr, "highest", 1e30)
    train(run, data, "--lr", "1e30", "--save_latest_freq", "5000").refused(
        1, "not finite", "epoch 1", ".png"
    )


def test_large_gradients_are_finite(data: Path) -> None:
    """Gradients of 1e25 are finite, though the sum of their squares is not."""
    from models.training.gradients import NonFiniteGuard

    weight = torch.nn.Parameter(torch.ones(3))
    optimizer, guard = torch.optim.SGD([weight], lr=1e-30), NonFiniteGuard(False)
    (weight * 1e25).sum().backward()
    guard.watch(optimizer, [])
    optimizer.step()
    guard.check()
    assert weight.isfinite().all() and (weight < 1).all()


@pytest.mark.parametrize("colour", ["white", "black"])
def test_constant_images(run: Programs, tmp_path: Path, colour: str) -> None:
    for path in (
        tmp_path / "plain" / folder / f"{i}.png"
        for folder in ("trainA", "trainB")
        for i in range(2)
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), colour).save(path)
    for more in ((), ("--norm", "batch"), ("--gan_mode", "wgangp")):
        result = train(run, tmp_path / "plain", *more).ok()
        assert (
            "nan" not in result.out.lower()
            and "inf" not in re.sub(r"Training.*", "", result.out).lower()
        )


# Stalls and dead workers


@pytest.mark.parametrize("item", [0, 3])
def test_stall(run: Programs, data: Path, tmp_path: Path, item: int) -> None:
    """All stacks go to stall.log, also in the very first step, and the training continues."""
    mode = subclass(
        tmp_path / "sleepy_dataset.py",
        "def __getitem__(self, index):",
        f"    time.sleep(1.6 * (index == {item}))",
        "    return super().__getitem__(index)",
        of=UNALIGNED,
    )
    train(
        run, data, *ONE_EPOCH, "--dataset_mode", mode, "--serial_batches", "--stall_timeout", "1"
    ).ok()
    text = (run.runs / "x" / "stall.log").read_text()
    assert "Timeout (0:00:01)!" in text and "sleepy_dataset.py" in text and "in train" in text


def test_no_stall(run: Programs, data: Path) -> None:
    for seconds in ("30", "0"):
        train(run, data, *ONE_EPOCH, "--stall_timeout", seconds).ok()
        assert not (run.runs / "x" / "stall.log").exists()


@pytest.mark.parametrize("during", ["waiting", "step"])
def test_killed_worker(
    run: Programs, data: Path, running: Running, tmp_path: Path, during: str
) -> None:
    """One line names the cause, whether the main process waits or computes; the state remains."""
    mode = subclass(
        tmp_path / "dying_dataset.py",
        "def __getitem__(self, index):",
        "    if index == 4:",
        f"        time.sleep({int(during == 'waiting')})",
        "        os.kill(os.getpid(), signal.SIGKILL)",
        "    return super().__getitem__(index)",
        of=UNALIGNED,
    )
    model = subclass(
        tmp_path / "slow_model.py",
        "def optimize_parameters(self):",
        "    super().optimize_parameters()",
        f"    time.sleep({0.5 * (during == 'step')})",
    )
    process = running(
        data,
        "--serial_batches",
        "--num_threads",
        "1",
        "--panel_size",
        "0",
        "--dataset_mode",
        mode,
        "--model",
        model,
    )
    process.join(60)
    last = running.output.read_text().splitlines()[-1]
    assert process.exitcode == 1 and "Traceback" not in running.output.read_text(), (
        running.output.read_text()
    )
    assert (
        last.startswith("error: a process that loads images has died")
        and "Killed" in last
        and "--num_threads 1" in last
    )
    assert state(run.runs / "x")["position"]["total"] >= 2

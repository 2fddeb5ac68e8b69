"""scripts/demo.py: the commands that it runs, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import QUIET, ROOT, Programs

from options.train_options import TrainOptions
from scripts import demo

QUICK = ("--n_epochs", "1", "--max_dataset_size", "2", "--ngf", "4", "--ndf", "4", *QUIET)


def test_commands(run: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options go to the right programs, and those of the user take the place of the demo's."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(demo, "run", lambda *words: commands.append(words))
    run.call(demo.main, "demo.py").ok()
    words = ("--seed", "3", "--ema", "0", "--name", "x", "--folder", "a b", "--lr", "0.1")
    out = run.call(demo.main, "demo.py", *words).ok().out
    first, second = commands[:3], commands[3:]
    assert [program for program, *_ in first] == ["train.py", "test.py", "scripts/evaluate.py"]
    by_default, given = (
        TrainOptions().gather_options(list(part[0][1:])) for part in (first, second)
    )
    assert (by_default.seed, by_default.name, by_default.lr) == (1, "atlas", 0.001)
    assert (by_default.batch_size, by_default.n_epochs, by_default.upsample_B) == (2, 12, "resize")
    assert by_default.ema == 0.998 and "--ema" in first[1]
    assert (given.seed, given.name, given.lr) == (3, "x", 0.1)
    assert given.ema == 0 and "--ema" not in second[1]
    assert given.checkpoints_dir == str(run.folder / "a b" / "checkpoints")
    images = run.folder / "a b" / "results" / "x" / "test_latest" / "images"
    assert f"{images}:fake_B" in second[2] and "photo to map" in second[2]
    assert f"Results page:  {images.parent / 'index.html'}" in out


def test_a_program_that_fails_ends_the_demo(capfd: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        demo.run("train.py", "--no_such_option")
    assert end.value.code == 2 and "--no_such_option" in capfd.readouterr().err


def start(folder: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "--folder", str(folder), *more]
    return subprocess.Popen(
        command, cwd=folder.parent, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """All three programs run, from another folder, into one whose name holds a space."""
    folder = tmp_path / "a b"
    process = start(folder, *QUICK)
    out = process.communicate()[0]
    assert process.returncode == 0 and "photo to map: result" in out
    assert "latest_net_G_A_ema.pth" in out
    pages = [line.split(":", 1)[1].strip() for line in out.splitlines()[-2:]]
    assert all(Path(page).is_file() for page in pages)
    assert "PSNR" in (Path(pages[1]).parent / "metrics.js").read_text()


@pytest.mark.slow
def test_interrupted_demo(tmp_path: Path) -> None:
    """On Ctrl-C the training saves and prints how to resume; nothing else is started."""
    process = start(tmp_path / "x", *QUICK, "--n_epochs", "10000")
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("End of epoch 1 "):
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    assert "Resume with: python train.py --continue_train --name atlas" in lines[-1]

"""Programs without what Windows lacks: fork, fcntl, resource, most signals, UTF-8 by default."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from scripts.evaluation.pairs import split_source
from scripts.maintenance import sessions
from util import lock
from util.errors import UserError
from util.lock import Lock

LIKE_WINDOWS = {
    "PYTHONPATH": str(ROOT / "tests" / "fixtures" / "like_windows"),
    "PROJECT_ROOT": str(ROOT),
    "PYTHONIOENCODING": "cp1252",
    "PYTHONWARNDEFAULTENCODING": "1",
}


def call(program: str, *words: str | Path) -> str:
    """Run a program; return what it printed. Characters that cp1252 lacks are escaped."""
    command = [sys.executable, str(ROOT / program), *map(str, words)]
    environment = os.environ | LIKE_WINDOWS
    done = subprocess.run(command, env=environment, capture_output=True, encoding="cp1252")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "EncodingWarning" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demo(tmp_path: Path) -> None:
    """It trains, tests and measures, with a spawned worker, in a folder with a drive's name."""
    folder, data = tmp_path / "C:\\a b", tmp_path / "C:\\data" / "testA"
    words = ("--n_epochs", "1", "--max_dataset_size", "2", "--ngf", "4", "--ndf", "4")
    out = call("scripts/demo.py", "--folder", folder, *words, "--num_threads", "1")
    assert "photo to map: result" in out
    run = folder / "checkpoints" / "atlas"
    assert (run / "latest_net_G_A.pth").is_file() and not (run / ".lock").exists()

    data.mkdir(parents=True)
    picture = next((ROOT / "datasets" / "atlas" / "testA").iterdir())
    (data / "1→2.png").write_bytes(picture.read_bytes())
    common = ("--name", "atlas", "--checkpoints_dir", run.parent)
    call("scripts/translate.py", *common, "--input", data, "--output", tmp_path / "D:\\out")
    assert (tmp_path / "D:\\out" / "1→2.png").is_file()
    config = tmp_path / "config.json"
    options = {"dataroot": str(data), "model": "test", "results_dir": str(tmp_path / "E:\\r")}
    config.write_text(json.dumps(options), encoding="utf-8")
    call("test.py", *common, "--config", config)
    assert (tmp_path / "E:\\r" / "atlas" / "test_latest" / "images" / "1→2_fake.png").is_file()
    call(
        "scripts/plot.py",
        "--checkpoints_dir",
        run.parent,
        "--runs",
        "atlas",
        "--output",
        tmp_path / "p.svg",
    )


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("C:\\images", ("C:\\images", "")),
        ("C:\\images:fake_B", ("C:\\images", "fake_B")),
        ("C:/images:fake_B", ("C:/images", "fake_B")),
        ("images", ("images", "")),
    ],
)
def test_a_drive_is_no_folder_with_a_label(source: str, parts: tuple[str, str]) -> None:
    assert split_source(source) == parts


def test_the_lock_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It locks a byte far behind the text, which others may read, and closes before it removes."""
    held: list[tuple[int, int]] = []

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(file: int, mode: int, count: int) -> None:
            place = (os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR))
            if place in held:
                raise PermissionError(13, "Permission denied")
            held.append(place)

    for name, value in {"fcntl": None, "msvcrt": Msvcrt, "WINDOWS": True}.items():
        monkeypatch.setattr(lock, name, value)
    first = Lock(tmp_path / "x")
    assert held[0][1] == lock.FAR and (tmp_path / "x" / ".lock").stat().st_size < 1000
    with pytest.raises(UserError, match=f"another training runs in .*: process {os.getpid()} on"):
        Lock(tmp_path / "x")
    file, first.begun = first.file, True
    first.close()
    assert file and file.closed and not (tmp_path / "x" / ".lock").exists()


def test_programs_that_need_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sessions.forkserver([]) is not None
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    launcher = sessions.forkserver([])
    with pytest.raises(UserError, match="check_gpu.py needs Linux or macOS"):
        sessions.need_fork("check_gpu.py", launcher)

"""Project folders: our sources with the files of a fork over them, and programs that run there.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Result, picture, pictures
from PIL import Image

FIXTURES = ROOT / "tests" / "fixtures" / "projects"
FOLDERS = ("data", "models", "options", "util")
# A whole description of the networks and images, as official commands need it in tests, too
ARCHITECTURE = (
    "--gpu_ids", "-1", "--netG", "resnet_6blocks", "--ngf", "2", "--ndf", "2", "--no_dropout",
    "--load_size", "34", "--crop_size", "32", "--num_threads", "0",
)  # fmt: skip
OFTEN = ("--print_freq", "1", "--display_freq", "1", "--update_html_freq", "1")
OFTEN += ("--save_epoch_freq", "1", "--display_id", "0")
CPU_ONLY = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # scripts of 2025 take a GPU if there is one
Runner = Callable[[Path, list[str]], Result]


class Server:
    """Runs programs in forks of ``tests/fork_server.py``: importing PyTorch takes seconds."""

    def __init__(self) -> None:
        command = [sys.executable, str(ROOT / "tests" / "fork_server.py")]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=CPU_ONLY)

    def run(self, folder: Path, argv: list[str]) -> Result:
        out, err = folder / ".out", folder / ".err"
        job = {"folder": str(folder), "argv": argv, "out": str(out), "err": str(err)}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        result = Result(status, out.read_text(), err.read_text())
        out.unlink()
        err.unlink()
        return result


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.communicate()


def own_process(folder: Path, argv: list[str]) -> Result:
    """Run a program of ``folder`` in a fresh process, as a user does."""
    command = [sys.executable, *argv]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=CPU_ONLY)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of our sources, compiled once for all projects."""
    folder = tmp_path_factory.mktemp("sources")
    # test_plugins.py puts legacy_*.py into these folders for a while
    ignored = shutil.ignore_patterns("__pycache__", "legacy_*")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("train.py", "test.py"):
        shutil.copy(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=1)
    return folder


class Project:
    """A copy of our sources in ``folder``, with the files of ``forks`` over them.

    Args:
        forks: names of folders in tests/fixtures/projects.
        run: runs the words of a command line in a folder.
        sources: a folder with our sources, see :func:`sources`.
    """

    def __init__(self, folder: Path, forks: list[str], run: Runner, sources: Path) -> None:
        self.folder, self.run = folder, run
        self.runs, self.results = folder / "checkpoints", folder / "results"
        shutil.copytree(sources, folder, dirs_exist_ok=True)
        for fork in forks:
            for source in (FIXTURES / fork).rglob("*.py"):
                target = folder / source.relative_to(FIXTURES / fork)
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)

    def __call__(self, *argv: object) -> str:
        """Run a program, which has to succeed; returns its output."""
        result = self.run(self.folder, [str(word) for word in argv])
        assert result.status == 0, result.err + result.out
        assert "Traceback" not in result.err, result.err
        return result.out

    def weights(self, name: str, epoch: str | int = "latest") -> dict[str, torch.Tensor]:
        """All weights of an epoch, by network and key."""
        start = f"{epoch}_net_"
        return {
            f"{path.stem.removeprefix(start)}.{key}": value
            for path in sorted((self.runs / name).glob(f"{start}*.pth"))
            for key, value in torch.load(path, weights_only=True).items()
        }

    def log(self, name: str) -> list[tuple[int, int]]:
        """Of each line of loss_log.txt: epoch and iters."""
        lines = re.findall(r"\(epoch: (\d+), iters: (\d+), time: ", self.log_text(name))
        return [(int(epoch), int(iters)) for epoch, iters in lines]

    def log_text(self, name: str) -> str:
        text = (self.runs / name / "loss_log.txt").read_text()
        assert "nan" not in text
        return text

    def losses(self, name: str) -> list[str]:
        """Names of the losses, which are the same in all lines of loss_log.txt."""
        rests = re.findall(r"data: .*?\)(.*)", self.log_text(name))
        [names] = {tuple(re.findall(r"(\w+): -?\d+\.\d{3}\b", rest)) for rest in rests}
        return list(names)

    def shown(self, name: str) -> set[str]:
        """Names of the images of a training, without those of our panel."""
        assert (self.runs / name / "web" / "index.html").is_file()
        paths = (self.runs / name / "web" / "images").iterdir()
        return {path.name for path in paths if "panel" not in path.name}

    def pictures(self, name: str, page: str = "test_latest") -> set[str]:
        """Names of the images in a results folder, whose page shows all of them."""
        folder = self.results / name / page
        names = {path.name for path in (folder / "images").iterdir()}
        html = (folder / "index.html").read_text()
        assert [picture for picture in names if picture not in html] == []
        return names


def rates(out: str) -> dict[int, list[float]]:
    """Epoch -> learning rates, from lines "epoch 3 trained with 0.0002 0.0002"."""
    lines = re.findall(r"^epoch (\d+) trained with (.*)$", out, re.MULTILINE)
    return {int(epoch): [float(rate) for rate in rest.split()] for epoch, rest in lines}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Names of the networks of which some weight differs."""
    assert before.keys() == after.keys() and before
    return {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two items in each folder of the sets images, with masks, cubes and pairs."""
    root = tmp_path_factory.mktemp("sets")
    for seed, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        names = [f"{folder[-1].lower()}{i}" for i in range(2)]
        pictures(root / "images" / folder, [f"{name}.png" for name in names], seed)
        (root / "images" / f"{folder}_mask").mkdir()
        (root / "cubes" / folder).mkdir(parents=True)
        for i, name in enumerate(names):
            mask = np.zeros((40, 40), np.uint8)
            mask[8:30, 5 + 5 * i : 25] = 255
            Image.fromarray(mask).save(root / "images" / f"{folder}_mask" / f"{name}.png")
            cube = np.random.default_rng([seed, i]).random((36, 40, 5))
            np.save(root / "cubes" / folder / f"{name}.npy", cube)
    for seed, name in enumerate(("train/p0", "train/p1", "test/p0", "test/p1")):
        picture(root / "pairs" / f"{name}.png", seed, (80, 40))
    return root

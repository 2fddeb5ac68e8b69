"""Small image sets, and train.py and test.py run inside the test process as a user runs them."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: the tests themselves run on all cores
FSYNC, os.fsync = (
    os.fsync,
    lambda handle: None,
)  # waiting for the disk, thousands of times, is for crashes of machines
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# On the CPU, without visdom, in this process; and networks that train a step in a few milliseconds.
QUIET = ("--gpu_ids", "-1", "--display_id", "0", "--num_threads", "0")
TINY = (
    *QUIET,
    "--netG",
    "resnet_6blocks",
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--load_size",
    "34",
    "--crop_size",
    "32",
)
ONE_EPOCH = ("--n_epochs", "1", "--n_epochs_decay", "0", "--seed", "1")
CPU = ("--gpu_ids", "-1")


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (40, 40), mode: str = "RGB") -> Path:
    """Write a smooth random image of ``size`` (width, height)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


def pictures(
    folder: Path, names: list[str], seed: int = 0, size: tuple[int, int] = (40, 40)
) -> Path:
    """Write one image for each name, all different."""
    for i, name in enumerate(names):
        picture(folder / name, seed * 1000 + i, size)
    return folder


@pytest.fixture(scope="session")
def unaligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trainA 4, trainB 5, testA 2, testB 3 images of 40x40. Not to be written to."""
    root = tmp_path_factory.mktemp("unaligned")
    for seed, (folder, count) in enumerate(
        {"trainA": 4, "trainB": 5, "testA": 2, "testB": 3}.items()
    ):
        pictures(root / folder, [f"{folder[-1].lower()}{i}.png" for i in range(count)], seed)
    return root


@pytest.fixture(scope="session")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train 3, test 2 pairs of 80x40. Not to be written to."""
    root = tmp_path_factory.mktemp("aligned")
    for seed, (folder, count) in enumerate({"train": 3, "test": 2}.items()):
        pictures(root / folder, [f"p{i}.png" for i in range(count)], 10 + seed, (80, 40))
    return root


@dataclass
class Result:
    """The exit status of a program and its output."""

    status: int
    out: str
    err: str

    def ok(self) -> Result:
        assert self.status == 0, self.err
        return self

    def refused(self, status: int, *words: object) -> Result:
        """Assert that it ended with ``status`` and one line on stderr that holds ``words``."""
        assert (self.status, self.err.count("\n")) == (status, 1), (self.status, self.err)
        assert self.err.startswith("error: ")
        assert "Traceback" not in self.out + self.err
        for word in map(str, words):
            assert word in self.err, f"{word!r} is missing in: {self.err}"
        return self


class Programs:
    """Runs programs in ``folder``, so that their ./checkpoints and ./results lie there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "checkpoints"
        self.results = folder / "results"

    def train(self, *args: object) -> Result:
        import train

        return self.call(train.main, "train.py", *args)

    def test(self, *args: object) -> Result:
        import test

        return self.call(test.main, "test.py", *args)

    def check(self, *args: object) -> Result:
        from scripts import check_data

        return self.call(check_data.main, "check_data.py", *args)

    def call(self, main: Callable[[], None], *argv: object) -> Result:
        """Anything but SystemExit goes through: a user would see a traceback."""
        import torch

        from util.console import run_main
        from util.training_process import STOP_SIGNALS

        before = sys.argv, torch.get_num_threads(), os.getcwd()
        handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        out, err, status = io.StringIO(), io.StringIO(), 0
        sys.argv = [str(a) for a in argv]
        torch.set_num_threads(1)  # faster for tiny networks
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                run_main(main)
        except SystemExit as end:  # as the interpreter treats it
            if isinstance(end.code, str):
                err.write(end.code + "\n")
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.argv = before[0]
            torch.set_num_threads(before[1])
            os.chdir(before[2])
            for (
                number,
                handler,
            ) in handlers.items():  # a training notes these signals instead of dying of them
                signal.signal(number, handler)
        return Result(status, out.getvalue(), err.getvalue())

    def files(self) -> set[str]:
        """All files and folders in the working folder."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*")}


@pytest.fixture
def run(tmp_path: Path) -> Programs:
    """Programs in an empty folder of this test's own."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Programs(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where PyTorch sees no CUDA GPU."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU"))


@cache
def in_project(file: str) -> bool:
    return ROOT in Path(file).resolve().parents


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    """Forget the plug-in modules of models/ and data/ that a test has imported."""
    yield
    for name, module in list(sys.modules.items()):
        package, _, attribute = name.partition(".")
        if package not in ("models", "data") or not attribute:
            continue
        file = getattr(module, "__file__", None) or str(ROOT)
        if not os.path.exists(file) or not in_project(file):
            del sys.modules[name]
            if getattr(sys.modules.get(package), attribute, None) is module:
                delattr(sys.modules[package], attribute)

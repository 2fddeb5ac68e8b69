"""Worker processes that are spawned, cannot be started, cannot send, or run a faulty dataset."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs
from samples import options

from data import create_dataset, find_dataset_using_name
from data.pipeline import worker
from util.errors import UserError
from util.plugins import find_class

DATASET = """
import os
from pathlib import Path
from data.unaligned_dataset import UnalignedDataset

with Path(__file__).with_suffix(".txt").open("a") as file:
    print(os.getpid(), file=file)


class MineDataset(UnalignedDataset):
    def __init__(self, opt):
        super().__init__(opt)
        self.note = Note()


class Note:
    pass
"""
MODEL = """
import os
from pathlib import Path
from models.cycle_gan_model import CycleGANModel

with Path(__file__).with_suffix(".txt").open("a") as file:
    print(os.getpid(), file=file)


class MineModel(CycleGANModel):
    def __init__(self, opt):
        super().__init__(opt)
        opt.note = Note()


class Note:
    pass
"""


def write(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.fixture
def spawned() -> Iterator[None]:
    """Start processes as on Windows and macOS."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.usefixtures("spawned")
def test_spawned_workers_import_files_once(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """A model and a dataset that are files run once in each process, and are pickled."""
    files = [write(tmp_path / "x", f"mine_{kind}.py", text) for kind, text in TEXTS.items()]
    args = ("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--panel_size", "1")
    args += ("--model", files[0], "--dataset_mode", files[1], "--num_threads", "1")
    run.train(*args).ok()
    for file in files:
        processes = Path(file).with_suffix(".txt").read_text().split()
        assert len(processes) == len(set(processes)) == 2 and str(os.getpid()) in processes


TEXTS = {"model": MODEL, "dataset": DATASET}


def test_files_of_one_name(tmp_path: Path) -> None:
    """Files with the name of another file, or of one of ours, are modules of their own."""
    one, other = (write(tmp_path / x, "mine_dataset.py", DATASET) for x in ("x", "y"))
    text = DATASET.replace("Mine", "Unaligned").replace("(Unaligned", "(Official")
    text = text.replace("import UnalignedDataset", "import UnalignedDataset as OfficialDataset")
    third = write(tmp_path, "unaligned_dataset.py", text)
    classes = [find_class("dataset", file) for file in (one, other, one, third)]
    assert classes[0] is classes[2] and len({*classes}) == 3
    ours = find_dataset_using_name("unaligned")
    assert all(issubclass(found, ours) and found is not ours for found in classes)


def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    fork, calls = os.fork, []

    def limited() -> int:
        calls.append(1)
        if len(calls) > 1:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", limited)


def no_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", refused)


def no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space")

    monkeypatch.setattr(worker, "default_collate", refused)


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="replaces os.fork")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (no_processes, "--num_threads 2: .*Resource temporarily unavailable.*or 0 to load"),
        (no_semaphores, "--num_threads 2: .*Read-only file system.*/dev/shm.*or 0 to load"),
        (no_shared_memory, "allocate shared memory.*--shm-size.*or 0 to load"),
    ],
)
def test_workers_cannot_be_made(
    fault: Callable,
    words: str,
    unaligned: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    """One line; nothing else is printed, and no process stays behind."""
    loader = create_dataset(options(dataroot=str(unaligned), num_threads=2))
    fault(monkeypatch)
    with pytest.raises(UserError, match=words) as error:
        next(iter(loader))
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    del error
    loader.close()
    assert "Traceback" not in capfd.readouterr().err
    for process in multiprocessing.active_children():
        process.join(5)
    assert not multiprocessing.active_children()


def test_an_error_of_a_dataset_is_its_own(unaligned: Path, tmp_path: Path) -> None:
    """A custom dataset's exception keeps its traceback; no process has died of it."""
    text = DATASET + "\n    def pixels(self, index):\n        raise RuntimeError('my own bug')\n"
    text = text.replace("class Note:\n    pass\n", "").replace("Note()", "None")
    mode = write(tmp_path, "mine_dataset.py", text)
    changes = {"dataroot": str(unaligned), "dataset_mode": mode, "num_threads": 1}
    loader = create_dataset(options(**changes))
    with pytest.raises(RuntimeError, match="my own bug") as error:
        next(iter(loader))
    from data.pipeline.processes import worker_error

    assert worker_error(error.value, 1) is None
    loader.close()


def test_a_dataset_without_items(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    text = DATASET.replace("        self.note = Note()", "    def __len__(self):\n        return 0")
    mode = write(tmp_path, "mine_dataset.py", text)
    args = ("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, "--dataset_mode", mode)
    run.train(*args).refused(1, f"--dataset_mode {mode}: the dataset has no items")
    assert not list((run.runs / "x").glob("*.pth"))

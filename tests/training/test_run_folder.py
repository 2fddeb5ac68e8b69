"""The folder of a run: moved during the training, full of links, and after a start that failed."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from steps import options
from survival import equal, resume, state, subclass, train

from models import create_model
from models.training.run import Lock
from util.errors import UserError

pytest_plugins = ["survival"]
Usage = namedtuple("Usage", "total used free")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# A folder that is moved


@pytest.mark.parametrize("taken", ["", "folder", "run"])
def test_a_moved_run(
    run: Programs, data: Path, whole: Path, after_step: Callable, taken: str
) -> None:
    """One line names both places, nothing appears at the old one, and the run can continue.

    Args:
        taken: what lies at the old place then: nothing, a new folder, or another run.
    """
    old, new = run.runs / "x", run.runs / "moved"
    before: dict[str, bytes] = {}

    def move() -> None:
        old.rename(new)
        if taken == "run":
            shutil.copytree(whole, old)
        elif taken:
            (old / "web" / "images").mkdir(parents=True)
        before.update(contents(old))

    after_step(5, move)
    train(run, data, "--save_latest_freq", "1").refused(1, "checkpoints/x was moved to", new)
    assert contents(old) == before and old.exists() == bool(taken)
    shutil.rmtree(old, ignore_errors=True)
    new.rename(old)
    resume(run).ok()
    assert state(old)["position"]["epoch"] == 3
    assert equal(run)


def test_a_removed_run(run: Programs, data: Path, after_step: Callable) -> None:
    after_step(5, lambda: shutil.rmtree(run.runs / "x"))
    train(run, data).refused(1, "checkpoints/x was removed")
    assert not (run.runs / "x").exists()


def test_a_run_moved_while_it_is_saved(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-written file goes with the folder, and is removed when the run is resumed."""
    old, new, save = run.runs / "x", run.runs / "moved", torch.save

    def move(value: dict, file: object) -> None:
        save(value, file)
        if value.get("position", {}).get("seen") == 4:
            old.rename(new)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", move)
        train(run, data).refused(1, "checkpoints/x was moved to", new)
    assert not old.exists()
    new.rename(old)
    resume(run).ok()
    assert not list(old.glob(".*"))


def test_a_custom_save_of_a_moved_run(run: Programs, data: Path, after_step: Callable) -> None:
    """A model with its own save_networks() is saved in this thread."""
    lines = "def save_networks(self, epoch):", "    super().save_networks(epoch)"
    model = subclass(run.folder / "own_model.py", *lines)
    after_step(5, lambda: (run.runs / "x").rename(run.runs / "moved"))
    train(run, data, "--model", model).refused(1, "was moved to", run.runs / "moved")
    assert not (run.runs / "x").exists()


def test_a_link_that_points_elsewhere(run: Programs, data: Path, after_step: Callable) -> None:
    """The folder may be a link, as long as the link stays."""
    for name in ("disk1/x", "disk2/x", "checkpoints"):
        (run.folder / name).mkdir(parents=True)
    (run.runs / "x").symlink_to(run.folder / "disk1" / "x")

    def relink() -> None:
        (run.runs / "x").unlink()
        (run.runs / "x").symlink_to(run.folder / "disk2" / "x")

    after_step(5, relink)
    train(run, data).refused(1, "checkpoints/x was moved to", run.folder / "disk1" / "x")
    assert not list((run.folder / "disk2" / "x").iterdir())


def test_the_lock_of_another_training(tmp_path: Path) -> None:
    """Without its .lock a training continues, until another one takes the folder."""
    first = Lock(tmp_path / "x")
    first.begun = True
    (tmp_path / "x" / ".lock").unlink()
    first.check()
    (tmp_path / "x" / ".lock").write_text("{}")
    with pytest.raises(UserError, match="another training runs"):
        first.check()
    first.close()
    assert (tmp_path / "x" / ".lock").exists()  # the other one holds it


# Links


NAMES = (".lock", "loss_log.txt", "metrics.jsonl", "web/data.js", "web/index.html", "state.pth")
NAMES += ("train_opt.txt", "train_opt.json", "latest_net_G_A.pth", "best.json", ".saving.json")
NAMES += ("web/images/epoch001_fake_B.png", "stall.log", "state_20260101_000000.pth")


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_a_file(run: Programs, data: Path, name: str) -> None:
    """It is named, and what it points to stays as it is."""
    mine = run.folder / "mine.txt"
    mine.write_text("precious")
    link = run.runs / "x" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    train(run, data).refused(1, f"checkpoints/x/{name} is a link to {mine}")
    assert mine.read_text() == "precious" and link.is_symlink()
    assert [path for path in (run.runs / "x").rglob("*") if not path.is_dir()] == [link]


@pytest.mark.parametrize("name", ["web", "web/images", "tensorboard", "state.pth"])
def test_other_things_in_place_of_files(run: Programs, data: Path, name: str) -> None:
    """Links to folders, broken links, and a pipe, at which a training would wait for ever."""
    place = run.runs / "x" / name
    place.parent.mkdir(parents=True)
    (run.folder / "mine").mkdir()
    place.symlink_to(run.folder / "mine")
    train(run, data).refused(1, f"checkpoints/x/{name} is a link")
    place.unlink()
    place.symlink_to("nowhere")
    train(run, data).refused(1, f"checkpoints/x/{name} is a link")
    place.unlink()
    os.mkfifo(place)
    train(run, data).refused(1, f"checkpoints/x/{name} is not a regular file")
    assert not list((run.folder / "mine").iterdir())


def test_a_file_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary files of a training that runs there vanish while its folder is searched."""
    page = tmp_path / "web" / ".index.html.12345678"
    page.parent.mkdir()
    page.touch()
    walk = os.walk

    def walk_slowly(top: Path) -> list:
        found = list(walk(top))
        page.unlink(missing_ok=True)
        return found

    monkeypatch.setattr("os.walk", walk_slowly)
    from util import lock

    lock.refuse_links(tmp_path)


def test_links_that_are_fine(run: Programs, data: Path, tmp_path: Path) -> None:
    """checkpoints_dir, the run's folder, and files that no training writes."""
    for name in ("disk", "disk2"):
        (tmp_path / name).mkdir()
    run.runs.symlink_to(tmp_path / "disk")
    (run.runs / "x").symlink_to(tmp_path / "disk2")
    (run.runs / "x" / "notes.txt").symlink_to("nowhere")
    train(run, data).ok()
    resume(run, "--n_epochs", "3").ok()
    assert (tmp_path / "disk2" / "state.pth").is_file()


# A start that fails, and the end


@pytest.mark.parametrize(
    "wrong",
    [
        ("--init_G_A", "nothing.pth"),
        ("--panel", "nothing.png"),
        ("--phase", "nothing"),
        ("--model", "nothing"),
    ],
)
def test_a_failed_start(run: Programs, data: Path, wrong: tuple[str, str]) -> None:
    """It leaves nothing behind; in the folder of an earlier run everything stays as it was."""
    args = ("--dataroot", data, "--name", "a/b/x", *TINY, *ONE_EPOCH)
    assert run.train(*args, *wrong).status
    assert not run.runs.exists()
    run.train(*args).ok()
    before = contents(run.runs)
    assert run.train(*args, *wrong).status
    assert contents(run.runs) == before


def test_no_lock_is_left(run: Programs, data: Path) -> None:
    """Also after a training that ended well."""
    train(run, data).ok()
    assert not (run.runs / "x" / ".lock").exists()


# States of earlier runs, and the disk


def test_earlier_states_do_not_pile_up(run: Programs, data: Path, after_step: Callable) -> None:
    """The last one and the longest two stay; a run that trained nothing leaves none."""
    args = ("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, "--no_html")
    folder, numbers = run.runs / "x", []
    run.train(*args, "--n_epochs", "3").ok()
    for _ in range(5):
        numbers.append(state(folder)["number"])
        result = run.train(*args).ok()
    kept = {path: torch.load(path, weights_only=True) for path in folder.glob("earlier_*.pth")}
    assert len(kept) == 3
    assert numbers[0] in {saved["number"] for saved in kept.values()}  # three epochs
    assert numbers[-1] in {saved["number"] for saved in kept.values()}
    assert result.out.count("Removed earlier_") == 1 and result.out.count("kept as earlier_") == 1

    (folder / "earlier_mine.pth").write_bytes(b"")  # files that were given other names stay
    initial = state(folder) | {"position": {"epoch": 1, "total": 0}}
    torch.save(initial, folder / "state.pth")
    run.train(*args).ok()
    assert {*folder.glob("earlier_*.pth")} == {*kept, folder / "earlier_mine.pth"}


@pytest.mark.parametrize("free", [10**6, 10**9])
def test_a_full_disk_is_announced(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    """Before the first step, of a new run and of a resumed one; --dry_run shows it, too."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - free, free))
    args = ("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH)
    result = run.train(*args, "--n_epochs", "2", "--save_epoch_freq", "1", "--keep", "1").ok()
    words = "warning: --checkpoints_dir ./checkpoints: the saves of this training need about "
    assert result.err.count(words) == (free < 10**9)
    assert ("(3 sets of weights" in result.err) == ("2 training states" in result.err)
    assert ("(3 sets of weights" in result.err) == (free < 10**9)
    result = resume(run, "--n_epochs", "4").ok()
    assert result.err.count(words) == (free < 10**9)
    result = run.train(*args, "--dry_run")
    assert result.out.count("which do not suffice") == (free < 10**9)


def test_the_budget_is_that_of_real_saves(run: Programs, data: Path) -> None:
    """The estimate before the first step, and the files after the last one."""
    from models.training.disk import budget, expected_state

    opt = options(*TINY, "--name", "x", "--checkpoints_dir", str(run.runs), "--val_freq", "1")
    opt.n_epochs, opt.n_epochs_decay, opt.save_epoch_freq, opt.keep = 2, 0, 1, 1
    model = create_model(opt)
    saves = budget(opt, model, expected_state(model), 5)
    more = ("--save_epoch_freq", "1", "--keep", "1", "--val_freq", "1", "--val_share", "0.3")
    train(run, data, *more, "--pool_size", "50").ok()
    files = list((run.runs / "x").glob("*.pth"))
    assert len(list((run.runs / "x").glob("*_net_G_A.pth"))) == saves.sets == 4
    assert len(files) == 4 * saves.sets + saves.states
    taken = sum(path.stat().st_size for path in files)
    pools = 2 * 50 * 3 * 32 * 32 * 4 * saves.states  # they are not full after ten steps
    assert 0.8 * taken < saves.kept < 1.1 * taken + pools
    after = budget(opt, model, expected_state(model), 5, epoch=2)
    assert after.sets == 3 and after.replaced > saves.set_size


def test_a_failed_start_of_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 1 may be the first that creates the folder, and the first or the last that ends."""
    from util.training_process import Watchdog

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    folder = tmp_path / "exp" / "x"
    for last in (0, 1):
        monkeypatch.setenv("RANK", "1")
        watchdog = Watchdog(folder, 60)
        monkeypatch.setenv("RANK", "0")
        lock = Lock(folder)
        for part in (watchdog, lock) if last == 0 else (lock, watchdog):
            part.close()
        assert not folder.exists()

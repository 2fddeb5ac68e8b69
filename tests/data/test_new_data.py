"""A resumed run refuses a dataset with other files, unless --accept_new_data is given."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Programs, picture
from survival import equal, interrupt, resume, state

pytest_plugins = ["survival"]
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "added": (lambda data: picture(data / "trainA" / "a9.png"), "A_paths: 4 -> 5"),
    "removed": (
        lambda data: (data / "trainB" / "b0.png").unlink(),
        "items: 5 -> 4, B_paths: 5 -> 4",
    ),
    "renamed": (
        lambda data: (data / "trainB" / "b0.png").rename(data / "trainB" / "c.png"),
        "B_paths: other names",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed(run: Programs, data: Path, after_step: Callable, change: str) -> None:
    """Refused without changing the run; accepted on request, then for all later resumes."""
    interrupt(run, data, after_step)
    files = {path: path.read_bytes() for path in (run.runs / "x").rglob("*") if path.is_file()}
    what, words = CHANGES[change]
    what(data)
    resume(run, "--print_freq", "2").refused(1, words, data, "--accept_new_data")
    assert {
        path: path.read_bytes() for path in (run.runs / "x").rglob("*") if path.is_file()
    } == files
    assert (
        f"The training images are new from here on: {words}"
        in resume(run, "--accept_new_data").ok().out
    )
    assert state(run.runs / "x")["position"]["epoch"] == 3
    assert "new" not in resume(run, "--n_epochs", "3").ok().out


def test_fewer_than_seen(run: Programs, data: Path, after_step: Callable) -> None:
    """The epoch ends at once if more images were seen than there are now."""
    interrupt(run, data, after_step, step=5)  # saved after four images
    for path in [*(data / "trainA").iterdir(), *(data / "trainB").iterdir()]:
        if path.stem[1] > "1":
            path.unlink()
    assert "End of epoch 2 / 2" in resume(run, "--accept_new_data").ok().out


def test_moved(
    run: Programs, data: Path, whole: Path, after_step: Callable, tmp_path: Path
) -> None:
    """The dataset may move."""
    interrupt(run, data, after_step)
    shutil.move(data, tmp_path / "elsewhere")
    assert (
        "Changed for the rest of the run: --dataroot"
        in resume(run, "--dataroot", tmp_path / "elsewhere").ok().out
    )
    assert equal(run)

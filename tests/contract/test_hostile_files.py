"""Files that would run code, damaged states and markers, half-written files."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, Programs
from survival import interrupt, resume, state, train

pytest_plugins = ["survival"]


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "save", [lambda value, file: pickle.dump(value, file), torch.save], ids=["pickle", "torch"]
)
@pytest.mark.parametrize("name", ["state.pth", "latest_net_G_A.pth"])
def test_code_is_refused(
    run: Programs, data: Path, tmp_path: Path, name: str, save: Callable
) -> None:
    """It would make a folder."""
    train(run, data, *ONE_EPOCH).ok()
    folder = run.runs / "x"
    if name != "state.pth":
        (folder / "state.pth").unlink()
    with (folder / name).open("wb") as file:
        save({"number": Evil(tmp_path / "created")}, file)
    resume(run).refused(1, name, "holds code")
    (folder / ".saving.json").write_text(
        '{"number": "1", "names": ["latest"]}'
    )  # as if a save had been cut off
    resume(run).refused(1, name, "holds code")
    assert not (tmp_path / "created").exists()


def test_hostile_marker(run: Programs, data: Path) -> None:
    train(run, data, *ONE_EPOCH).ok()
    number = state(run.runs / "x")["number"]
    (run.runs / "x" / ".saving.json").write_text(
        json.dumps({"number": number, "names": ["../../elsewhere"]})
    )
    resume(run).refused(1, "outside")
    assert not list(run.folder.glob("*.pth"))


def test_other_states(run: Programs, data: Path) -> None:
    """Of another program, or written by hand."""
    train(run, data, *ONE_EPOCH).ok()
    folder = run.runs / "x"
    log = (folder / "loss_log.txt").read_bytes()
    for value in (
        [],
        {},
        {"position": 3},
        {"position": {"epoch": "x"}},
        {"number": "", "model": {}},
    ):
        torch.save(value, folder / "state.pth")
        resume(run).refused(1, "state.pth")
        assert (folder / "loss_log.txt").read_bytes() == log
    for name, model in (("latest", {}), ("best", {"networks": {}})):
        torch.save({"number": "", "model": model}, folder / "state.pth")
        (folder / ".saving.json").write_text(f'{{"number": "", "names": ["{name}"]}}')
        resume(run).refused(1, "state.pth", ".saving.json")


def test_half_written_files_are_removed(run: Programs, data: Path, after_step: Callable) -> None:
    interrupt(run, data, after_step)
    for name in (
        ".state.pth.abcd_123",
        ".latest_net_G_A.pth.abcd1234",
        ".train_opt.txt.a2345678",
        "web/.index.html.x2345678",
    ):
        (run.runs / "x" / name).write_bytes(b"half")
    (run.runs / "x" / ".mine").write_bytes(b"stays")
    resume(run).ok()
    assert {p.name for p in (run.runs / "x").rglob(".*")} == {".mine"}

"""A run that cannot start at its place."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from conftest import Programs
from survival import train

from models.base_model import BaseModel
from models.training import run as run_module

pytest_plugins = ["survival"]


def test_a_run_moved_before_it_began(
    run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written at the old place while the start goes through its last parts."""
    old, new, create = run.runs / "x", run.runs / "moved", run_module.create_model

    def move(opt: Namespace) -> BaseModel:
        old.rename(new)
        return create(opt)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "create_model", move)
        train(run, data).refused(1, "checkpoints/x was moved to", new, "start again")
    assert not old.exists()


def test_a_file_in_place_of_the_run(run: Programs, data: Path) -> None:
    """The option that leads to the file is named."""
    run.runs.mkdir()
    (run.runs / "x").write_text("")
    train(run, data).refused(1, "--name: ", "checkpoints/x is a file")
    run.test("--name", "y", "--dataroot", data, "--checkpoints_dir", run.runs / "x").refused(
        1, "--checkpoints_dir: ", "checkpoints/x is a file"
    )

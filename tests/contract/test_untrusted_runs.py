"""A run folder from elsewhere runs no code, and its options are checked like a command line."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CPU, ONE_EPOCH, TINY, Programs, Result
from survival import subclass

from models import load_generator
from scripts import translate
from scripts.paper_tools.runs import own_files
from util.errors import UserError

Change = Callable[..., Path]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, unaligned: Path) -> Path:
    """A run of one epoch."""
    run = Programs(tmp_path_factory.mktemp("trained"))
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    return run.runs


@pytest.fixture
def change(run: Programs, trained: Path) -> Change:
    """Copy the run x; ``change(key=value)`` then edits its train_opt.json and returns the file."""
    shutil.copytree(trained, run.runs)
    file = run.runs / "x" / "train_opt.json"
    saved = json.loads(file.read_text())

    def change(**options: Any) -> Path:
        file.write_text(json.dumps(saved | options))
        return file

    return change


@pytest.fixture
def evil(tmp_path: Path) -> str:
    """A module that makes the folder ``tmp_path/ran`` when it is imported."""
    path = tmp_path / "evil thing.py"
    path.write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    return str(path)


def programs(run: Programs, data: Path) -> dict[str, Callable[[], Result]]:
    """Every way to start from a run folder."""
    image = data / "testA" / "a0.png"

    def from_python() -> Result:
        try:
            load_generator(run.runs / "x", gpu_ids="-1")
        except UserError as error:
            return Result(error.status, "", f"error: {error}\n")
        return Result(0, "", "")

    words = ("--input", image, "--output", run.folder / "out.png", "--name", "x", *CPU)
    return {
        "test": lambda: run.test("--dataroot", data, "--name", "x", *CPU),
        "test --model": lambda: run.test(
            "--dataroot", data / "testA", "--name", "x", "--model", "test", *CPU
        ),
        "test of a plain folder": lambda: run.test(
            "--dataroot", data / "testA", "--name", "x", *CPU
        ),
        "resume": lambda: run.train("--continue_train", "--name", "x"),
        "resume weights": lambda: run.train(
            "--continue_train", "--name", "x", "--epoch", "1", "--n_epochs", "2"
        ),
        "resume --model": lambda: run.train(
            "--continue_train", "--name", "x", "--model", "cycle_gan", "--epoch", "1"
        ),
        "dry run": lambda: run.train("--continue_train", "--name", "x", "--dry_run"),
        "help": lambda: run.test("--name", "x", "--model", "test", "--help"),
        "translate": lambda: run.call(translate.main, "translate.py", *words),
        "load_generator": from_python,
    }


@pytest.mark.parametrize("key", ["model", "dataset_mode"])
def test_a_file_of_a_run_is_not_executed(
    run: Programs, unaligned: Path, tmp_path: Path, change: Change, evil: str, key: str
) -> None:
    """Each program refuses it, naming the flag to give again, or does not need it."""
    others: list[dict[str, str]] = [{}]
    if key == "dataset_mode":  # with the models for which a program takes the run's dataset
        others += [{"model": "test"}, {"model": "pix2pix"}]
    refusals = 0
    for other in others:
        change(**other, **{key: evil})
        for name, program in programs(run, unaligned).items():
            result = program()
            assert not (tmp_path / "ran").exists(), name
            assert "Traceback" not in result.err, name
            if result.status:
                result.refused(result.status, "")
                refusals += f"--{key} {shlex.quote(evil)}" in result.err
    assert refusals >= 4
    assert evil not in map(str, sys.path) and "models.evil thing" not in sys.modules


@pytest.mark.parametrize("name", ["../evil", "x/y.py/..", "base", "evil.PY", "os", ""])
def test_other_names_of_models_are_not_imported(
    run: Programs, unaligned: Path, change: Change, name: str
) -> None:
    for key in ("model", "dataset_mode"):
        file = change(**{key: name}).relative_to(run.folder)
        result = run.test("--dataroot", unaligned, "--name", "x").refused(1, f"{file}: --{key} ")
        assert "available are" in result.err


def test_the_file_given_again(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Every line that says how to resume has the flags, and the file may have moved."""
    model = subclass(
        tmp_path / "own_model.py",
        "def forward(self):",
        "    super().forward()",
        "    self.rec_A = self.rec_A * float('nan')",
    )
    mode = subclass(
        tmp_path / "own_dataset.py", "pass", of="data.unaligned_dataset.UnalignedDataset"
    )
    files = ("--model", model, "--dataset_mode", mode)
    common = ("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH)
    again = shlex.join(files)
    run.train(*common, *files).refused(1, f"train.py --continue_train --name x {again}\n")
    page = (run.runs / "x" / "web" / "data.js").read_text()
    assert json.dumps(f"--continue_train {again}") in page
    run.train("--continue_train", "--name", "x").refused(2, again)
    run.train("--continue_train", "--name", "x", *files[:2]).refused(2, shlex.join(files[2:]))
    moved = Path(model).rename(tmp_path / "moved.py")
    moved.write_text("from models.cycle_gan_model import CycleGANModel as MovedModel")
    result = run.train("--continue_train", "--name", "x", "--model", moved, *files[2:]).ok()
    assert f"--model {model} -> {moved}" in result.out
    run.train("--continue_train", "--name", "x", "--model", "pix2pix").refused(2, "--model")
    run.test("--dataroot", unaligned, "--name", "x", "--model", moved, *files[2:], *CPU).ok()
    run.test("--dataroot", unaligned / "testA", "--name", "x", "--model", "test", *CPU).ok()


def test_files_of_an_ablation() -> None:
    """It resumes and tests its runs with the files of its own command line."""
    words = shlex.split("--ngf 8 --dataset_mode d.py --model=m.py --lr 1")
    assert own_files(words) == ["--model", "m.py", "--dataset_mode", "d.py"]
    assert own_files(words, "dataset_mode") == ["--dataset_mode", "d.py"]
    assert own_files(["--model", "pix2pix"]) == []


WRONG = {
    "ngf": ["4", 4.5, True, None, [4], {}, 0, -3, 1e308],
    "netG": ["resnet_3blocks", 9, None, ["resnet_6blocks"]],
    "no_dropout": ["yes", 1, None],
    "init_gain": ["0.02", float("nan"), float("inf"), True],
    "direction": ["up", 3, {"a": 1}],
    "preprocess": [[], {}, "blur"],
    "load_size": [{}, "286", -1],
    "norm": [False, "\n"],
}


@pytest.mark.parametrize("key", WRONG)
def test_wrong_options_are_refused(
    run: Programs, unaligned: Path, change: Change, key: str
) -> None:
    """One line names the file and the option, as if it had been typed."""
    for value in WRONG[key]:
        file = change(**{key: value}).relative_to(run.folder)
        run.test("--dataroot", unaligned, "--name", "x", *CPU).refused(1, f"{file}: --{key} ")
        run.train("--continue_train", "--name", "x").refused(1, f"{file}: --{key} ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", "0.1"),
        ("lambda_A", "10"),
        ("lambda_A", []),
        ("lambda_A", [1.0, 2.0]),
        ("lambda_identity", None),
        ("n_epochs", 2.5),
        ("panel", "a.png"),
        ("panel", [3]),
        ("panel", []),
        ("cache_images", 7),
        ("cache_images", "a\0b"),
        ("dataroot", "\ud800"),
        ("val_metric", "best"),
        ("amp", True),
        ("dataroot", 5),
    ],
)
def test_wrong_options_of_the_training(
    run: Programs, change: Change, key: str, value: object
) -> None:
    file = change(**{key: value}).relative_to(run.folder)
    run.train("--continue_train", "--name", "x").refused(1, f"{file}: --{key} ")


def test_wrong_options_that_are_replaced_or_not_taken(
    run: Programs, unaligned: Path, change: Change
) -> None:
    """The command line repairs an option; options of one call are never read."""
    change(norm="odd", checkpoints_dir=5, gpu_ids={}, num_threads="many", unknown={}, device=3)
    test = ("--dataroot", unaligned, "--name", "x", *CPU)
    run.test(*test).refused(1, "--norm 'odd': should be one of")
    run.test(*test, "--norm", "instance").ok()


def test_where_results_go_is_not_taken_from_a_run(
    run: Programs, unaligned: Path, change: Change, tmp_path: Path
) -> None:
    change(results_dir=str(tmp_path / "elsewhere"), num_test=1, save=["none"], format="odd")
    run.test("--dataroot", unaligned, "--name", "x", *CPU).ok()
    assert not (tmp_path / "elsewhere").exists()
    images = list((run.results / "x" / "test_latest" / "images").glob("*_fake_B.png"))
    assert len(images) > 1


@pytest.mark.parametrize(
    "missing", ["load_size", "crop_size", "dataset_mode", "model", "direction"]
)
def test_incomplete_options(run: Programs, unaligned: Path, change: Change, missing: str) -> None:
    """A file that lacks options, for example one written by hand, is used as far as it goes."""
    file = change()
    options = json.loads(file.read_text())
    del options[missing]
    file.write_text(json.dumps(options))
    run.test("--dataroot", unaligned, "--name", "x", "--preprocess", "none", *CPU).ok()

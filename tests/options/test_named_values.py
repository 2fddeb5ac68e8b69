"""Values of official options that a project's own networks, model or dataset names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Programs
from parsing import parse
from projects import OFTEN, Project, Server

from util.errors import UsageError
from util.named_values import refused_value

pytest_plugins = ["projects"]

pytestmark = pytest.mark.slow

MODEL = """
from models.cycle_gan_model import CycleGANModel


class OddModel(CycleGANModel):
    def __init__(self, opt):
        {line}
        super().__init__(opt)
"""
DATASET = """
from data.base_dataset import get_transform
from data.unaligned_dataset import UnalignedDataset


class OddDataset(UnalignedDataset):
    def __init__(self, opt):
        super().__init__(opt)
        if opt.preprocess == "resize_only" or opt.direction == "both":
            self.transform_A = get_transform(opt)
"""
NAMES = {
    "netG": "shallow", "netD": "dense", "norm": "group", "gan_mode": "hinge",
    "init_type": "tiny", "lr_policy": "warmup",
}  # fmt: skip


def words(names: dict[str, str]) -> list[str]:
    return [word for name, value in names.items() for word in (f"--{name}", value)]


def refused(project: Project, *argv: object) -> str:
    """The one line of a program that is refused."""
    result = project.run(project.folder, [str(word) for word in argv])
    assert (result.status, result.err.count("\n")) == (2, 1), result.err + result.out
    return result.err


def test_own_networks_train_resume_and_test(
    server: Server, sources: Path, sets: Path, tmp_path: Path
) -> None:
    """Also what a run hands on, and values that the networks refuse, in one line."""
    project = Project(tmp_path, ["named"], server.run, sources)
    size = ("--load_size", "34", "--crop_size", "32", "--num_threads", "0", "--gpu_ids", "-1")
    where = ("--dataroot", sets / "images", "--name", "x", *size)
    train = ("train.py", *where, *OFTEN, "--ngf", 2)
    out = project(*train, *words(NAMES), "--n_epochs", 1, "--n_epochs_decay", 0)
    out += project(*train, "--continue_train", "--n_epochs", 2)
    assert re.findall("learning rate (.*)", out) == ["5e-05", "0.0001"]
    project("test.py", *where, "--num_test", 1)
    assert "a0_fake_B.png" in project.pictures("x")
    line = refused(project, *train, *words(NAMES | {"netG": "lsgan"}))
    assert line == "error: --netG lsgan: Generator [lsgan] is unknown\n"
    line = refused(project, *train, *words(NAMES | {"lr_policy": "lsgan"}))
    assert line == "error: --lr_policy lsgan: policy lsgan is unknown\n"


@pytest.fixture
def odd(run: Programs, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of a model and a dataset in files outside of the project."""
    monkeypatch.chdir(run.folder)
    (run.folder / "images").mkdir()
    (run.folder / "beside.py").write_text("MODES = ['hinge', 'lsgan']\n")
    line = "self.quick = opt.norm == 'layer'"
    (run.folder / "odd_model.py").write_text(f"import beside\n{MODEL.format(line=line)}")
    (run.folder / "odd_dataset.py").write_text(DATASET)
    return ["--model", "odd_model.py", "--dataset_mode", "odd_dataset.py"]


def test_values_of_a_model_and_a_dataset(odd: list[str]) -> None:
    """Named in the file of the model, in one beside it that it imports, and in the dataset's."""
    given = {"norm": "layer", "gan_mode": "hinge", "preprocess": "resize_only", "direction": "both"}
    opt = parse("train", *odd, *words(given), record=False)
    assert {name: getattr(opt, name) for name in given} == given


@pytest.mark.parametrize("wrong", ["--norm lay", "--preprocess resize_onl", "--direction A"])
def test_other_values_are_refused(odd: list[str], wrong: str) -> None:
    flag, value = wrong.split()
    for flags in (odd, []):
        with pytest.raises(UsageError, match=f"{flag}: invalid choice: '{value}'"):
            parse("train", *flags, flag, value, record=False)


def test_typos_are_guessed() -> None:
    with pytest.raises(UsageError, match=r"unet_128'\); did you mean unet_256\?$"):
        parse("train", "--netG", "unet_25", record=False)


def test_parts_of_a_preprocessing(odd: list[str], run: Programs) -> None:
    """Transforms look for parts of the value."""
    text = DATASET.replace('== "resize_only"', '.find("zoom") + opt.preprocess.count("cut")')
    (run.folder / "odd_dataset.py").write_text(text)
    assert parse("train", *odd, "--preprocess", "zoom_and_cut", record=False)
    with pytest.raises(UsageError, match="--preprocess: invalid choice"):
        parse("train", *odd, "--preprocess", "zoom_and_fly", record=False)


def test_only_errors_about_an_option_become_a_line() -> None:
    error = NotImplementedError("Original Traceback:\nNotImplementedError: layer [odd] is unknown")
    assert refused_value(error, ["--norm=odd"]) == "--norm odd: layer [odd] is unknown"
    assert refused_value(error, ["--name", "odd", "--norm", "none"]) == ""
    assert refused_value(KeyError("odd"), ["--norm", "odd"]) == ""

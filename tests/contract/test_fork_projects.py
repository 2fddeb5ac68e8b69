"""Models, datasets and options of projects built on the official code, under our train.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from projects import ARCHITECTURE, OFTEN, Project, Server, changed, own_process

pytest_plugins = ["projects"]

CYCLE = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
MASKED = ["D_A", "D_B", "G_A", "G_B", "cycle_A", "cycle_B"]
PAIRS = ["G_GAN", "G_L1", "D"]
NETS = {"G_A", "G_B", "D_A", "D_B"}
# Labels of images that are named after A, and after B if a model says so
OF_A, OF_B = {"real_A", "fake_B", "rec_A"}, {"real_B", "fake_A", "rec_B"}


@dataclass
class Fork:
    """A folder in tests/fixtures/projects, and what its model logs, saves and shows."""

    folder: str
    data: str
    model: str
    losses: list[str]
    nets: set[str]
    named_a: set[str]
    named_b: set[str]
    rates: tuple[list[float], list[float]] = ([0.0002], [0.0002])

    def files(self) -> set[str]:
        """Names of the images of a test of the first item."""
        if self.data == "pairs":
            return {f"p0_{label}.png" for label in self.named_a}
        names = {f"a0_{label}.png" for label in self.named_a}
        return names | {f"b0_{label}.png" for label in self.named_b}


RGB_A = {"rgb_real_A", "rgb_fake_B", "rgb_real_B", "rgb_fake_A"}
MASKS = {*OF_A, "mask_A", "real_B", "mask_B", "fake_A"}
PAIR = {"real_A", "fake_B", "real_B"}
FORKS = {
    "cubes": Fork("cubes", "cubes", "cube_cycle_gan", CYCLE, NETS, RGB_A, set()),
    "semantic": Fork(
        "semantic", "images", "semantic_cycle_gan", [*CYCLE, "sem_A", "sem_B", "S"],
        NETS | {"S"}, OF_A | {"seg_A"}, OF_B, ([0.0002, 0.001], [0.0002, 0.001]),
    ),
    "masks": Fork("masks", "images", "masked_cycle_gan", MASKED, NETS, MASKS, set()),
    "ttur": Fork(
        "ttur", "images", "ttur_cycle_gan", CYCLE, NETS, OF_A, OF_B,
        ([0.0001, 0.0004], [0.0001, 0.0004]),
    ),
    "pix_2025": Fork("models_2025", "pairs", "pix_2025", PAIRS, {"G", "D"}, PAIR, set()),
    "own_rates": Fork(
        "models_2025", "pairs", "own_rates", PAIRS, {"G", "D"}, PAIR, set(),
        ([0.0002], [0.00002, 0.0001]),
    ),
}  # fmt: skip


def rates(out: str) -> dict[int, list[float]]:
    """Epoch -> learning rates, as our train.py prints them."""
    lines = re.findall(r"End of epoch (\d+) .*; learning rate (.*)", out)
    return {int(epoch): [float(rate) for rate in rest.split(", ")] for epoch, rest in lines}


Start = Callable[[str], tuple[Project, list[object]]]


@pytest.fixture
def start(server: Server, sources: Path, sets: Path, tmp_path: Path) -> Start:
    """``start("masks")`` makes the project of a fork; returns it with the words of its commands."""

    def make(name: str) -> tuple[Project, list[object]]:
        fork = FORKS[name]
        project = Project(tmp_path, [fork.folder], server.run, sources)
        where = ["--dataroot", sets / fork.data, "--name", "x", "--model", fork.model]
        return project, [*where, *ARCHITECTURE]

    return make


@pytest.mark.parametrize("name", FORKS)
def test_train_resume_test(name: str, start: Start) -> None:
    fork = FORKS[name]
    project, words = start(name)
    train = ("train.py", *words, *OFTEN, "--n_epochs_decay", 0)
    out = project(*train, "--n_epochs", 1)
    out += project(*train, "--n_epochs", 2, "--continue_train")
    assert rates(out) == {1: fork.rates[0], 2: fork.rates[1]}
    assert project.log("x") == [(epoch, iters) for epoch in (1, 2) for iters in (1, 2)]
    assert project.losses("x") == fork.losses
    assert changed(project.weights("x", 1), project.weights("x", 2)) == fork.nets
    assert {
        label for label in fork.named_a if f"epoch002_{label}.png" not in project.shown("x")
    } == set()
    project("test.py", *words, "--num_test", 1)
    assert project.pictures("x") == fork.files()


@pytest.mark.slow
@pytest.mark.parametrize("name", FORKS)
def test_exact_resume(name: str, start: Start) -> None:
    """Two epochs in one go give the same bits as an epoch, and a fresh process for the other."""
    project, words = start(name)
    seed = [] if name == "ttur" else ["--seed", 1]  # its own options have a seed
    train = ("train.py", *words, *OFTEN, *seed, "--pool_size", 1, "--n_epochs_decay", 0)
    project(*train, "--n_epochs", 2)
    (project.runs / "x").rename(project.runs / "whole")
    project(*train, "--n_epochs", 1)
    project.run = own_process
    project(*train, "--n_epochs", 2, "--continue_train")
    assert changed(project.weights("whole", 1), project.weights("x", 1)) == set()
    assert changed(project.weights("whole"), project.weights("x")) == set()


STOPPING = """
import os, signal
from models.ttur_cycle_gan_model import TturCycleGANModel

class StoppingModel(TturCycleGANModel):
    def optimize_parameters(self):
        super().optimize_parameters()
        if os.path.exists("stop"):
            os.remove("stop")
            os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow
def test_exact_resume_after_a_signal(start: Start) -> None:
    """With the options of a fork, SIGTERM and a resume change no bit of the weights."""
    project, words = start("ttur")
    model = (project.folder / "models" / "ttur_cycle_gan_model.py").read_text()
    [name] = re.findall(r"^class (\w+)", model, re.MULTILINE)
    text = STOPPING.replace("TturCycleGANModel", name)
    (project.folder / "models" / "stopping_model.py").write_text(text)
    words = ["stopping" if word == "ttur_cycle_gan" else word for word in words]
    train = ["train.py", *words, *OFTEN, "--pool_size", 1, "--n_epochs", 2, "--n_epochs_decay", 0]
    project(*train)
    (project.runs / "x").rename(project.runs / "whole")
    (project.folder / "stop").touch()
    stopped = own_process(project.folder, [str(word) for word in train])
    assert "Saved in epoch 1 after 1 image." in stopped.out
    project(*train, "--continue_train")
    assert changed(project.weights("whole"), project.weights("x")) == set()

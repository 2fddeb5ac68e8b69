"""Every name of the official code, of both generations, is called on small images and files."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import re
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, pictures
from PIL import Image

from options.flags import SHARED, TEST, TRAIN
from options.test_options import TestOptions
from options.train_options import TrainOptions
from scripts.fork.names import Name, by_module, names, official
from scripts.maintenance.write_official_names import PAGE, page

SMALL = ["--netG", "resnet_6blocks", "--netD", "pixel", "--ngf", "2", "--ndf", "2"]
SMALL += ["--load_size", "8", "--crop_size", "8", "--gpu_ids", "-1", "--num_threads", "0"]
SMALL += ["--display_id", "0", "--seed", "1"]
PRESENT = [name for name in names() if name.status != "absent"]


class Toolbox:
    """The names that the expressions of official_names.json may use."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.models: dict[str, object] = {}
        self.two = folder / "two"
        for side in ("trainA", "trainB", "testA", "testB"):
            pictures(self.two / side, [f"{i}.png" for i in range(3)], 1, (10, 10))
        self.pairs = pictures(
            folder / "pairs/train", ["a.png", "b.png", "c.png"], 2, (20, 10)
        ).parent
        self.single = pictures(folder / "single", ["a.png", "b.png", "c.png"], 3, (10, 10))
        self.photo = str(self.single / "a.png")
        self.picture = Image.open(self.photo)
        self.find = importlib.import_module
        self.np, self.torch, self.Path, self.Image = np, torch, Path, Image
        from models import create_model

        self.create_model = create_model

    def words(self, **options: object) -> list[str]:
        """A small command line of train.py."""
        values = {"dataroot": self.two, "name": "run", "checkpoints_dir": self.root / "runs"}
        given = [w for k, v in (values | options).items() for w in (f"--{k}", str(v))]
        return [*SMALL, *given]

    def train_opt(self, **options: object) -> Namespace:
        return TrainOptions().parse(self.words(**options))

    def parser(self) -> ArgumentParser:
        """A parser with the options of train.py."""
        made = ArgumentParser(conflict_handler="resolve")
        for table in (*SHARED.values(), *TRAIN.values()):
            for flag in table:
                flag.add_to(made)
        return made

    def parsed(self) -> TrainOptions:
        made = TrainOptions()
        made.parse(self.words())
        return made

    def batch(self) -> dict:
        from data import create_dataset

        return next(iter(create_dataset(self.train_opt())))

    def trained(self, model: str):
        """A model after one training step."""
        if model not in self.models:
            self.models[model] = self.train(model)
        return copy.copy(self.models[model])  # with the same networks

    def train(self, model: str):
        from data import create_dataset

        pairs = {} if model == "cycle_gan" else {"dataroot": self.pairs}
        opt = self.train_opt(model=model, netG="resnet_6blocks", norm="instance", **pairs)
        made = self.create_model(opt)
        made.setup(opt)
        made.set_input(next(iter(create_dataset(opt))))
        made.optimize_parameters()
        return made

    def shown(self, model: str):
        made = self.trained(model)
        made.compute_visuals()
        return made

    def tested(self):
        """A one-sided model, with the weights of a run, after a forward pass."""
        self.trained("cycle_gan").save_networks("latest")
        run = ["--name", "run", "--checkpoints_dir", str(self.root / "runs"), "--gpu_ids", "-1"]
        small = ["--netG", "resnet_6blocks", "--ngf", "2", "--crop_size", "8"]
        opt = TestOptions().parse(["--dataroot", str(self.single), "--model", "test", *run, *small])
        made = self.create_model(opt)
        made.setup(opt)
        made.set_input({"A": self.image, "A_paths": ["a.png"]})
        made.test()
        return made

    def own_dataset(self):
        from data.base_dataset import BaseDataset

        class Own(BaseDataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return index

        return Own(self.train_opt())

    def own_model(self):
        from models.base_model import BaseModel

        class Own(BaseModel):
            def set_input(self, input):
                return super().set_input(input)

            def forward(self):
                return super().forward()

            def optimize_parameters(self):
                return super().optimize_parameters()

        return Own(self.train_opt())

    def block(self, kind):
        return kind(3, "reflect", torch.nn.InstanceNorm2d, False, True)

    def page(self, kind):
        made = kind(str(self.folder), "title")
        made.add_images(["a.png"], ["a"], ["a.png"])
        return made

    def visualizer(self):
        from util.visualizer import Visualizer

        opt = self.train_opt()
        made = Visualizer(opt)
        made.plot_current_losses(1, 0.5, {"G": 1.0})
        return made


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory) -> Toolbox:
    return Toolbox(tmp_path_factory.mktemp("names"))


def evaluate(name: Name, toolbox: Toolbox, folder: Path):
    toolbox.folder = folder
    toolbox.image = torch.rand(1, 3, 8, 8) * 2 - 1
    toolbox.gray = torch.rand(1, 1, 8, 8) * 2 - 1
    tools = {key: getattr(toolbox, key) for key in dir(toolbox) if not key.startswith("__")}
    return eval(name.check, tools | {"here": importlib.import_module(name.module)})


def has(found: object, name: str) -> bool:
    """True if the object has the attribute; a property may need a server to give its value."""
    return hasattr(type(found), name) or hasattr(found, name)


@pytest.mark.parametrize("name", PRESENT, ids=[f"{n.module}.{n.name}" for n in PRESENT])
def test_every_name_works(name: Name, toolbox: Toolbox, tmp_path: Path, monkeypatch) -> None:
    """The expression calls the name; its value is true, or has the official attributes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *toolbox.words()])
    found = evaluate(name, toolbox, tmp_path)
    if name.attributes:
        missing = {a for a in name.attributes if not has(found, a)}
        assert missing == name.lacks.keys()
    else:
        assert found


SIGNED = [n for n in PRESENT if n.takes and not n.name.rpartition(".")[2].startswith("__")]


def member(name: Name):
    """The function, method or class that is listed."""
    found = importlib.import_module(name.module)
    for part in name.name.split("."):
        found = (
            inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
        )
    return found.__func__ if isinstance(found, staticmethod) else found


@pytest.mark.parametrize("name", SIGNED, ids=[f"{n.module}.{n.name}" for n in SIGNED])
def test_official_calls_fit_the_signature(name: Name) -> None:
    """All official arguments are accepted, by position and by name, with the same defaults."""
    found = member(name)
    method = "." in name.name and inspect.isfunction(found)
    method = method and next(iter(inspect.signature(found).parameters), "") == "self"
    itself = [None] if method else []
    for takes in name.takes.values():
        official_arguments = ast.parse(f"def f{takes}: pass").body[0].args
        words = [a.arg for a in official_arguments.args]
        required = words[: len(words) - len(official_arguments.defaults)]
        signature = inspect.signature(found)
        signature.bind(*itself, *words)
        signature.bind(*itself, *required)
        signature.bind(*itself, **dict.fromkeys(words))
        for word, value in zip(words[len(required) :], official_arguments.defaults, strict=True):
            default = signature.parameters[word].default
            if isinstance(value, ast.Constant) and default is not None:  # None: by the generation
                assert default == value.value, word


def test_checks_call_the_name() -> None:
    """Each expression of a function holds a call of that function."""
    for name in PRESENT:
        nodes = list(ast.walk(ast.parse(name.check, mode="eval")))
        words = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
        words |= {n.id for n in nodes if isinstance(n, ast.Name)}
        words |= {n.value for n in nodes if isinstance(n, ast.Constant)}
        last = name.name.split(".")[-1].removesuffix(" attributes")
        assert name.attributes or last in words or last == "__call__", name


def test_every_absent_name_has_its_reason() -> None:
    for name in names():
        assert name.status in ("same", "better", "absent"), name
        assert name.note or name.status == "same", name
        assert bool(name.check) == (name.status != "absent"), name


def test_absent_names_are_absent() -> None:
    """A name that exists does what the official one does."""
    for name in names():
        if name.status == "absent" and name.name != "TemplateModel.backward":
            module = importlib.import_module(name.module)
            owner, _, last = name.name.rpartition(".")
            assert not hasattr(getattr(module, owner) if owner else module, last), name


def test_modules_and_programs_exist() -> None:
    for module in by_module():
        importlib.import_module(module)
    for name, row in official()["programs"].items():
        assert (ROOT / name).exists() == (row["status"] != "absent"), name


def test_options_are_those_of_the_programs() -> None:
    declared = {flag.name for t in (SHARED, TRAIN, TEST) for table in t.values() for flag in table}
    for name, row in official()["options"].items():
        assert name in declared or row["of"].startswith("--"), name


def test_page_is_generated() -> None:
    """Run scripts/maintenance/write_official_names.py after a change of the list."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_environment_has_the_requirements() -> None:
    """environment.yml has the official name, and the packages of requirements.txt but visdom."""
    text = (ROOT / "environment.yml").read_text()
    packages = re.findall(r"^      - (\S+)$", text, re.MULTILINE)
    needed, _ = (ROOT / "requirements.txt").read_text().split("# Optional")
    assert "\nname: pytorch-img2img\n" in text
    assert packages == needed.split()
    oldest = re.search(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text())
    assert oldest and f"- python{oldest[1]}\n" in text

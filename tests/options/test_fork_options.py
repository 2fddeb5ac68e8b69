"""Options classes written for the official code, in place of ours or derived from ours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
import torch
from parsing import PROGRAMS, program

import data
import models
from options.base_options import BaseOptions
from options.stages import write_json
from options.train_options import TrainOptions
from util.errors import UsageError

SHARED = {
    "name": "fork", "gpu_ids": "0", "checkpoints_dir": "./checkpoints", "model": "cycle_gan",
    "input_nc": 3, "output_nc": 3, "ngf": 64, "ndf": 64, "netD": "basic", "netG": "resnet_9blocks",
    "n_layers_D": 3, "norm": "instance", "init_type": "normal", "init_gain": 0.02,
    "no_dropout": False, "dataset_mode": "unaligned", "direction": "AtoB", "serial_batches": False,
    "num_threads": 4, "batch_size": 1, "load_size": 286, "crop_size": 256,
    "max_dataset_size": float("inf"), "preprocess": "resize_and_crop", "no_flip": False,
    "display_winsize": 256, "epoch": "latest", "load_iter": "0", "verbose": False, "suffix": "",
}  # fmt: skip
TRAIN = {
    "print_freq": 100, "save_epoch_freq": 5, "save_latest_freq": 5000, "save_by_iter": False,
    "continue_train": False, "epoch_count": 1, "phase": "train", "lr": 0.0002, "beta1": 0.5,
    "gan_mode": "lsgan", "pool_size": 50, "lr_policy": "linear", "lr_decay_iters": 50,
    "n_epochs": 100, "n_epochs_decay": 100, "ttur": 4.0,
}  # fmt: skip
TEST = {"results_dir": "./results/", "aspect_ratio": 1.0, "phase": "test", "num_test": 50}


class Fork:
    """An options class in the official manner: own parser, no arguments of parse()."""

    isTrain = True
    own = TRAIN

    def __init__(self) -> None:
        self.initialized = False

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser.add_argument("--dataroot", required=True)
        for name, default in {**SHARED, **self.own}.items():
            if default is False:
                parser.add_argument(f"--{name}", action="store_true")
            else:
                kind = int if name in ("load_iter", "max_dataset_size") else type(default)
                parser.add_argument(f"--{name}", type=kind, default=default)
        self.initialized = True
        return parser

    def parse(self) -> argparse.Namespace:
        assert not self.initialized
        parser = self.initialize(argparse.ArgumentParser())
        set_model = models.get_option_setter(parser.parse_known_args()[0].model)
        parser = set_model(parser, self.isTrain)
        set_dataset = data.get_option_setter(parser.parse_known_args()[0].dataset_mode)
        self.parser = set_dataset(parser, self.isTrain)
        opt = self.parser.parse_args()
        opt.isTrain = self.isTrain
        opt.name += f"_{opt.suffix}" if opt.suffix else ""
        self.print_options(opt)
        opt.gpu_ids = [number for number in map(int, opt.gpu_ids.split(",")) if number >= 0]
        return opt

    def print_options(self, opt: argparse.Namespace) -> None:
        folder = Path(opt.checkpoints_dir, opt.name)
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{name}={value}\n" for name, value in vars(opt).items())
        (folder / f"{opt.phase}_opt.txt").write_text("".join(lines))


class ForkOfTest(Fork):
    isTrain = False
    own = {**TEST, "model": "test"}

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser.set_defaults(load_size=256)
        return super().initialize(parser)


class OldFork(Fork):
    """Names of before 2019, and one until 2020."""

    own = {"loadSize": 64, "fineSize": 48, "niter": 3, "niter_decay": 0, "no_lsgan": False} | {
        key: value for key, value in TRAIN.items() if key not in ("n_epochs", "n_epochs_decay")
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()


def test_training_with_the_options_of_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--ttur", "2", "--ngf", "8", "--model", "pix2pix", "--suffix", "a")
    run, opt = program(monkeypatch, Fork(), *words)
    assert not Path("checkpoints").exists()
    assert (opt.name, opt.ttur, opt.ngf, opt.norm, opt.gan_mode) == (
        "fork_a",
        2,
        8,
        "batch",
        "vanilla",
    )
    assert (opt.accumulate, opt.dry_run, opt.gpu_ids) == (1, False, [])
    assert opt.device == torch.device("cpu") and isinstance(opt.seed, int)
    assert opt.explicit_options == ["dataroot", "model", "ngf", "suffix", "ttur"]
    assert opt.changed["ngf"] == 64 and "netG" not in opt.changed
    run.record(opt)
    text = Path("checkpoints/fork_a/train_opt.txt").read_text()
    assert "ngf=8\n" in text and "gpu_ids=-1\n" in text and "accumulate" not in text


def test_a_run_passes_its_options_on_to_those_of_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--model", "pix2pix", "--ngf", "8", "--ttur", "2", "--crop_size", "64")
    run, first = program(monkeypatch, Fork(), *flags)
    run.record(first)
    run, again = program(monkeypatch, Fork(), "--continue_train", "--lr", "0.01")
    assert (again.model, again.ngf, again.ttur, again.lr) == ("pix2pix", 8, 2, 0.01)
    assert again.seed == first.seed and again.continue_train
    run.record(again)
    assert "ngf=8\n" in Path("checkpoints/fork/train_opt.txt").read_text()
    _, test = program(monkeypatch, ForkOfTest(), "--name", "fork")
    assert (test.model, test.dataset_mode, test.ngf) == ("pix2pix", "aligned", 8)
    assert (test.load_size, test.crop_size, test.num_test) == (64, 64, 50)
    assert (test.serial_batches, test.no_flip, test.num_threads) == (True, True, 0)
    with pytest.raises(UsageError, match="--continue_train cannot change --netG"):
        write_json(first)
        Path("checkpoints/fork/state.pth").touch()
        program(monkeypatch, Fork(), "--continue_train", "--netG", "unet_128")


def test_names_of_before_2019_in_the_options_of_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--loadSize", "96", "--fineSize", "48", "--niter", "9", "--no_lsgan")
    _, opt = program(monkeypatch, OldFork(), *words)
    assert (opt.load_size, opt.n_epochs, opt.n_epochs_decay, opt.gan_mode) == (96, 9, 0, "vanilla")


def test_errors_with_the_options_of_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--dataroot nowhere: no such folder"):
        program(monkeypatch, Fork(), "--dataroot", "nowhere")
    with pytest.raises(SystemExit, match="2"):
        program(monkeypatch, Fork(), "--ema", "0.9")
    assert not Path("checkpoints").exists()


class Derived(BaseOptions):
    """A class in the official manner on ours: isTrain in initialize, and parse() extended."""

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser = BaseOptions.initialize(self, parser)
        parser.add_argument("--own", type=int, default=1)
        parser.add_argument("--phase", type=str, default="test")
        parser.set_defaults(model="test")
        self.isTrain = False
        return parser

    def parse(self) -> argparse.Namespace:
        opt = BaseOptions.parse(self)
        opt.doubled = opt.own * 2
        return opt


def test_a_class_derived_from_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--own", "3", "--gpu_ids", "-1")
    run, opt = program(monkeypatch, Derived(), *words)
    assert (opt.doubled, opt.isTrain, opt.model, opt.no_flip) == (6, False, "test", True)
    assert run.options.initialized and run.options.opt is opt and not Path("checkpoints").exists()
    assert Derived().parse().own == 3 and Path("checkpoints/experiment_name/test_opt.txt").is_file()


@pytest.mark.parametrize("name", PROGRAMS)
def test_any_dataroot_in_scripts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--dataroot", "dummy", "--gpu_ids", "-1"]
    assert PROGRAMS[name]().parse(words).dataroot == "dummy"
    with pytest.raises(UsageError, match="--dataroot dummy: no such folder"):
        program(monkeypatch, PROGRAMS[name](), *words)
    monkeypatch.setattr(sys, "argv", ["x.py", "--gpu_ids", "-1"])
    with pytest.raises(SystemExit, match="2"):  # required, as in the official code
        PROGRAMS[name]().parse()


MODEL = """
from models.base_model import BaseModel

class AskingModel(BaseModel):
    @staticmethod
    def modify_commandline_options(parser, is_train=True):
        parser.add_argument("--style", default="a")
        parser.add_argument("--ngf", type=int, default=12)
        opt, _ = parser.parse_known_args()
        parser.set_defaults(**{"ndf": 7 if opt.style == "b" else 9})
        assert parser.get_default("ngf") == 12
        assert any(action.dest == "lr" for action in parser._actions)
        return parser
"""


def test_a_model_that_parses_sees_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("asking_model.py").write_text(MODEL)
    words = ["--dataroot", "x", "--gpu_ids", "-1", "--model", "asking_model.py", "--style"]
    monkeypatch.setattr(sys, "argv", ["x.py", *words, "a"])
    parse = TrainOptions().parse
    assert [opt.ndf for opt in (parse([*words, "b"]), parse())] == [7, 9]

"""Options that other code and this project both have, and classes with a parser of their own."""

from __future__ import annotations

import argparse
import json
from argparse import Namespace
from pathlib import Path

import pytest
from parsing import program

import data
import models
from options.base_options import BaseOptions
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.errors import UsageError
from util.option_defaults import add_missing, ours, theirs

MODEL = """
from models.pix2pix_model import Pix2PixModel

class SwitchModel(Pix2PixModel):
    seen = []

    @staticmethod
    def modify_commandline_options(parser, is_train=True):
        Pix2PixModel.modify_commandline_options(parser, is_train)
        parser.add_argument("--amp", action="store_true")
        parser.add_argument("--val_freq", type=int, default=500, help="in iterations")
        parser.add_argument("--seed", default="some")
        parser.add_argument("--accumulate", dest="sums", action="store_true")
        SwitchModel.seen.append(parser.parse_known_args()[0].ngf)
        return parser
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    Path("switch_model.py").write_text(MODEL)


def test_options_of_a_model_with_our_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ("--model", "switch_model.py", "--amp", "--gpu_ids", "-1")
    run, opt = program(monkeypatch, TrainOptions(), *words, "--ngf", "8")
    text = " ".join(capsys.readouterr().out.split())
    assert "Declared by your own files: --accumulate, --amp, --val_freq, --seed." in text
    assert (opt.amp, opt.val_freq, opt.accumulate) == ("none", 0, 1) and isinstance(opt.seed, int)
    model_opt = theirs(opt)
    assert (model_opt.amp, model_opt.val_freq, model_opt.seed) == (True, 500, "some")
    assert theirs(opt) is model_opt and ours(model_opt).amp == "none"
    changed = Namespace(**vars(opt) | {"phase": "val"})
    assert theirs(changed).phase == "val" and theirs(changed).amp is True
    run.record(opt)
    saved = json.loads(Path("checkpoints/experiment_name/train_opt.json").read_text())
    assert saved["amp"] is True and saved["framework_options"]["amp"] == "none"
    resumed = program(
        monkeypatch, TrainOptions(), "--model", "switch_model.py", "--continue_train"
    )[1]
    assert (resumed.seed, resumed.amp, theirs(resumed).amp) == (opt.seed, "none", True)
    cls = models.find_model_using_name("switch_model.py")
    assert cls.seen == [8, 8]  # parse_known_args() also has what the run saved


def test_a_usable_seed_serves_both(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--model", "switch_model.py", "--gpu_ids", "-1", "--seed", "7")
    opt = program(monkeypatch, TrainOptions(), *words)[1]
    assert (opt.seed, theirs(opt).seed) == (7, "7")


def test_an_opt_of_other_code_in_a_script(capsys: pytest.CaptureFixture) -> None:
    opt = add_missing(Namespace(isTrain=True, gpu_ids=[], amp=True, cache_images=True, seed=-1))
    assert "amp, cache_images, seed" in capsys.readouterr().out
    assert (opt.amp, ours(opt).amp, ours(opt).cache_images) == (True, "none", None)
    assert opt.seed == -1 and ours(opt).seed >= 0
    fits = add_missing(Namespace(gpu_ids=[], amp="bf16", no_exif=True, val_share=0.1, seed=3))
    assert ours(fits) is fits


class Plain(BaseOptions):
    """A class on ours with an argparse.ArgumentParser of its own, and official repetitions."""

    def initialize(self, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser = BaseOptions.initialize(self, parser)
        parser.add_argument("--phase", default="train")
        parser.add_argument("--ttur", type=float, default=4.0)
        parser.add_argument("--continue_train", action="store_true")
        return parser

    def gather_options(self) -> argparse.Namespace:
        assert not self.initialized
        parser = self.initialize(argparse.ArgumentParser())
        parser = models.get_option_setter(parser.parse_known_args()[0].model)(parser, True)
        mode = parser.parse_known_args()[0].dataset_mode
        self.parser = data.get_option_setter(mode)(parser, True)
        return self.parser.parse_args()


class PlainToo(Plain):
    def parse(self) -> argparse.Namespace:
        opt = self.gather_options()
        self.print_options(opt)
        opt.gpu_ids = [n for n in map(int, opt.gpu_ids.split(",")) if n >= 0]
        return opt


@pytest.mark.parametrize("kind", [Plain, PlainToo])
def test_a_parser_of_its_own(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--ttur", "2", "--model", "pix2pix", "--ngf", "8")
    run, opt = program(monkeypatch, kind(), *words)
    assert not Path("checkpoints").exists()
    assert (opt.ttur, opt.ngf, opt.norm, opt.accumulate, opt.n_epochs) == (2, 8, "batch", 1, 100)
    assert opt.explicit_options == ["dataroot", "model", "ngf", "ttur"]
    run.record(opt)
    again = program(monkeypatch, kind(), "--continue_train")[1]
    assert (again.model, again.ngf, again.ttur, again.seed) == ("pix2pix", 8, 2, opt.seed)
    assert kind().parse().ngf == (8 if kind is Plain else 64)  # in a script, as the official one


class Of2017:
    """initialize() takes no parser, and parse() writes opt.txt."""

    isTrain = True

    def __init__(self) -> None:
        self.parser = argparse.ArgumentParser()

    def initialize(self) -> None:
        shared = {"name": "old", "gpu_ids": "0", "checkpoints_dir": "./checkpoints", "ngf": 64}
        shared |= {"model": "cycle_gan", "dataset_mode": "unaligned", "phase": "train"}
        old = {"which_epoch": "latest", "loadSize": 286, "fineSize": 256, "niter": 100}
        old |= {"resize_or_crop": "resize_and_crop", "identity": 0.5, "lr_policy": "lambda"}
        self.parser.add_argument("--dataroot", required=True)
        self.parser.add_argument("--continue_train", action="store_true")
        for name, default in {**shared, **old}.items():
            self.parser.add_argument(f"--{name}", type=type(default), default=default)

    def parse(self) -> argparse.Namespace:
        self.initialize()
        opt = self.parser.parse_args()
        opt.gpu_ids = [n for n in map(int, opt.gpu_ids.split(",")) if n >= 0]
        opt.isTrain = self.isTrain
        folder = Path(opt.checkpoints_dir, opt.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "opt.txt").write_text(str(opt))
        return opt


def test_options_of_2017(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--loadSize", "96", "--fineSize", "48", "--niter", "3", "--ngf", "8")
    run, opt = program(monkeypatch, Of2017(), *words)
    assert (opt.load_size, opt.n_epochs, opt.lr_policy) == (96, 3, "linear")
    assert opt.lambda_identity == 0.5
    assert (opt.lambda_A, opt.suffix, opt.gpu_ids) == (10, "", [])
    run.record(opt)
    again = program(monkeypatch, Of2017(), "--continue_train", "--niter", "5")[1]
    assert (again.ngf, again.load_size, again.n_epochs) == (8, 96, 5)
    with pytest.raises(UsageError, match="no such folder"):
        program(monkeypatch, Of2017(), "--name", "none", "--dataroot", "nowhere")
    assert not Path("checkpoints/none").exists()


def test_a_bad_dataroot_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run, opt = program(monkeypatch, TrainOptions(), "--gpu_ids", "-1")
    run.record(opt)
    capsys.readouterr()
    with pytest.raises(UsageError, match="no such folder"):
        program(monkeypatch, TestOptions(), "--dataroot", "nowhere", "--gpu_ids", "-1")
    assert capsys.readouterr().out == ""
    program(monkeypatch, TestOptions(), "--gpu_ids", "-1")
    assert "Images are resized" in capsys.readouterr().out

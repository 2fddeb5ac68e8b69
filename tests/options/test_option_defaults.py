"""An opt that has only official options is completed with the defaults of the tables."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from options.flags import SHARED, TEST, TRAIN
from options.program import Program
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.option_defaults import DEFAULTS, add_missing, adopt_old_names, ours, replaced

# Official options that one of the two generations lacks, or that came late
NOT_IN_EVERY_GENERATION = {
    "gpu_ids", "use_wandb", "wandb_project_name",
    "display_env", "display_id", "display_ncols", "display_port", "display_server",
}  # fmt: skip


def test_the_defaults_are_those_of_the_tables():
    official = {flag for flag in official_options() if flag not in NOT_IN_EVERY_GENERATION}
    tables = [flag for table in (SHARED | TRAIN | TEST).values() for flag in table]
    ours = {flag.name: flag.default for flag in reversed(tables) if flag.name not in official}
    derived = {"seed", "gpu_ids"}
    assert {name: ours[name] for name in ours.keys() - derived} == DEFAULTS


def official_options() -> set[str]:
    from test_surface import TEST as test_names
    from test_surface import TRAIN as train_names

    return test_names.keys() | train_names.keys()


@pytest.mark.parametrize(
    ("given", "device", "gpu_ids"),
    [
        ({"gpu_ids": []}, "cpu", []),
        ({"gpu_ids": [1, 2]}, "cuda:1", [1, 2]),
        ({"device": torch.device("cpu")}, "cpu", []),
        ({"device": torch.device("cpu"), "gpu_ids": "auto"}, "cpu", []),
        ({"device": torch.device("cuda:1")}, "cuda:1", [1]),
        ({"device": "cuda"}, "cuda", [0]),
    ],
)
def test_device_and_gpu_ids_follow_from_each_other(given, device, gpu_ids):
    opt = Namespace(**given)
    add_missing(opt)
    assert (str(opt.device), opt.gpu_ids) == (device, gpu_ids)


def test_what_an_opt_has_stays():
    opt = Namespace(no_exif=True, seed=3, gpu_ids="0", device="cpu", explicit_options=["lr"])
    before = dict(vars(opt))
    add_missing(opt)
    assert vars(opt) == before | {n: v for n, v in DEFAULTS.items() if n not in before}


def test_the_seed_follows_the_generator_of_pytorch():
    seeds = []
    for _ in range(2):
        torch.manual_seed(3)
        opt = Namespace(isTrain=True)
        add_missing(opt)
        seeds.append(opt.seed)
    assert seeds[0] == seeds[1]
    test = Namespace(isTrain=False, seed=None)
    add_missing(test)
    assert test.seed == 0


@pytest.mark.parametrize("seed", [None, -1])
def test_ranks_have_the_same_seed(seed, monkeypatch):
    """Also if the seed is of other code and cannot be used."""
    monkeypatch.setattr("util.distributed.world_size", lambda: 2)
    assert ours(add_missing(Namespace(isTrain=True, gpu_ids=[], seed=seed))).seed == 0


@pytest.mark.parametrize("options", [TrainOptions, TestOptions])
def test_a_parsed_opt_lacks_nothing_of_its_program(options, tmp_path):
    opt = options().parse(["--dataroot", str(tmp_path), "--gpu_ids", "-1"], record=False)
    before = dict(vars(opt))
    add_missing(opt)
    assert {name: vars(opt)[name] for name in before} == before


class ByAttribute(dict):
    """A dict whose items are attributes; a missing one raises KeyError."""

    def __getattr__(self, name):
        return self[name]


@dataclass(frozen=True)
class Frozen:
    no_exif: bool
    gpu_ids: tuple


@pytest.mark.parametrize("kind", [SimpleNamespace, ByAttribute, Frozen])
def test_any_object_with_attributes(kind):
    opt = add_missing(kind(no_exif=True, gpu_ids=()))
    assert (opt.no_exif, opt.accumulate, str(opt.device)) == (True, 1, "cpu")
    assert not hasattr(opt, "no_such_option") and replaced(opt, keep=2).keep == 2


def test_a_class_with_options_as_attributes():
    class Options:
        gpu_ids: ClassVar[list] = []

    assert add_missing(Options) is Options and Options.amp == "none"
    assert replaced(Options(), amp="bf16").amp == "bf16"


def test_an_empty_list_of_gpus_means_the_cpu():
    opt = add_missing(Namespace(gpu_ids=[], device=torch.device("cuda:0")))
    assert opt.device == torch.device("cpu")


def test_old_names_give_todays():
    opt = add_missing(Namespace(niter=7, loadSize=64, load_size=32, no_lsgan=True))
    assert (opt.n_epochs, opt.load_size, opt.gan_mode) == (7, 32, "vanilla")
    adopt_old_names(opt, ["loadSize"])
    assert opt.load_size == 64


def test_options_files_that_choose_the_folder_themselves(tmp_path, monkeypatch):
    """Their classes have no --checkpoints_dir; parse() sets it."""

    class Own:
        isTrain = False

        def initialize(self, parser):
            parser.add_argument("--name", default="x")
            for name in ("dataroot", "results"):
                parser.add_argument(f"--{name}", default=".")
            return parser

        def parse(self):
            self.parser = self.initialize(ArgumentParser())
            opt = self.parser.parse_args()
            opt.checkpoints_dir = Path(opt.results, "models")
            values = {"model": "cycle_gan", "dataset_mode": "unaligned", "gpu_ids": "-1"}
            return Namespace(**vars(opt), **values, isTrain=False)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["test.py", "--results", "made"])
    assert Program(Own()).parse().checkpoints_dir == Path("made/models")

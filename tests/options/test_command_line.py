"""Help texts, unknown and renamed options, ranges of numbers, and derived values."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, ROOT, TINY, Programs
from parsing import PROGRAMS, parse

from options.flags import RENAMED, SHARED, TEST, TRAIN
from options.flags.flag import Flag
from options.stages import rules_of
from options.train_options import TrainOptions
from util.errors import UsageError
from util.limits import Number


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: empty except for an empty folder ``images``."""
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def help_of(run: Programs, program: str, *args: str) -> str:
    """The help text with its line breaks undone."""
    return " ".join(getattr(run, program)(*args, "--help").ok().out.split())


def test_help_is_fast() -> None:
    """The best of three counts, because the machine may be busy."""
    seconds = []
    for program in ("train.py", "test.py", "train.py"):
        start = time.monotonic()
        command = [sys.executable, ROOT / program, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - start)
        assert "--dataroot" in done.stdout and done.stderr == ""
    assert min(seconds) < 1


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys, runpy\ntry: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "False\n"


@pytest.mark.parametrize(
    ("program", "args", "words"),
    [
        ("train", "--model cycle_gan", "--lambda_A --lambda_B --lambda_identity"),
        ("train", "--model pix2pix", "--lambda_L1"),
        ("train", "--model colorization", "--lambda_L1"),
        ("train", "--model template", "--lambda_regression"),
        ("train", "--dataset_mode template", "--new_dataset_option --lambda_A"),
        ("test", "--model test", "--model_suffix --num_test"),
        ("test", "--model cycle_gan --dataset_mode template", "--new_dataset_option --results_dir"),
    ],
)
def test_help_of_models_and_datasets(run: Programs, program: str, args: str, words: str) -> None:
    text = help_of(run, program, *args.split())
    for word in words.split():
        assert re.search(rf"{word}\b", text)
    assert run.files() == set()


def test_help_shows_models_choices_and_defaults(run: Programs) -> None:
    text = help_of(run, "train")
    assert "cogan, colorization, content_gan, cycle_gan, pix2pix, template, test" in text
    assert "aligned, colorization, dicom, nifti, single, template, unaligned" in text
    assert (
        "{instance,batch,none,sync_batch,syncbatch,sync_instance}" in text
        and "default: 0.0002" in text
    )
    assert "default: None" not in text and "default: False" not in text
    assert "default: unet_256" in help_of(run, "train", "--model", "pix2pix")
    assert re.search(r"--no_flip [a-z ]+\(default: True\)", help_of(run, "test"))


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_renamed_options(run: Programs, old: str, new: str) -> None:
    for args in ([f"--{old}", "3"], [f"--{old}=3"]):
        run.train("--dataroot", "x", *args).refused(2, f"--{old}", new)


def test_renamed_options_are_complete() -> None:
    names = {f"{old} {new.lstrip('-').split()[0]}" for old, new in RENAMED.items()}
    assert names == {
        "loadSize load_size",
        "fineSize crop_size",
        "resize_or_crop preprocess",
        "which_direction direction",
        "which_model_netG netG",
        "which_model_netD netD",
        "niter n_epochs",
        "niter_decay n_epochs_decay",
        "how_many num_test",
        "nThreads num_threads",
        "batchSize batch_size",
        "which_epoch epoch",
        "identity lambda_identity",
        "no_lsgan gan_mode",
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lamda_A", "--lambda_A"),
        ("--lr_polcy=step", "--lr_policy"),
        ("-dataroot", "--dataroot"),
        ("—name", "--name"),
        ("--num_thread_count", "--num_threads"),
    ],
)
def test_unknown_option(run: Programs, typed: str, meant: str) -> None:
    result = run.train("--dataroot", "x", typed, "5")
    result.refused(2, typed.split("=")[0], f"did you mean {meant}?")
    assert run.files() == set()


def test_options_of_the_other_program() -> None:
    for program, flag, other in (
        ("train", "--num_test=5", "test.py"),
        ("test", "--n_epochs=5", "train.py"),
    ):
        with pytest.raises(UsageError, match=f"{flag[:-2]} is an option of {other} only"):
            parse(program, flag)


NUMBERS = [
    (program, flag)
    for program, tables in (("train", SHARED | TRAIN), ("test", TEST))
    for table in tables.values()
    for flag in table
    if isinstance(flag.kind, Number)
]


@pytest.mark.parametrize(("program", "flag"), NUMBERS, ids=[flag.name for _, flag in NUMBERS])
def test_numbers_have_ranges(program: str, flag: Flag) -> None:
    """Numbers outside of their range are refused, and so are infinities and NaN."""
    number = flag.kind
    assert isinstance(number, Number)
    outside = [number.lowest - max(2, abs(number.lowest)), 2 * number.highest + 1, number.below]
    values = [str(n) for n in outside if math.isfinite(n)]
    values += ["nan", "-inf", "", "x", "1e400"] + ["inf"] * (not number.unlimited)
    for value in values:
        with pytest.raises(UsageError, match=rf"--{flag.name} {re.escape(value)}: should be"):
            more = [value] * (flag.nargs - 1 if isinstance(flag.nargs, int) else 0)
            parse(program, f"--{flag.name}={value}", *more)


class OwnOptions(TrainOptions):
    """Options of a user, in the way of the official code."""

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        parser = TrainOptions.initialize(self, parser)
        parser.add_argument("--own", type=int, default=1, help="own option")
        parser.add_argument("--ngf", type=int, default=16, help="own default")
        parser.set_defaults(batch_size=4)
        return parser


WEIGHTS = {
    "cycle_gan": ("lambda_A", "lambda_B", "lambda_GAN", "lambda_identity"),
    "pix2pix": ("lambda_L1",),
    "template": ("lambda_regression",),
}


@pytest.mark.parametrize(("model", "names"), WEIGHTS.items())
def test_weights_of_losses_have_ranges(model: str, names: tuple[str, ...]) -> None:
    for name in names:
        for value in ("nan", "inf", "-1", "1e30"):
            with pytest.raises(UsageError, match=rf"--{name} {value}: should be a finite number"):
                parse("train", "--model", model, f"--{name}={value}")


def test_own_options_may_have_any_value_but_nan() -> None:
    """An option of a user's model has no limits here; NaN would only be found hours later."""

    class Margin(TrainOptions):
        def initialize(self, parser: ArgumentParser) -> ArgumentParser:
            parser = TrainOptions.initialize(self, parser)
            parser.add_argument("--margin", type=float, default=-1.0)
            return parser

    words = ["--dataroot", "images", "--gpu_ids", "-1"]
    assert Margin().parse([*words, "--margin", "inf"]).margin == math.inf
    assert Margin().parse([*words, "--margin=-1e9"]).margin == -1e9
    with pytest.raises(UsageError, match="--margin nan: should be a number"):
        Margin().parse([*words, "--margin", "nan"])


def test_inf_means_no_limit() -> None:
    assert parse("train", "--max_dataset_size", "inf").max_dataset_size == math.inf
    assert parse("test", "--num_test", "inf").num_test == 10**9


def test_number_of_test_images_is_an_int() -> None:
    """Scripts call ``range(opt.num_test)``; the default is all images."""
    opt = parse("test")
    assert type(opt.num_test) is int and len(range(opt.num_test)) == 10**9
    assert "num_test" not in opt.changed and parse("test", "--num_test", "3").num_test == 3


def test_subclass_with_own_options() -> None:
    opt = OwnOptions().parse(["--dataroot", "images", "--gpu_ids", "-1", "--own", "2"])
    assert (opt.own, opt.ngf, opt.batch_size, opt.n_epochs) == (2, 16, 4, 100)
    assert opt.changed["own"] == 1 and "ngf" not in opt.changed


def test_option_file() -> None:
    """train_opt.txt: two rules, sorted and right-aligned names, and defaults of changed options."""
    parse("train", "--name", "x", "--lr", "0.001", "--n_epochs", "7")
    text = Path("checkpoints/x/train_opt.txt").read_text()
    first, *lines, last = text.rstrip("\n").split("\n")
    assert first == "----------------- Options ---------------"
    assert last == "----------------- End -------------------"
    assert f"{'lr':>25}: {'0.001':<30}\t[default: 0.0002]" in lines
    assert f"{'beta1':>25}: {'0.5':<30}" in lines
    rows = [re.fullmatch(r" *(\w+): (.*?) *(\t\[default: (.*)\])?", line) for line in lines]
    assert all(rows)
    values = {row[1]: row[2] for row in rows if row}
    assert list(values) == sorted(values)
    names = {flag.name for table in (SHARED | TRAIN).values() for flag in table}
    assert names | {"lambda_A", "lambda_B", "lambda_identity"} <= values.keys()
    expected = {"n_epochs": "7", "gpu_ids": "-1", "isTrain": "True", "suffix": ""}
    assert expected.items() <= values.items()


def test_suffix(unaligned: Path, run: Programs) -> None:
    name = "x_cycle_gan_resnet_6blocks_size34"
    suffix = ("--suffix", "{model}_{netG}_size{load_size}")
    run.train("--dataroot", unaligned, "--name", "x", *suffix, *TINY, *ONE_EPOCH).ok()
    assert (run.runs / name / "latest_net_G_A.pth").is_file()
    run.test("--dataroot", unaligned, "--name", name).ok()
    assert (run.results / name / "test_latest" / "index.html").is_file()


def test_derived_values() -> None:
    first, second = (parse("train", record=False) for _ in range(2))
    assert first.seed != second.seed
    assert parse("train").seed is None  # chosen by create_dataset and create_model
    assert (first.gpu_ids, first.device, first.isTrain) == ([], torch.device("cpu"), True)
    assert parse("test").seed == 0


def test_changed_options() -> None:
    """``opt.changed`` compares with the defaults of the model, also if a run is resumed."""
    first = parse("train", "--name", "x", "--model", "pix2pix", "--ngf", "8", "--norm", "batch")
    expected = {"model": "cycle_gan", "ngf": 64, "name": "experiment_name"}
    assert expected.items() <= first.changed.items()
    assert not {"norm", "netG", "dataset_mode", "pool_size"} & first.changed.keys()
    again = parse("train", "--name", "x", "--continue_train")
    assert again.changed == first.changed | {"continue_train": False}
    test = parse("test", "--name", "x")
    assert (test.changed["ngf"], test.changed["model"]) == (64, "test")
    for path in Path("checkpoints/x").iterdir():
        assert "changed" not in path.read_text() and "explicit" not in path.read_text()


def test_tables_name_each_option_once() -> None:
    for program in PROGRAMS.values():
        tables = rules_of(program.isTrain).tables
        flags = [flag for table in tables.values() for flag in table]
        assert len({flag.name for flag in flags}) == len(flags)
        assert all(flag.help.strip() for flag in flags)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("word", ["--norm=--", "--name=--", "--dataroot=a\0b"])
def test_impossible_values_are_refused(program: str, word: str) -> None:
    """Argparse drops "--" and leaves an empty list; a NUL gave a traceback of os.stat."""
    with pytest.raises(UsageError, match="no option takes this value"):
        parse(program, word)


def test_a_number_is_not_rounded_to_zero() -> None:
    """1e-400 is less than any float; --lr 0 would train nothing."""
    with pytest.raises(UsageError, match="--lr 1e-400: should be 0 or more"):
        parse("train", "--lr", "1e-400")
    assert parse("train", "--lambda_identity", "0.0").lambda_identity == 0

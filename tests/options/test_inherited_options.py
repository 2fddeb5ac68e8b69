"""Options that test.py and --continue_train take from a run, and those that they do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, ROOT, TINY, Programs
from parsing import parse

from util.errors import UsageError

INF = float("inf")
TRAINED = (
    "--name x --model pix2pix --netG unet_128 --norm none --direction BtoA --input_nc 1 --ngf 8 "
    "--no_dropout --preprocess scale_width --load_size 99 --dataset_mode unaligned"
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder holds an empty folder ``images``, and the runs of a test."""
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)


def test_inherited_options() -> None:
    """test.py starts from the options of the training, except for those of one call."""
    call = "--batch_size 7 --seed 9 --max_dataset_size 3 --phase val --epoch 5"
    parse("train", *TRAINED.split(), *call.split())
    opt = parse("test", "--name", "x")
    assert (opt.model, opt.netG, opt.norm, opt.direction) == ("pix2pix", "unet_128", "none", "BtoA")
    assert (opt.input_nc, opt.ngf, opt.no_dropout) == (1, 8, True)
    assert (opt.preprocess, opt.load_size) == ("scale_width", 99)
    assert opt.dataset_mode == "unaligned"  # explicit in training, unlike the model's own default
    assert (opt.batch_size, opt.max_dataset_size) == (1, INF)
    assert (opt.phase, opt.epoch, opt.seed, opt.isTrain) == ("test", "latest", 0, False)
    assert opt.explicit_options == ["dataroot", "gpu_ids", "name"]


def test_explicit_options_win() -> None:
    parse("train", *TRAINED.split())
    given = {
        "netG": "resnet_6blocks",
        "norm": "batch",
        "direction": "AtoB",
        "input_nc": "2",
        "preprocess": "none",
        "model": "test",
        "dataset_mode": "aligned",
    }
    opt = parse("test", "--name", "x", *(word for k, v in given.items() for word in (f"--{k}", v)))
    assert {k: str(getattr(opt, k)) for k in given} == given
    assert (opt.ngf, opt.no_dropout) == (8, True)
    assert parse("test", "--name", "x", "--model", "test").dataset_mode == "single"


def test_options_of_an_older_version() -> None:
    """A train_opt.json of the first release is resumed and tested with its options."""
    folder = Path("checkpoints/pix")
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/fixtures/train_opt_8eebfed.json", folder / "train_opt.json")
    opt = parse("train", "--name", "pix", "--continue_train", "--n_epochs", "300")
    assert (opt.model, opt.dataset_mode, opt.norm) == ("pix2pix", "aligned", "none")
    assert (opt.ngf, opt.seed, opt.lr, opt.max_dataset_size) == (8, 7, 0.001, 3)
    assert (opt.continue_train, opt.n_epochs, opt.n_epochs_decay) == (True, 300, 100)
    new = json.loads((folder / "train_opt.json").read_text())
    old = json.loads((ROOT / "tests/fixtures/train_opt_8eebfed.json").read_text())
    assert new == old | {
        "continue_train": True,
        "n_epochs": 300,
        **{"max_pixels": 10**8, "init_bare": False, "min_batch": 1, "note": ""},  # new
        **{"upsample": "transpose", "show_bands": None, "show_range": "range"},
        **dict.fromkeys(("value_range", "value_range_A", "value_range_B", "bands_A", "bands_B")),
        **dict.fromkeys(("nodata", "npz_key")),
        **{"config": None, "early_stop": 0},
        **{"features": None, "features_range": "imagenet", "features_size": 224},
        "inception_weights": None,
        "given": ["continue_train", "dataroot", "gpu_ids", "n_epochs", "name"],
    }
    opt = parse("test", "--name", "pix")
    assert (opt.model, opt.norm, opt.ngf, opt.max_dataset_size) == ("pix2pix", "none", 8, INF)


@pytest.mark.parametrize(
    ("args", "sizes"),
    [
        ("", (32, 32)),
        ("--crop_size 48", (48, 48)),
        ("--load_size 48", (48, 48)),
        ("--load_size 48 --crop_size 40", (48, 40)),
        ("--preprocess none", None),
    ],
)
def test_sizes_follow_the_training(args: str, sizes: tuple[int, int] | None) -> None:
    """Whole images are resized to the size of the training's crops; one explicit size sets both."""
    parse("train", "--name", "x", "--load_size", "34", "--crop_size", "32")
    opt = parse("test", "--name", "x", *args.split())
    assert opt.preprocess == ("resize_and_crop" if sizes else "none")
    assert sizes is None or (opt.load_size, opt.crop_size) == sizes


RESIZED = "in training they were resized to 34x34"


@pytest.mark.parametrize(
    ("trained", "tested", "words"),
    [
        (
            "",
            "",
            f"32x32; {RESIZED} and cropped to 32 (--preprocess resize_and_crop --load_size 34",
        ),
        ("", "--load_size 34", ""),
        ("", "--preprocess none", f"taken in their own size; {RESIZED}"),
        ("--preprocess scale_width", "", ""),
        ("--preprocess crop", "", ""),
        ("--preprocess scale_width_and_crop", "", ""),
        (
            "--preprocess scale_width",
            "--load_size 50",
            "a width of 50; in training they were scaled to a width of 34 (--prep",
        ),
        (
            "--preprocess crop",
            "--preprocess scale_width",
            "of 34; in training they were taken in their own size and cropped to 32",
        ),
    ],
)
def test_other_scales_are_mentioned(
    trained: str, tested: str, words: str, capsys: pytest.CaptureFixture
) -> None:
    parse("train", "--name", "x", "--load_size", "34", "--crop_size", "32", *trained.split())
    capsys.readouterr()
    parse("test", "--name", "x", *tested.split())
    out = capsys.readouterr().out
    assert words in out and ("in training" in out) == bool(words)


def test_suffix_given_again(unaligned: Path, run: Programs) -> None:
    """A test names the run by the same --name and --suffix, as in the official code."""
    run.train("--dataroot", unaligned, "--name", "x", "--suffix", "big", *TINY, *ONE_EPOCH).ok()
    run.test("--dataroot", unaligned, "--name", "x", "--suffix", "big").ok()
    assert (run.results / "x_big" / "test_latest" / "images" / "a0_fake_B.png").is_file()


def test_a_resumed_run_with_a_suffix_keeps_its_networks() -> None:
    parse("train", "--name", "x", "--suffix", "big")
    Path("checkpoints/x_big/state.pth").touch()
    with pytest.raises(UsageError, match="--continue_train cannot change --netG unet_128"):
        parse("train", "--name", "x", "--suffix", "big", "--continue_train", "--netG", "unet_128")


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        ("", False),
        ("--direction AtoB", False),
        ("--direction BtoA --model test", False),  # takes the other generator
        ("--direction BtoA", True),  # generators get images of the other domain
    ],
)
def test_another_direction(flags: str, warned: bool, capsys: pytest.CaptureFixture) -> None:
    """Another direction than in training has its official meaning, with a warning."""
    parse("train", "--name", "x")
    opt = parse("test", "--name", "x", *flags.split())
    assert opt.direction == ("BtoA" if "BtoA" in flags else "AtoB")
    assert ("--direction BtoA: the run was trained AtoB" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model": 3}'])
def test_damaged_options_file(unaligned: Path, run: Programs, text: str) -> None:
    """A damaged train_opt.json is named, in one line."""
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    (run.runs / "x" / "train_opt.json").write_text(text)
    result = run.test("--dataroot", unaligned, "--name", "x")
    result.refused(result.status, "train_opt.json")


@pytest.mark.parametrize(("words", "model"), [((), "cycle_gan"), (("--model_suffix=_A",), "test")])
def test_model_suffix_means_model_test(words, model, tmp_path):
    (tmp_path / "images" / "testA").mkdir()
    run = tmp_path / "checkpoints" / "run"
    run.mkdir(parents=True)
    saved = {"model": "cycle_gan", "dataset_mode": "unaligned"}
    (run / "train_opt.json").write_text(json.dumps(saved))
    assert parse("test", "--name", "run", *words).model == model

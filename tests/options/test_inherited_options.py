"""What test.py takes over from a training, and what it does not."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs

from options.test_options import TestOptions
from options.train_options import TrainOptions

PROGRAMS = {"train": TrainOptions, "test": TestOptions}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder holds an empty folder ``images``, and runs that a test makes."""
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)


def parse(program: str, *args: str) -> argparse.Namespace:
    return PROGRAMS[program]().parse(["--dataroot", "images", "--gpu_ids", "-1", *args])


TRAINED = (
    "--model",
    "pix2pix",
    "--name",
    "x",
    "--netG",
    "unet_128",
    "--norm",
    "none",
    "--direction",
    "BtoA",
    "--input_nc",
    "1",
    "--ngf",
    "8",
    "--no_dropout",
    "--preprocess",
    "scale_width",
    "--load_size",
    "99",
    "--dataset_mode",
    "unaligned",
)


def test_inherited_options() -> None:
    """test.py starts from what the run was trained with."""
    parse(
        "train",
        *TRAINED,
        "--batch_size",
        "7",
        "--seed",
        "9",
        "--max_dataset_size",
        "3",
        "--phase",
        "val",
        "--epoch",
        "5",
    )
    opt = parse("test", "--name", "x")
    assert (
        opt.model,
        opt.netG,
        opt.norm,
        opt.direction,
        opt.input_nc,
        opt.ngf,
        opt.no_dropout,
        opt.preprocess,
        opt.load_size,
    ) == ("pix2pix", "unet_128", "none", "BtoA", 1, 8, True, "scale_width", 99)
    assert opt.dataset_mode == "unaligned"  # given in the training, against the model's own default
    assert (opt.batch_size, opt.max_dataset_size, opt.phase, opt.epoch) == (
        1,
        float("inf"),
        "test",
        "latest",
    )
    assert (opt.seed, opt.isTrain, opt.explicit_options) == (
        0,
        False,
        ["dataroot", "gpu_ids", "name"],
    )


def test_given_flags_win() -> None:
    parse("train", *TRAINED)
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


@pytest.mark.parametrize(
    ("args", "sizes"),
    [
        ((), (32, 32)),
        (("--crop_size", "48"), (48, 48)),
        (("--load_size", "48"), (48, 48)),
        (("--load_size", "48", "--crop_size", "40"), (48, 40)),
        (("--preprocess", "none"), None),
    ],
)
def test_sizes_follow_the_training(args: tuple[str, ...], sizes: tuple[int, int] | None) -> None:
    """As officially, whole images are resized to the size of the training's crops; one size given means both."""
    parse("train", "--name", "x", "--load_size", "34", "--crop_size", "32")
    opt = parse("test", "--name", "x", *args)
    assert opt.preprocess == ("resize_and_crop" if sizes else "none")
    assert sizes is None or (opt.load_size, opt.crop_size) == sizes


@pytest.mark.parametrize(
    ("trained", "tested", "words"),
    [
        (
            "",
            "",
            "32x32; in training they were resized to 34x34 and cropped to 32 (--preprocess resize_and_crop --load_size 34",
        ),
        ("", "--load_size 34", ""),
        (
            "",
            "--preprocess none",
            "taken in their own size; in training they were resized to 34x34",
        ),
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
def test_other_scales_are_said(
    trained: str, tested: str, words: str, capsys: pytest.CaptureFixture
) -> None:
    parse("train", "--name", "x", "--load_size", "34", "--crop_size", "32", *trained.split())
    capsys.readouterr()
    parse("test", "--name", "x", *tested.split())
    out = capsys.readouterr().out
    assert words in out and ("in training" in out) == bool(words)


def test_suffix_given_again(unaligned: Path, run: Programs) -> None:
    """As officially, a test names the run by the same --name and --suffix."""
    run.train("--dataroot", unaligned, "--name", "x", "--suffix", "big", *TINY, *ONE_EPOCH).ok()
    run.test("--dataroot", unaligned, "--name", "x", "--suffix", "big").ok()
    assert (run.results / "x_big" / "test_latest" / "images" / "a0_fake_B.png").is_file()


def test_another_direction(capsys: pytest.CaptureFixture) -> None:
    """As officially, each generator then gets images of the other domain; only model test takes the other generator."""
    parse("train", "--name", "x")
    for flags, warned in (
        ((), False),
        (("--direction", "AtoB"), False),
        (("--direction", "BtoA", "--model", "test"), False),
        (("--direction", "BtoA"), True),
    ):
        assert parse("test", "--name", "x", *flags).direction == (flags[1] if flags else "AtoB")
        assert ("--direction BtoA: the run was trained AtoB" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model": 3}'])
def test_damaged_record(unaligned: Path, run: Programs, text: str) -> None:
    """A damaged train_opt.json is named, in one line."""
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    (run.runs / "x" / "train_opt.json").write_text(text)
    result = run.test("--dataroot", unaligned, "--name", "x")
    result.refused(result.status, "train_opt.json")

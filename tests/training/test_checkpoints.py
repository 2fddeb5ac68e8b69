"""test.py needs only --name and --dataroot after any training, and for any official weights."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs, Result
from PIL import Image

SHORT = ("--no_html", "--no_health")
NETS = ["resnet_6blocks", "resnet_9blocks", "unet_128", "unet_256"]
NORMS = ["instance", "batch", "none"]
MATRIX = list(itertools.product(NETS, NORMS, [True, False]))


def train(run: Programs, data: Path, *more: object, name: str = "x") -> None:
    run.train(
        "--dataroot",
        data,
        "--name",
        name,
        *TINY,
        *ONE_EPOCH,
        "--batch_size",
        "5",
        "--ngf",
        "2",
        *SHORT,
        *more,
    ).ok()


def translate(run: Programs, data: Path, *more: object, name: str = "x") -> Result:
    """Run test.py without options that repeat those of the training."""
    return run.test("--dataroot", data, "--name", name, *CPU, *more)


def saved(run: Programs, label: str, name: str = "x") -> dict[str, bytes]:
    """Return stem -> pixels of the images with this label in the last results."""
    files = sorted((run.results / name).rglob(f"*_{label}.png"))
    return {f.name.removesuffix(f"_{label}.png"): Image.open(f).tobytes() for f in files}


def options(run: Programs, name: str = "x") -> dict[str, str]:
    text = (run.runs / name / "test_opt.txt").read_text()
    return dict(re.findall(r"^ *(\w+): (\S*)", text, re.MULTILINE))


def keep_weights_only(run: Programs, name: str = "x") -> Path:
    """Remove everything but weights from a run, as in an official download; return its folder."""
    folder = run.runs / name
    for file in folder.iterdir():
        if file.suffix != ".pth":
            file.unlink()
    return folder


@pytest.mark.parametrize(("netG", "norm", "dropout"), MATRIX)
def test_matrix(run: Programs, aligned: Path, netG: str, norm: str, dropout: bool) -> None:
    """A test with the weights alone gives the pixels of a test with the run's options.

    With pix2pix, because CycleGAN never has dropout.
    """
    train(
        run,
        aligned,
        "--model",
        "pix2pix",
        "--netG",
        netG,
        "--norm",
        norm,
        *([] if dropout else ["--no_dropout"]),
    )
    translate(run, aligned).ok()
    expected_options = {
        "model": "pix2pix",
        "netG": netG,
        "norm": norm,
        "no_dropout": str(not dropout),
        "ngf": "2",
    }
    assert {k: options(run)[k] for k in expected_options} == expected_options
    expected = saved(run, "fake_B")
    assert expected.keys() == {"p0", "p1"}

    keep_weights_only(run)
    # The weights of a U-Net do not show its dropout.
    flags = [] if dropout or netG.startswith("resnet") else ["--no_dropout"]
    size = ["--load_size", "32", "--crop_size", "32"]
    translate(run, aligned, "--model", "test", "--dataset_mode", "aligned", *size, *flags).ok()
    assert saved(run, "fake") == expected


@pytest.mark.parametrize("netG", NETS)
@pytest.mark.parametrize("norm", NORMS)
def test_sides_of_a_cyclegan(run: Programs, unaligned: Path, netG: str, norm: str) -> None:
    """--model test takes the generator of --direction, with the run's options and without."""
    train(run, unaligned, "--netG", netG, "--norm", norm, "--load_size", "32")
    translate(run, unaligned).ok()
    sides = {
        ("testA", ()): saved(run, "fake_B"),
        ("testB", ("--direction", "BtoA")): saved(run, "fake_A"),
    }
    for bare in (False, True):
        for (folder, direction), expected in sides.items():
            sizes = ("--load_size", "32", "--crop_size", "32") if bare else ()
            translate(run, unaligned / folder, *direction, *sizes).ok()
            assert saved(run, "fake") == expected and expected
            (run.results / "x" / "test_latest").rename(run.results / f"{bare}{folder}")
        keep_weights_only(run)


def test_direction_is_relative_to_the_training(run: Programs, unaligned: Path) -> None:
    train(run, unaligned, "--direction", "BtoA")
    translate(run, unaligned).ok()
    expected = {side: saved(run, f"fake_{side}") for side in "AB"}
    translate(run, unaligned / "testB").ok()
    assert saved(run, "fake") == expected["B"]
    (run.results / "x").rename(run.results / "y")
    translate(run, unaligned / "testA", "--direction", "AtoB").ok()
    assert saved(run, "fake") == expected["A"]


def test_channels(run: Programs, unaligned: Path) -> None:
    train(run, unaligned, "--input_nc", "1", "--output_nc", "3")
    for _ in range(2):
        result = translate(
            run, unaligned / "testB", "--direction", "BtoA", "--model_suffix", "_B"
        ).ok()
        assert "latest_net_G_B.pth" in result.out
        assert (options(run)["input_nc"], options(run)["output_nc"]) == ("3", "1")
        translate(run, unaligned / "testA", "--save", "fake").ok()
        assert (options(run)["input_nc"], options(run)["output_nc"]) == ("1", "3")
        keep_weights_only(run)


def test_official_folder(run: Programs, unaligned: Path) -> None:
    """latest_net_G.pth alone, also from PyTorch before 0.4 or with the keys of DataParallel."""
    train(run, unaligned, "--netG", "resnet_9blocks")
    folder = keep_weights_only(run)
    (folder / "latest_net_G_A.pth").rename(folder / "latest_net_G.pth")
    for file in folder.glob("latest_net_*_*.pth"):
        file.unlink()
    plain = translate(run, unaligned / "testA").ok()
    assert "latest_net_G.pth" in plain.out and options(run)["netG"] == "resnet_9blocks"
    expected = saved(run, "fake")
    state = torch.load(folder / "latest_net_G.pth", weights_only=True)
    for key in ("model.2", "model.5", "model.10.conv_block.2"):
        state |= {f"{key}.running_mean": torch.ones(2), f"{key}.running_var": torch.ones(2)}
    torch.save({f"module.{k}": v for k, v in state.items()}, folder / "latest_net_G.pth")
    translate(run, unaligned / "testA").ok()
    assert saved(run, "fake") == expected


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_official_cyclegan_folder(run: Programs, unaligned: Path, direction: str) -> None:
    """A two-sided test with the weights alone gives the images of a test with the run's options."""
    train(
        run,
        unaligned,
        "--netG",
        "unet_128",
        "--norm",
        "batch",
        "--input_nc",
        "1",
        "--direction",
        direction,
    )
    sizes = ("--load_size", "32", "--crop_size", "32")
    translate(run, unaligned, *sizes).ok()
    expected = saved(run, "fake_A"), saved(run, "rec_B")
    (run.results / "x").rename(run.results / "before")
    keep_weights_only(run)
    translate(run, unaligned, "--model", "cycle_gan", "--direction", direction, *sizes).ok()
    assert (saved(run, "fake_A"), saved(run, "rec_B")) == expected and expected[0]


CONTRADICTIONS = [
    ("--netG unet_128", "--netG unet_128 resnet_6blocks"),
    ("--netG resnet_9blocks", "--netG resnet_9blocks resnet_6blocks"),
    ("--norm batch", "--norm batch instance"),
    ("--norm none", "--norm none instance"),
    ("--ngf 64", "--ngf 64 2"),
    ("--input_nc 1", "--input_nc 1 3"),
    ("--output_nc 4", "--output_nc 4 3"),
]


@pytest.mark.parametrize("model", ["cycle_gan", "test"])
def test_contradictions(run: Programs, unaligned: Path, model: str) -> None:
    """A flag that contradicts the weights is refused with its value and that of the weights."""
    train(run, unaligned)
    for _ in range(2):
        for flag, words in CONTRADICTIONS:
            data = unaligned if model == "cycle_gan" else unaligned / "testA"
            result = translate(run, data, "--model", model, *flag.split())
            result.refused(1, "latest_net_G_A.pth", *words.split())
        keep_weights_only(run)
    assert not run.results.exists()


def test_dropout_contradicts(run: Programs, aligned: Path) -> None:
    train(run, aligned, "--model", "pix2pix", "--netG", "resnet_6blocks")
    translate(run, aligned, "--no_dropout").refused(1, "--no_dropout", "latest_net_G.pth")


def test_flags_that_repeat_the_training_are_fine(run: Programs, unaligned: Path) -> None:
    train(run, unaligned, "--norm", "batch")
    translate(
        run,
        unaligned,
        "--model",
        "cycle_gan",
        "--netG",
        "resnet_6blocks",
        "--norm",
        "batch",
        "--no_dropout",
        "--ngf",
        "2",
        "--dataset_mode",
        "unaligned",
        "--direction",
        "AtoB",
        "--load_size",
        "32",
        "--crop_size",
        "32",
    ).ok()


@pytest.mark.parametrize(
    "args", ["", "--model cycle_gan", "--model pix2pix --dataset_mode unaligned", "--epoch 7"]
)
def test_no_such_run(run: Programs, unaligned: Path, args: str) -> None:
    """A mistyped name is refused with a suggestion, and no folder of that name appears."""
    train(run, unaligned, name="horses")
    before = run.files()
    translate(run, unaligned, *args.split(), name="horse").refused(
        1, 'no run "horse" in checkpoints (there are: horses); did you mean horses?'
    )
    assert run.files() == before


def test_no_such_epoch(run: Programs, unaligned: Path) -> None:
    train(run, unaligned)
    translate(run, unaligned, "--epoch", "7").refused(1, "7_net_G_A.pth", "latest_net_G_A.pth")
    translate(run, unaligned, "--load_iter", "9").refused(1, "iter_9_net_G_A.pth")
    keep_weights_only(run)
    result = translate(run, unaligned / "testA", "--epoch", "7").refused(
        1, "7_net_G.pth", "7_net_G_A.pth"
    )
    assert not run.results.exists(), result


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_damaged_weights(run: Programs, unaligned: Path, content: bytes) -> None:
    train(run, unaligned)
    (run.runs / "x" / "latest_net_G_A.pth").write_bytes(content)
    translate(run, unaligned).refused(1, "latest_net_G_A.pth")


def four_blocks() -> object:
    from models.networks import ResnetGenerator, get_norm_layer

    return ResnetGenerator(3, 3, 2, get_norm_layer("instance"), n_blocks=4).state_dict()


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (four_blocks, "4"),
        (lambda: torch.nn.Linear(2, 2).state_dict(), "model.1"),
        (lambda: {"epoch": 3, "state": torch.nn.Linear(2, 2).state_dict()}, "named tensors"),
        (lambda: [1, 2], "named tensors"),
    ],
)
def test_other_weights(
    run: Programs, unaligned: Path, make: Callable[[], object], word: str
) -> None:
    """Weights that fit no --netG, and files without weights, are refused."""
    (run.runs / "x").mkdir(parents=True)
    torch.save(make(), run.runs / "x" / "latest_net_G.pth")
    translate(run, unaligned / "testA").refused(1, "latest_net_G.pth", word)

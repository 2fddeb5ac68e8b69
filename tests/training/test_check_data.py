"""The reports of ``scripts/check_data.py`` and ``train.py --dry_run`` on good and bad datasets."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_EPOCH, TINY, Programs, Result, picture, pictures
from PIL import Image

from data.scan import stray_entries


def check(run: Programs, data: Path, *more: object) -> Result:
    return run.check("--dataroot", data, *TINY, *ONE_EPOCH, *more)


def test_healthy(run: Programs, unaligned: Path) -> None:
    before = run.files()
    result = check(run, unaligned, "--n_epochs_decay", "3", "--save_epoch_freq", "2").ok()
    assert run.files() == before and result.err == ""
    lines = result.out.splitlines()
    assert [line for line in lines if " images, all " in line] == [
        "trainA: 4 images, all 40x40",
        "trainB: 5 images, all 40x40",
        "testA: 2 images, all 40x40",
        "testB: 3 images, all 40x40",
    ]
    assert result.out.count("\n  uint8, 0 to 255 (1 %: ") == 4
    assert "Learning rate: epoch 1 at 0.0002, then falling to 5e-05 in epoch 4" in lines
    assert "  epoch 1: 0.0002, epoch 2: 0.00015, epoch 3: 0.0001, epoch 4: 5e-05" in lines
    assert "Steps: 5 per epoch of 5 images, 20 in all" in lines
    assert lines[-1] == "Nothing would stop the training" and not re.search(
        "problem|note", result.out
    )
    more = (*TINY, *ONE_EPOCH, "--n_epochs_decay", "3", "--save_epoch_freq", "2")
    dry = run.train("--dry_run", "--dataroot", unaligned, *more).ok()
    free = re.compile(r"[\d.]+ \wB are free")  # other programs change this number
    time = re.compile(r"Time: about 0:\d\d:\d\d for 20 steps of [\d.]+ s on cpu.*\n")
    assert free.sub("", time.sub("", dry.out)) == free.sub("", result.out)
    assert free.search(dry.out) and time.search(dry.out)
    assert run.files() == before


def test_estimates(run: Programs, unaligned: Path) -> None:
    """Disk within 10 percent of the files; memory at least weights, gradients and moments."""
    more = (
        "--n_epochs_decay",
        "3",
        "--save_epoch_freq",
        "2",
        "--pool_size",
        "4",
        "--ngf",
        "8",
        "--ndf",
        "8",
    )
    result = check(run, unaligned, *more).ok()
    disk = r"Disk: about ([\d.]+) MB for 3 sets .* state of ([\d.]+) MB.*\n"
    [numbers] = re.findall(disk + r"Memory: about ([\d.]+) MB", result.out)
    total, state, memory = map(float, numbers)
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH, *more).ok()
    files = {p.name: p.stat().st_size / 1e6 for p in (run.runs / "x").glob("*.pth")}
    assert state == pytest.approx(files["state.pth"], rel=0.1)
    assert total == pytest.approx(sum(files.values()), rel=0.1)
    weights = sum(size for name, size in files.items() if name.startswith("latest"))
    assert 3 * weights < memory < 20 * weights


def test_files_that_may_not_be_large(run: Programs, unaligned: Path) -> None:
    """A training state of about 0.9 MB is compared with the limit of ``ulimit -f``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        result = check(run, unaligned, "--ngf", "8", "--ndf", "8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.status == 1
    reason = r"problem: a training state has about [\d.]+ MB, .* at most 0\.5 MB here \(ulimit -f\)"
    assert re.search(reason, result.out)


def test_unbalanced_and_duplicated(run: Programs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data / "trainA", [f"{i}.png" for i in range(2)], 1)
    pictures(data / "trainB", [f"{i}.png" for i in range(6)], 2)
    pictures(data / "testA", ["0.png"], 3)
    same_pixels = data / "testA" / "other_name.tif"
    Image.open(data / "trainA" / "1.png").save(same_pixels)
    shutil.copy(data / "trainB" / "3.png", data / "trainB" / "copy.png")
    result = check(run, data).ok()
    notes = [line for line in result.out.splitlines() if line.startswith("note: ")]
    equal = "note: 1 image more than once, equal in every pixel, in"
    assert notes == [
        f"{equal} testA and trainA: trainA/1.png = testA/other_name.tif",
        f"{equal} trainB: trainB/3.png = trainB/copy.png",
        "note: trainB has 7 images, trainA 2: an epoch shows each image of trainA about 4 times",
    ]


def test_modes(run: Programs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data / "trainB", ["b.png"])
    modes = {
        "l.png": "L",
        "rgba.png": "RGBA",
        "la.png": "LA",
        "cmyk.jpg": "CMYK",
        "p.png": "P",
        "bit.png": "1",
    }
    for name, mode in modes.items():
        picture(data / "trainA" / name, mode=mode)
    result = check(run, data).ok()
    for kind, name in {
        "grayscale": "l",
        "alpha": "rgba",
        "gray with alpha": "la",
        "palette": "p",
        "black and white": "bit",
        "CMYK": "cmyk",
    }.items():
        assert re.search(
            rf"note: 1 image, {kind}, converted by training: trainA/{name}\.", result.out
        ), kind
    run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH).ok()
    deep = np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)
    Image.fromarray(deep).save(data / "trainA" / "deep.png")
    result = check(run, data)
    assert result.status == 1 and "trainA mixes kinds of files" in result.out


def test_too_small(run: Programs, unaligned: Path, aligned: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(unaligned, tmp_path / "copy"))
    picture(data / "trainB" / "small.png", size=(90, 20))
    result = check(run, data, "--preprocess", "crop")
    assert (
        result.status,
        "problem: trainB: 1 image of 6 too small for --crop_size 32: trainB/small.png (90x20)"
        in result.out,
    ) == (1, True)
    assert (
        "widths 40 to 90 (median 40), heights 20 to 40 (median 40), 2 sizes, most often 40x40 (5)"
        in result.out
    )
    assert check(run, data, "--preprocess", "none", "--batch_size", "2").status == 1
    check(run, data, "--preprocess", "none").ok()
    check(run, data).ok()
    result = check(run, data, "--load_size", "16", "--crop_size", "8")
    assert (
        result.status == 1
        and "problem: images of 8x8 are too small for this discriminator" in result.out
    )
    pairs = ("--model", "pix2pix", "--netG", "resnet_6blocks", "--preprocess", "crop")
    check(run, aligned, *pairs).ok()  # halves of 40x40
    assert check(run, aligned, *pairs, "--crop_size", "41").status == 1


@pytest.mark.parametrize(
    "args",
    [
        "--model pix2pix --netG unet_128",
        "--model colorization --netG resnet_6blocks",
        "--model template",
        "--model template --dataset_mode template",
    ],
)
def test_other_layouts(run: Programs, aligned: Path, args: str) -> None:
    result = check(run, aligned, *args.split()).ok()
    first = ".: 5 images" if args.endswith("_mode template") else "train: 3 images, all 80x40\n"
    assert (
        result.out.startswith(first)
        and "Disk: about" in result.out
        and "Memory: about" in result.out
    )


def test_stray_files_of_a_single_folder(run: Programs, tmp_path: Path) -> None:
    picture(tmp_path / "data" / "a.png")
    (tmp_path / "data" / "sub").mkdir()
    for name in ("notes.txt", "sub/more.txt"):
        (tmp_path / "data" / name).write_text("x")
    opt = Namespace(dataroot=str(tmp_path / "data"))
    assert stray_entries(opt, {".": []}) == ([], ["notes.txt", str(Path("sub/more.txt"))])


def test_missing_folder(run: Programs, tmp_path: Path) -> None:
    pictures(tmp_path / "data" / "trainA", ["a.png"])
    check(run, tmp_path / "data").refused(1, "has no folder trainB")


def test_as_a_program() -> None:
    script = Path(__file__).parents[2] / "scripts" / "check_data.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "") and "--crop_size" in done.stdout
    assert "Check a dataset before training" in done.stdout
    assert "\n\n    python scripts/check_data.py --dataroot" in done.stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--panel", "nothere.png"), "--panel: there is no file nothere.png"),
        (("--panel", "a_text"), "--panel: cannot read the image a_text"),
        (("--init_G_A", "nothere.pth"), "no file nothere.pth"),
        (("--init_D_B", "a_text"), "cannot load a_text"),
        (("--val_freq", "1"), "--val_freq: "),
        (("--checkpoints_dir", "a_text"), "--checkpoints_dir: cannot write to a_text"),
        (("--checkpoints_dir", "loop"), "--checkpoints_dir: cannot write to loop"),
        (("--name", "x" * 300), "--checkpoints_dir, --name: file name too long: xxx"),
        (("--checkpoints_dir", "x" * 300), "--checkpoints_dir, --name: file name too long: xxx"),
    ],
)
def test_files_of_options(
    run: Programs, unaligned: Path, words: tuple[str, str], problem: str
) -> None:
    """The training would stop with the same error; the report said that nothing would stop it."""
    (run.folder / "a_text").write_text("text")
    (run.folder / "loop").symlink_to("loop")
    result = check(run, unaligned, *words)
    assert result.status == 1 and f"problem: {problem}" in result.out
    assert result.out.endswith("The training would stop\n")
    assert run.train("--dataroot", unaligned, *TINY, *ONE_EPOCH, *words).status == 1

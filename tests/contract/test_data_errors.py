"""Datasets that cannot be used: one line on stderr that names the folder or image, status 1."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import CPU, ONE_EPOCH, TINY, Programs, Result, picture, pictures


def train(run: Programs, data: object, *more: object) -> Result:
    return run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *more)


@pytest.fixture
def copy(unaligned: Path, tmp_path: Path) -> Path:
    """A copy of the unaligned set, to be damaged."""
    return Path(shutil.copytree(unaligned, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("sub/trainA", "sub/trainB"), "sub/ --dataroot {root}/sub"),  # one level too high
        (("TrainA", "TrainB"), "TrainA case"),
        (("train_A", "train_B"), "train_A/ rename"),
        (("train", "test"), "train/ test/ aligned"),  # pairs: another --dataset_mode
        (("testA", "testB"), "testA/ testB/"),
        ((), "nothing"),
    ],
)
def test_missing_folder(
    run: Programs, tmp_path: Path, folders: tuple[str, ...], words: str
) -> None:
    """The error names the missing folder, the existing ones, and what may have been meant."""
    root = tmp_path / "data"
    for folder in (".", *folders):
        (root / folder).mkdir(parents=True)
    train(run, root).refused(1, str(root), "trainA", *words.format(root=root).split())


def test_one_level_too_deep(run: Programs, unaligned: Path, aligned: Path) -> None:
    train(run, unaligned / "trainA").refused(1, "trainA", f"--dataroot {unaligned}")
    train(run, unaligned, "--model", "pix2pix").refused(1, "train", "trainA/", "unaligned")
    run.test("--dataroot", aligned, "--model", "cycle_gan", *CPU).refused(1, "testA", "test/")


def test_empty_folders(run: Programs, copy: Path) -> None:
    for folder in ("trainB", "testB"):
        for file in (copy / folder).iterdir():
            file.rename(file.with_suffix(".txt"))
    train(run, copy).refused(1, str(copy / "trainB"), "no images", "png")
    run.test("--dataroot", copy, "--model", "cycle_gan", *CPU).refused(
        1, str(copy / "testB"), "no images"
    )
    run.test("--dataroot", copy / "testB", *CPU).refused(1, str(copy / "testB"), "no images")


def damaged(kind: str, whole: bytes) -> bytes:
    return {
        "text": b"this is no image",
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "header": whole[:20],
    }[kind]


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "header"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_unreadable_images(run: Programs, copy: Path, kind: str, threads: int, suffix: str) -> None:
    bad = copy / "trainB" / f"bad{suffix}"
    bad.write_bytes(damaged(kind, picture(bad, size=(64, 64)).read_bytes()))
    train(run, copy, "--num_threads", threads, "--serial_batches").refused(1, str(bad))


def test_unreadable_test_images(run: Programs, copy: Path) -> None:
    train(run, copy).ok()
    (copy / "testA" / "a1.png").write_bytes(b"")
    run.test("--dataroot", copy, "--name", "x", *CPU).refused(1, copy / "testA" / "a1.png")
    page = (run.results / "x" / "test_latest" / "index.html").read_text()
    assert "a0_fake_B.png" in page and "a1_fake_B.png" not in page
    assert "Only 1 of 3 images" in page
    run.test("--dataroot", copy / "testA", "--name", "x", *CPU).refused(
        1, copy / "testA" / "a1.png"
    )


@pytest.mark.parametrize("preprocess", ["crop", "scale_width_and_crop"])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_crop_larger_than_images(
    run: Programs, unaligned: Path, aligned: Path, preprocess: str, model: str
) -> None:
    data = aligned if model == "pix2pix" else unaligned
    result = train(run, data, "--model", model, "--preprocess", preprocess, "--crop_size", "64")
    result.refused(1, "--crop_size 64", ".png", "x40", "resize_and_crop")


@pytest.mark.parametrize(("preprocess", "fits"), [("scale_width_and_crop", True), ("crop", False)])
def test_pairs_are_measured_by_their_halves(
    run: Programs, tmp_path: Path, preprocess: str, fits: bool
) -> None:
    """Files of 60x40 hold images of 30x40: crops of 32 fit them only after scaling to width 34."""
    pictures(tmp_path / "pairs" / "train", ["p0.png", "p1.png"], size=(60, 40))
    result = train(
        run, tmp_path / "pairs", "--model", "pix2pix", "--preprocess", preprocess, "--no_html"
    )
    if fits:
        result.ok()
    else:
        result.refused(1, "--crop_size 32", "30x40", "p0.png")


def test_image_sizes(run: Programs, unaligned: Path, copy: Path) -> None:
    """Batches of several sizes and images too small for the discriminator are refused."""
    pictures(copy / "trainA", ["wide.png"], size=(64, 40))
    train(run, copy, "--preprocess", "none", "--batch_size", "5").refused(
        1, "--batch_size 5", "64x40", "40x40"
    )
    train(run, unaligned, "--load_size", "16", "--crop_size", "16").refused(1, "16", "--netD")

"""The command lines of the preparation tools in ``datasets/``, on small synthetic images."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs, Result
from PIL import Image

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
sys.path.append(str(DATASETS))  # Python does this for a script
RED, BLUE = (200, 30, 20), (10, 40, 220)


def tool(name: str, *args: object, cwd: Path = DATASETS) -> Result:
    """Run ``datasets/NAME.py`` in this process."""
    path = str(DATASETS / f"{name}.py")
    return Programs(cwd).call(lambda: runpy.run_path(path, run_name="__main__"), path, *args)


def succeeds(result: Result) -> Result:
    assert result.status == 0, result.err
    return result


def fails(result: Result, *words: object) -> None:
    """The exit status is 1, and an error without a traceback contains ``words``."""
    assert result.status == 1
    assert "Traceback" not in result.err
    assert "error: " in result.err
    for word in words:
        assert str(word) in result.err


def paint(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def is_pair(
    path: Path, left: tuple[int, int, int] = RED, right: tuple[int, int, int] = BLUE
) -> bool:
    image = pixels(path)
    half = image.shape[1] // 2
    return bool(
        np.abs(image[:, :half] - left).max() <= 3 and np.abs(image[:, half:] - right).max() <= 3
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def combine(root: Path, *more: object) -> Result:
    return tool(
        "combine_A_and_B",
        "--fold_A",
        root / "A",
        "--fold_B",
        root / "B",
        "--fold_AB",
        root / "AB",
        *more,
    )


def align(root: Path) -> Result:
    return tool("make_dataset_aligned", "--dataset-path", root)


# combine_A_and_B


def test_combine_joins_by_name_and_lists_unpaired_files(tmp_path: Path) -> None:
    for name in ("2.jpg", "naïve 猫.PNG", "1.png"):
        paint(tmp_path / "A/train" / name)
        paint(tmp_path / "B/train" / name, BLUE)
    for n in range(7):
        paint(tmp_path / f"A/train/unpaired{n}.jpg")
    paint(tmp_path / "B/train/other.jpg")
    paint(tmp_path / "B/val/1.jpg")
    (tmp_path / "A/train/notes.txt").write_text("no image")
    result = succeeds(combine(tmp_path))
    first = contents(tmp_path / "AB")
    assert sorted(first) == ["train/1.png", "train/2.jpg", "train/naïve 猫.PNG"]
    assert all(is_pair(tmp_path / "AB" / name) for name in first)
    assert "train: 3 pairs" in result.out
    assert "unpaired0.jpg" in result.err and "and 2 more" in result.err
    assert "other.jpg" in result.err and f"there is no {tmp_path / 'A/val'}" in result.err
    succeeds(combine(tmp_path, "--no_multiprocessing"))
    assert contents(tmp_path / "AB") == first


def test_combine_use_ab_in_one_folder_and_the_limit(tmp_path: Path) -> None:
    for n in range(3):
        paint(tmp_path / f"both/test/{n}_A.png")
        paint(tmp_path / f"both/test/{n}_B.png", BLUE)
    result = succeeds(
        tool(
            "combine_A_and_B",
            "--fold_A",
            "both",
            "--fold_B",
            "both",
            "--fold_AB",
            "AB",
            "--use_AB",
            "--num_imgs",
            2,
            cwd=tmp_path,
        )
    )
    assert sorted(contents(tmp_path / "AB")) == ["test/0.png", "test/1.png"]
    assert is_pair(tmp_path / "AB/test/0.png")
    assert "warning" not in result.err


def test_combine_reports_every_bad_pair_and_writes_the_others(tmp_path: Path) -> None:
    for name in ("big.png", "broken.png", "good.png"):
        paint(tmp_path / "A/train" / name, size=(20, 8) if name == "big.png" else (12, 8))
        paint(tmp_path / "B/train" / name, BLUE)
    (tmp_path / "B/train/broken.png").write_bytes(b"not an image")
    for flags in ([], ["--no_multiprocessing"]):
        fails(
            combine(tmp_path, *flags),
            "2 of 3 failed",
            tmp_path / "A/train/big.png",
            "is 20x8",
            tmp_path / "B/train/big.png",
            "is 12x8",
            f"cannot read the image {tmp_path / 'B/train/broken.png'}",
        )
    assert list(contents(tmp_path / "AB")) == ["train/good.png"]


def test_combine_truncated_image_is_named_in_one_line(tmp_path: Path) -> None:
    paint(tmp_path / "A/train/1.png")
    whole = paint(tmp_path / "B/train/1.png", size=(64, 64)).read_bytes()
    (tmp_path / "B/train/1.png").write_bytes(whole[: len(whole) // 2])
    result = combine(tmp_path)
    fails(result, tmp_path / "B/train/1.png")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--fold_A", "nowhere"], ["--fold_A", "nowhere"]),
        (["--fold_AB", "A"], ["--fold_AB", "--fold_A", "same folder"]),
        ([], ["no pairs"]),
    ],
)
def test_combine_wrong_folders(tmp_path: Path, flags: list[str], words: list[str]) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "B").mkdir()
    fails(
        tool(
            "combine_A_and_B",
            "--fold_A",
            "A",
            "--fold_B",
            "B",
            "--fold_AB",
            "AB",
            *flags,
            cwd=tmp_path,
        ),
        *words,
    )


def test_combine_output_that_cannot_be_written(tmp_path: Path) -> None:
    paint(tmp_path / "A/train/1.png")
    paint(tmp_path / "B/train/1.png")
    (tmp_path / "AB").write_text("a file")
    fails(combine(tmp_path), "--fold_AB", "is a file, should be a folder")


def test_combine_scales_16_bits_and_turns_images_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    levels = (np.arange(12 * 8, dtype=np.uint16).reshape(12, 8) << 9) + 0x40
    for folder in ("A", "B"):
        train = tmp_path / folder / "train"
        train.mkdir(parents=True)
        Image.fromarray(levels).save(train / "deep.png")
        Image.fromarray(levels).save(train / "deep_turned.png", exif=turned)
        Image.new("RGB", (8, 12), BLUE).save(train / "turned.jpg", exif=turned)
    succeeds(combine(tmp_path))
    pairs = {path.name: pixels(path) for path in (tmp_path / "AB/train").iterdir()}
    upright = np.rot90(levels >> 8, -1)
    assert (pairs["deep.png"][:, :8, 0] == levels >> 8).all()
    assert (pairs["deep_turned.png"][..., 0] == np.concatenate([upright, upright], 1)).all()
    assert pairs["turned.jpg"].shape == (8, 24, 3)


# make_dataset_aligned


def test_aligned_pairs_by_name_not_by_index(tmp_path: Path) -> None:
    root = tmp_path / "ein Datensatz"
    for n, name in enumerate(("a.JPG", "b.png", "ç.jpeg")):
        paint(root / "trainA" / name, (60 * n, 0, 0))
        paint(root / "trainB" / f"{Path(name).stem}.png", (0, 0, 60 * n))
    paint(root / "trainA/aa.png")
    paint(root / "trainB/0.png")
    for n in (2, 10):
        paint(root / f"testA/{n}_A.jpg")
        paint(root / f"testB/{n}_B.jpg", BLUE)
    result = succeeds(align(root))
    for n in range(3):
        assert is_pair(root / f"train/{n:04d}.jpg", (60 * n, 0, 0), (0, 0, 60 * n))
    assert all(is_pair(root / f"test/{n:04d}.jpg") for n in range(2))
    assert "aa.png" in result.err and "0.png" in result.err
    with Image.open(root / "train/0000.jpg") as image:
        assert (
            image.format == "JPEG" and image.layer[0][1:3] == image.layer[1][1:3]
        )  # full colour resolution
    first = contents(root)
    succeeds(align(root))
    assert contents(root) == first
    (root / "testA/2_A.jpg").unlink()
    assert (
        f"{root / 'test'} also holds 1 image that this run did not write, such as 0001.jpg"
        in succeeds(align(root)).err
    )


def test_aligned_errors(tmp_path: Path) -> None:
    fails(align(tmp_path), "--dataset-path", "no pairs")
    paint(tmp_path / "trainA/1.png", size=(20, 8))
    fails(align(tmp_path), "cannot list", tmp_path / "trainB")
    paint(tmp_path / "trainB/1.png")
    fails(align(tmp_path), "same size", tmp_path / "trainA/1.png", tmp_path / "trainB/1.png")
    paint(tmp_path / "trainA/1.jpg")
    fails(align(tmp_path), "same name", tmp_path / "trainA/1.jpg", tmp_path / "trainA/1.png")
    (tmp_path / "trainA/1.png").unlink()
    (tmp_path / "trainA/1.jpg").write_bytes(b"")
    fails(align(tmp_path), f"cannot read the image {tmp_path / 'trainA/1.jpg'}")


@pytest.mark.parametrize(
    "name, flags",
    [
        ("prepare_cityscapes_dataset", []),
        ("make_dataset_aligned", []),
        ("combine_A_and_B", ["--num_imgs", "0"]),
    ],
)
def test_usage(name: str, flags: list[str]) -> None:
    assert tool(name, *flags).status == 2
    assert "--" in succeeds(tool(name, "--help")).out


def test_the_tools_do_not_load_torch() -> None:
    """It would take seconds, for --help, too."""
    code = "import sys, prepare_cityscapes_dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=DATASETS, check=False).returncode == 0

"""The preparation tools in ``datasets/``, run as a user runs them, on small synthetic images."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
PALETTE = np.array([(128, 64, 128), (244, 35, 232), (70, 70, 70), (107, 142, 35), (0, 0, 142), (0, 0, 0)], np.uint8)
RED, BLUE = (200, 30, 20), (10, 40, 220)


def tool(name: str, *args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DATASETS / f"{name}.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd, check=False)


def succeeds(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert result.returncode == 0, result.stderr
    return result


def fails(result: subprocess.CompletedProcess[str], *words: object) -> None:
    """The last message is an error that holds ``words``, the exit status is 1, and nobody sees a traceback."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr
    for word in words:
        assert str(word) in result.stderr


def paint(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def is_pair(path: Path, left: tuple[int, int, int] = RED, right: tuple[int, int, int] = BLUE) -> bool:
    image = pixels(path)
    half = image.shape[1] // 2
    return bool(np.abs(image[:, :half] - left).max() <= 3 and np.abs(image[:, half:] - right).max() <= 3)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def combine(root: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return tool("combine_A_and_B", "--fold_A", root / "A", "--fold_B", root / "B", "--fold_AB", root / "AB", *more)


def align(root: Path) -> subprocess.CompletedProcess[str]:
    return tool("make_dataset_aligned", "--dataset-path", root)


def cityscapes(root: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return tool("prepare_cityscapes_dataset", "--gtFine_dir", root / "gtFine", "--leftImg8bit_dir",
                root / "leftImg8bit", "--output_dir", root / "out", *more)


# combine_A_and_B

def test_combine_joins_by_name_and_says_what_is_alone(tmp_path: Path) -> None:
    for name in ("2.jpg", "naïve 猫.PNG", "1.png"):
        paint(tmp_path / "A/train" / name)
        paint(tmp_path / "B/train" / name, BLUE)
    for n in range(7):
        paint(tmp_path / f"A/train/alone{n}.jpg")
    paint(tmp_path / "B/train/widow.jpg")
    paint(tmp_path / "B/val/1.jpg")
    (tmp_path / "A/train/notes.txt").write_text("no image")
    result = succeeds(combine(tmp_path))
    first = contents(tmp_path / "AB")
    assert sorted(first) == ["train/1.png", "train/2.jpg", "train/naïve 猫.PNG"]
    assert all(is_pair(tmp_path / "AB" / name) for name in first)
    assert "train: 3 pairs" in result.stdout
    assert "alone0.jpg" in result.stderr and "and 2 more" in result.stderr
    assert "widow.jpg" in result.stderr and f"there is no {tmp_path / 'A/val'}" in result.stderr
    succeeds(combine(tmp_path, "--no_multiprocessing"))
    assert contents(tmp_path / "AB") == first


def test_combine_use_ab_in_one_folder_and_the_limit(tmp_path: Path) -> None:
    for n in range(3):
        paint(tmp_path / f"both/test/{n}_A.png")
        paint(tmp_path / f"both/test/{n}_B.png", BLUE)
    result = succeeds(tool("combine_A_and_B", "--fold_A", "both", "--fold_B", "both", "--fold_AB", "AB", "--use_AB",
                           "--num_imgs", 2, cwd=tmp_path))
    assert sorted(contents(tmp_path / "AB")) == ["test/0.png", "test/1.png"]
    assert is_pair(tmp_path / "AB/test/0.png")
    assert "warning" not in result.stderr


def test_combine_reports_every_bad_pair_and_does_the_rest(tmp_path: Path) -> None:
    for name in ("big.png", "broken.png", "good.png"):
        paint(tmp_path / "A/train" / name, size=(20, 8) if name == "big.png" else (12, 8))
        paint(tmp_path / "B/train" / name, BLUE)
    (tmp_path / "B/train/broken.png").write_bytes(b"not an image")
    for flags in ([], ["--no_multiprocessing"]):
        fails(combine(tmp_path, *flags), "2 of 3 failed", tmp_path / "A/train/big.png", "is 20x8",
              tmp_path / "B/train/big.png", "is 12x8", f"cannot read image {tmp_path / 'B/train/broken.png'}")
    assert list(contents(tmp_path / "AB")) == ["train/good.png"]


def test_combine_truncated_image_is_named_in_one_line(tmp_path: Path) -> None:
    paint(tmp_path / "A/train/1.png")
    whole = paint(tmp_path / "B/train/1.png", size=(64, 64)).read_bytes()
    (tmp_path / "B/train/1.png").write_bytes(whole[:len(whole) // 2])
    result = combine(tmp_path)
    fails(result, tmp_path / "B/train/1.png")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("flags, words", [
    (["--fold_A", "nowhere"], ["--fold_A", "nowhere"]),
    (["--fold_AB", "A"], ["--fold_AB", "--fold_A", "same folder"]),
    ([], ["no pairs"]),
])
def test_combine_wrong_folders(tmp_path: Path, flags: list[str], words: list[str]) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "B").mkdir()
    fails(tool("combine_A_and_B", "--fold_A", "A", "--fold_B", "B", "--fold_AB", "AB", *flags, cwd=tmp_path), *words)


def test_combine_output_that_cannot_be_written(tmp_path: Path) -> None:
    paint(tmp_path / "A/train/1.png")
    paint(tmp_path / "B/train/1.png")
    (tmp_path / "AB").write_text("a file")
    fails(combine(tmp_path), "cannot write", tmp_path / "AB/train/1.png")


def test_combine_keeps_16_bits_visible_and_photos_upright(tmp_path: Path) -> None:
    for folder in ("A", "B"):
        (tmp_path / folder / "train").mkdir(parents=True)
        Image.fromarray(np.full((8, 12), 0x8040, np.uint16)).save(tmp_path / folder / "train/deep.png")
        turned = Image.Exif()
        turned[0x0112] = 6
        Image.new("RGB", (8, 12), BLUE).save(tmp_path / folder / "train/turned.jpg", exif=turned)
    succeeds(combine(tmp_path))
    assert (pixels(tmp_path / "AB/train/deep.png") == 0x80).all()
    assert pixels(tmp_path / "AB/train/turned.jpg").shape == (8, 24, 3)


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
    assert "aa.png" in result.stderr and "0.png" in result.stderr
    with Image.open(root / "train/0000.jpg") as image:
        assert image.format == "JPEG" and image.layer[0][1:3] == image.layer[1][1:3]  # full colour resolution
    first = contents(root)
    succeeds(align(root))
    assert contents(root) == first
    (root / "testA/2_A.jpg").unlink()
    assert f"{root / 'test'} also holds 1 not made by this run, such as 0001.jpg" in succeeds(align(root)).stderr


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
    fails(align(tmp_path), f"cannot read image {tmp_path / 'trainA/1.jpg'}")


# prepare_cityscapes_dataset

@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A small Cityscapes: three pairs to train, one to validate, label maps as RGBA PNG like the original."""
    root = tmp_path / "Städte 北京"
    rng = np.random.default_rng(0)
    for split, city, shots in (("train", "aachen", 2), ("train", "ulm", 1), ("val", "lindau", 1)):
        for shot in range(shots):
            stem = f"{split}/{city}/{city}_{shot:06d}_000019"
            for folder in ("leftImg8bit", "gtFine"):
                (root / folder / split / city).mkdir(parents=True, exist_ok=True)
            classes = np.kron(rng.integers(0, len(PALETTE), (6, 12)), np.ones((50, 50), int))
            label = Image.fromarray(PALETTE[classes]).convert("RGBA")
            label.save(root / f"gtFine/{stem}_gtFine_color.png")
            Image.fromarray(rng.integers(0, 256, (300, 600, 3), np.uint8)).save(
                root / f"leftImg8bit/{stem}_leftImg8bit.png")
            paint(root / f"gtFine/{stem}_gtFine_labelIds.png")
    return root


def nearest_class(image: np.ndarray) -> np.ndarray:
    return np.square(image[:, :, None, :] - PALETTE.astype(int)).sum(-1).argmin(-1)


def test_cityscapes(raw: Path) -> None:
    result = succeeds(cityscapes(raw))
    out = raw / "out"
    first = contents(out)
    assert sorted(first) == sorted(
        [f"train{side}/{n}{end}.jpg" for n in range(3) for side, end in (("", ""), ("A", "_A"), ("B", "_B"))]
        + ["test/0.jpg", "testA/0_A.jpg", "testB/0_B.jpg"])
    assert "train: 3 pairs" in result.stdout and "warning" not in result.stderr
    succeeds(cityscapes(raw))
    assert contents(out) == first

    result = succeeds(cityscapes(raw, "--png"))
    assert "also holds" in result.stderr
    for n, stem in enumerate(("aachen_000000", "aachen_000001", "ulm_000000")):
        photo, label, both = (pixels(out / p) for p in (f"trainA/{n}_A.png", f"trainB/{n}_B.png", f"train/{n}.png"))
        assert photo.shape == label.shape == (256, 256, 3)
        assert (both == np.concatenate([photo, label], axis=1)).all()
        assert (label[:, :, None] == PALETTE).all(-1).any(-1).all(), "a colour outside the palette"
        assert (nearest_class(pixels(out / f"trainB/{n}_B.jpg")) == nearest_class(label)).all()
        city = f"train/{stem[:-7]}/{stem}_000019"
        with Image.open(raw / f"leftImg8bit/{city}_leftImg8bit.png") as image:
            assert (photo == np.asarray(image.resize((256, 256), Image.Resampling.BICUBIC))).all()
        source = pixels(raw / f"gtFine/{city}_gtFine_color.png")
        assert (label[128, 128] == source[150, 301]).all()


def test_cityscapes_missing_and_broken(raw: Path) -> None:
    (raw / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png").unlink()
    (raw / "gtFine/val/lindau/lindau_000000_000019_gtFine_color.png").unlink()
    result = succeeds(cityscapes(raw))
    assert "aachen_000000_000019_gtFine_color.png" in result.stderr
    assert "lindau_000000_000019_leftImg8bit.png" in result.stderr
    assert "train: 2 pairs" in result.stdout and "test: 0 pairs" in result.stdout
    broken = raw / "gtFine/train/ulm/ulm_000000_000019_gtFine_color.png"
    broken.write_bytes(broken.read_bytes()[:100])
    fails(cityscapes(raw), f"cannot read image {broken}")


def test_cityscapes_wrong_folders(raw: Path) -> None:
    fails(tool("prepare_cityscapes_dataset", "--gtFine_dir", raw, "--leftImg8bit_dir", raw, "--output_dir", raw / "o"),
          "no pairs", "_gtFine_color.png")
    fails(tool("prepare_cityscapes_dataset", "--gtFine_dir", raw / "no", "--leftImg8bit_dir", raw, "--output_dir", raw),
          "--gtFine_dir", raw / "no")


@pytest.mark.parametrize("name, flags", [
    ("prepare_cityscapes_dataset", []), ("make_dataset_aligned", []), ("combine_A_and_B", ["--num_imgs", "0"]),
])
def test_usage(name: str, flags: list[str]) -> None:
    assert tool(name, *flags).returncode == 2
    assert "--" in succeeds(tool(name, "--help")).stdout

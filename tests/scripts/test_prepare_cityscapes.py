"""``datasets/prepare_cityscapes_dataset.py`` on a small synthetic Cityscapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Result
from PIL import Image
from test_prepare_tools import contents, fails, paint, pixels, succeeds, tool

PALETTE = np.array(
    [(128, 64, 128), (244, 35, 232), (70, 70, 70), (107, 142, 35), (0, 0, 142), (0, 0, 0)], np.uint8
)


def cityscapes(root: Path, *more: object) -> Result:
    return tool(
        "prepare_cityscapes_dataset",
        "--gtFine_dir",
        root / "gtFine",
        "--leftImg8bit_dir",
        root / "leftImg8bit",
        "--output_dir",
        root / "out",
        *more,
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three train pairs, one val pair, label maps in RGBA like the original."""
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
                root / f"leftImg8bit/{stem}_leftImg8bit.png"
            )
            paint(root / f"gtFine/{stem}_gtFine_labelIds.png")
    return root


def nearest_class(image: np.ndarray) -> np.ndarray:
    return np.square(image[:, :, None, :] - PALETTE.astype(int)).sum(-1).argmin(-1)


def test_cityscapes(raw: Path) -> None:
    result = succeeds(cityscapes(raw))
    out = raw / "out"
    first = contents(out)
    assert sorted(first) == sorted(
        [
            f"train{side}/{n}{end}.jpg"
            for n in range(3)
            for side, end in (("", ""), ("A", "_A"), ("B", "_B"))
        ]
        + ["test/0.jpg", "testA/0_A.jpg", "testB/0_B.jpg", "testB_ids/0_gtFine_labelIds.png"]
    )
    ids = raw / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png"
    assert (out / "testB_ids/0_gtFine_labelIds.png").read_bytes() == ids.read_bytes()
    assert "train: 3 pairs" in result.out and "warning" not in result.err
    succeeds(cityscapes(raw))
    assert contents(out) == first

    result = succeeds(cityscapes(raw, "--png"))
    assert "also holds" in result.err
    for n, stem in enumerate(("aachen_000000", "aachen_000001", "ulm_000000")):
        photo, label, both = (
            pixels(out / p) for p in (f"trainA/{n}_A.png", f"trainB/{n}_B.png", f"train/{n}.png")
        )
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
    assert "aachen_000000_000019_gtFine_color.png" in result.err
    assert "lindau_000000_000019_leftImg8bit.png" in result.err
    assert "train: 2 pairs" in result.out and "test: 0 pairs" in result.out
    broken = raw / "gtFine/train/ulm/ulm_000000_000019_gtFine_color.png"
    broken.write_bytes(broken.read_bytes()[:100])
    fails(cityscapes(raw), f"cannot read the image {broken}")


def test_cityscapes_wrong_folders(raw: Path) -> None:
    fails(
        tool(
            "prepare_cityscapes_dataset",
            "--gtFine_dir",
            raw,
            "--leftImg8bit_dir",
            raw,
            "--output_dir",
            raw / "o",
        ),
        "no pairs",
        "_gtFine_color.png",
    )
    fails(
        tool(
            "prepare_cityscapes_dataset",
            "--gtFine_dir",
            raw / "no",
            "--leftImg8bit_dir",
            raw,
            "--output_dir",
            raw,
        ),
        "--gtFine_dir",
        raw / "no",
    )

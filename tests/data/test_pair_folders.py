"""Pairs of 8-bit pictures in two folders are read as those of one file are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import picture
from PIL import Image
from test_inputs import options, panel

from data.aligned_dataset import AlignedDataset
from util.errors import UserError
from util.seeds import seed_everything


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("preprocess", ["resize_and_crop", "scale_width", "none"])
def test_8_bit_pairs_in_two_folders_equal_those_of_one_file(
    tmp_path: Path, preprocess: str, direction: str
) -> None:
    """The same bytes, with gray and RGB, whatever the layout."""
    for seed, name in enumerate("abc"):
        A = picture(tmp_path / "two" / "trainA" / f"{name}.png", seed, (40, 36), "L")
        B = picture(tmp_path / "two" / "trainB" / f"{name}.jpg", seed + 5, (40, 36))
        both = Image.new("RGB", (80, 36))
        for left, path in ((0, A), (40, B)):
            both.paste(Image.open(path).convert("RGB"), (left, 0))
        (tmp_path / "one" / "train").mkdir(parents=True, exist_ok=True)
        both.save(tmp_path / "one" / "train" / f"{name}.png")
    flags = ("--model", "pix2pix", "--direction", direction, "--load_size", 24, "--crop_size", 16)
    numbers = (1, 3) if direction == "AtoB" else (3, 1)
    flags += ("--preprocess", preprocess, "--input_nc", numbers[0], "--output_nc", numbers[1])
    found = []
    for layout in ("one", "two"):
        opt = options(tmp_path / layout, *flags)
        opt.no_flip = False
        dataset = AlignedDataset(opt)
        assert dataset.values == {"A": None, "B": None}
        items = []
        for i in range(3):
            seed_everything(i, gpu=False)
            items.append(dataset.pixels(i))
        found.append(items)
    for one, two in zip(*found, strict=True):
        assert one["A"].dtype == two["A"].dtype == torch.uint8
        assert torch.equal(one["A"], two["A"]) and torch.equal(one["B"], two["B"])
        assert (one["A"].shape[0], one["B"].shape[0]) == (1, 3)
    assert found[1][0]["B_paths"] == str(tmp_path / "two" / "trainB" / "a.jpg")


def test_8_bit_pairs_of_different_sizes_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "trainA" / "a.png", size=(40, 36))
    picture(tmp_path / "trainB" / "a.png", size=(36, 40))
    dataset = AlignedDataset(options(tmp_path, "--model", "pix2pix"))
    with pytest.raises(UserError, match="are a pair, but have 40x36 and 36x40 pixels"):
        dataset[0]


def test_the_panel_finds_the_other_image_of_a_pair(tmp_path: Path) -> None:
    for seed, folder in enumerate(("trainA", "trainB")):
        for i in range(2):
            picture(tmp_path / folder / f"{i}.png", 2 * seed + i, (8, 8))
    flags = ("--model", "pix2pix", "--direction", "AtoB", "--seed", 1)
    expected = AlignedDataset(options(tmp_path, *flags))[1]
    (item,) = panel(options(tmp_path, *flags, "--panel", tmp_path / "trainA" / "1.png"))
    assert torch.equal(item["A"][0], expected["A"]) and torch.equal(item["B"][0], expected["B"])
    with pytest.raises(UserError, match=r"--panel: .*1\.png: give the image of A"):
        panel(options(tmp_path, *flags, "--panel", tmp_path / "trainB" / "1.png"))

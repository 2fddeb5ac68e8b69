"""The datasets: pairing, shared and separate crops, channels, images that are too small."""

import functools
import itertools
import random

import numpy as np
import pytest
import samples
import torch
from conftest import picture
from PIL import Image
from samples import bicubic, noise, positions, tensor

from data import create_dataset
from util.errors import UserError

options = functools.partial(samples.options, load_size=20, no_flip=True)
dataset = functools.partial(samples.dataset, load_size=20, no_flip=True)


@pytest.fixture(autouse=True)
def seeded():
    random.seed(3)


def crop_of(item, domain, sources):
    """Return (position, flipped) of an item's crop in the resized image."""
    return next(
        (at[0], flipped)
        for flipped in (False, True)
        for at in [positions(item[domain].flip(2) if flipped else item[domain], sources)]
        if at
    )


def test_aligned_halves_share_crop_and_flip_and_unaligned_images_do_not(tmp_path):
    image = noise(24, 24)
    for folder in ("trainA", "trainB", "train"):
        (tmp_path / folder).mkdir()
    image.save(tmp_path / "trainA" / "x.png")
    image.save(tmp_path / "trainB" / "x.png")
    pair = Image.new("RGB", (48, 24))
    pair.paste(image, (0, 0))
    pair.paste(image, (24, 0))
    pair.save(tmp_path / "train" / "x.png")
    whole = bicubic(image, 20, 20)
    for mode in ("aligned", "unaligned"):
        items = [dataset(mode, tmp_path, no_flip=False)[0] for _ in range(60)]
        found = [(crop_of(item, "A", whole), crop_of(item, "B", whole)) for item in items]
        assert len({a for a, _ in found}) > 20  # of 25 positions, flipped or not
        same = [a == b for a, b in found]
        assert all(same) if mode == "aligned" else sum(same) < 20
        if mode == "unaligned":
            assert {(a[1], b[1]) for a, b in found} == set(
                itertools.product((False, True), repeat=2)
            )


@pytest.mark.parametrize(
    ("channels", "direction"),
    [
        ((1, 3), "AtoB"),
        ((1, 3), "BtoA"),
        ((4, 4), "AtoB"),
        ((3, 4), "AtoB"),
        ((2, 3), "AtoB"),
        ((1, 2), "BtoA"),
    ],
)
def test_channels_follow_the_direction(channels, direction, aligned, unaligned):
    for mode, root in (("aligned", aligned), ("unaligned", unaligned)):
        item = dataset(
            mode, root, input_nc=channels[0], output_nc=channels[1], direction=direction
        )[0]
        A, B = channels if direction == "AtoB" else channels[::-1]
        assert (item["A"].shape, item["B"].shape) == ((A, 16, 16), (B, 16, 16)), mode


def test_aligned_takes_the_left_half_as_A(tmp_path):
    pair = Image.new("RGB", (16, 8), (255, 0, 0))
    pair.paste((0, 0, 255), (8, 0, 16, 8))
    (tmp_path / "train").mkdir()
    pair.save(tmp_path / "train" / "x.png")
    item = dataset("aligned", tmp_path, preprocess="none", direction="BtoA")[
        0
    ]  # the model exchanges A and B, not the dataset
    assert item["A"][:, 0, 0].tolist() == [1, -1, -1] and item["B"][:, 7, 7].tolist() == [-1, -1, 1]


def test_serial_pairs_and_random_partners(unaligned):
    data = dataset("unaligned", unaligned, serial_batches=True)
    pairs = [
        (item["A_paths"][-5], item["B_paths"][-5])
        for item in map(data.__getitem__, range(len(data)))
    ]
    assert pairs == [("0", "0"), ("1", "1"), ("2", "2"), ("3", "3"), ("0", "4")]
    data = dataset("unaligned", unaligned)
    partners = [data[1]["B_paths"][-5] for _ in range(80)]
    assert set(partners) == set("01234")
    assert {data[i % 5]["A_paths"][-5] for i in range(10)} == set("0123")


@pytest.mark.parametrize(("mode", "count", "longer"), [("unaligned", 4, 5), ("aligned", 3, 3)])
def test_max_dataset_size_takes_the_first_of_the_sorted(mode, count, longer, unaligned, aligned):
    for limit in (float("inf"), 3, 1):
        loader = create_dataset(
            options(
                dataroot=str(unaligned if mode == "unaligned" else aligned),
                dataset_mode=mode,
                max_dataset_size=limit,
            )
        )
        paths = sorted({path for batch in loader for path in batch["A_paths"]})
        assert len(loader) == len(list(loader)) == min(longer, limit)
        assert "".join(path[-5] for path in paths) == "0123"[: min(count, limit)]


TOO_LARGE = [
    {"preprocess": "crop", "crop_size": 41},
    {"preprocess": "scale_width_and_crop", "load_size": 30, "crop_size": 31},
]
FITS = [
    {"preprocess": "crop", "crop_size": 40},
    {"preprocess": "scale_width_and_crop", "load_size": 34, "crop_size": 32},
]


@pytest.mark.parametrize("crop", TOO_LARGE, ids=str)
def test_images_too_small_to_crop_are_found_before_training(crop, unaligned, aligned):
    with pytest.raises(UserError, match=r"--crop_size.*a0\.png \(40x40\)"):
        dataset("unaligned", unaligned, **crop)
    with pytest.raises(UserError, match="--crop_size"):
        dataset("aligned", aligned, **crop)
    dataset("unaligned", unaligned, isTrain=False, phase="test", **crop)


@pytest.mark.parametrize("crop", FITS, ids=str)
def test_it_is_the_half_of_a_pair_that_must_be_large_enough(crop, aligned):
    """The pairs are 80x40, their halves 40x40."""
    assert dataset("aligned", aligned, **crop)[0]["A"].shape[1:] == (crop["crop_size"],) * 2


def test_pairs_whose_halves_are_too_narrow_are_found_before_training(tmp_path):
    picture(tmp_path / "train" / "narrow.png", size=(40, 32))
    with pytest.raises(UserError, match="--crop_size"):
        dataset("aligned", tmp_path, preprocess="crop", crop_size=30)


def test_no_exif_also_holds_for_the_halves_of_a_pair(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "train").mkdir()
    pair = Image.fromarray(np.repeat(np.arange(32, dtype=np.uint8)[None], 8, axis=0))
    pair.save(tmp_path / "train" / "x.png", exif=exif)
    item = dataset("aligned", tmp_path, preprocess="none", no_exif=True)[0]
    assert torch.equal(torch.cat([item["A"], item["B"]], 2), tensor(pair.convert("RGB")))

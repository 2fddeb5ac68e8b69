"""From image files to tensors: the five ways of --preprocess, crops, flips, channels; and the datasets."""

import itertools
import math
import random
from argparse import Namespace

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from data import create_dataset, find_dataset_using_name
from data.base_dataset import get_params, get_transform
from util.errors import UserError


@pytest.fixture(autouse=True)
def repeatable():
    random.seed(3)


def options(**changes):
    defaults = {
        "isTrain": True,
        "phase": "train",
        "preprocess": "resize_and_crop",
        "load_size": 20,
        "crop_size": 16,
        "no_flip": True,
        "no_exif": False,
        "input_nc": 3,
        "output_nc": 3,
        "direction": "AtoB",
        "serial_batches": False,
        "max_dataset_size": float("inf"),
        "num_threads": 0,
        "batch_size": 1,
        "seed": 1,
        "device": "cpu",
        "epoch_count": 1,
    }
    return Namespace(**defaults | changes)


def noise(width, height):
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    )


def tensor(image):
    """By hand: uint8 (H, W, C) -> (C, H, W) in [-1, 1]."""
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)


def find(window, image):
    """All (x, y) at which ``window`` is cut out of ``image``."""
    _, h, w = window.shape
    return [
        (x, y)
        for y in range(image.shape[1] - h + 1)
        for x in range(image.shape[2] - w + 1)
        if torch.allclose(window, image[:, y : y + h, x : x + w], atol=1e-6)
    ]


def bicubic(image, width, height):
    return tensor(image.resize((width, height), Image.Resampling.BICUBIC))


# Preprocessing


@pytest.mark.parametrize(
    ("preprocess", "size", "wanted"),
    [
        ("resize_and_crop", (40, 30), (16, 16)),
        ("resize_and_crop", (5, 90), (16, 16)),
        ("crop", (40, 30), (16, 16)),
        ("crop", (16, 16), (16, 16)),
        ("scale_width", (40, 30), (20, 15)),
        ("scale_width", (20, 7), (20, 7)),
        ("scale_width", (10, 6), (20, 12)),
        ("scale_width_and_crop", (40, 90), (16, 16)),
        ("none", (41, 31), (41, 31)),
    ],
)
def test_sizes(preprocess, size, wanted):
    for no_flip, train in itertools.product((False, True), repeat=2):
        opt = options(preprocess=preprocess, no_flip=no_flip, isTrain=train)
        assert get_transform(opt)(noise(*size)).shape == (3, *wanted[::-1])
        assert get_transform(opt, get_params(opt, size))(noise(*size)).shape == (3, *wanted[::-1])
        assert get_transform(opt, convert=False)(noise(*size)).size == wanted


@pytest.mark.parametrize(
    "size", [(512, 256), (1024, 600), (37, 91), (600, 401), (1000, 3), (4000, 1)]
)
def test_scale_width_keeps_the_aspect_ratio(size):
    for load, crop in (
        (286, 256),
        (65, 64),
        (7, 100),
    ):  # officially the height is at least crop_size
        _, height, width = get_transform(
            options(preprocess="scale_width", load_size=load, crop_size=crop)
        )(noise(*size)).shape
        assert width == load
        assert height == 1 or abs(height - load * size[1] / size[0]) < 1
        assert height >= 1


def test_none_leaves_every_pixel_alone():
    image = noise(41, 30)
    for train in (False, True):
        assert torch.allclose(
            get_transform(options(preprocess="none", isTrain=train))(image),
            tensor(image),
            atol=1e-6,
        )


@pytest.mark.parametrize(
    ("preprocess", "resized"),
    [("resize_and_crop", (20, 20)), ("scale_width_and_crop", (20, 25)), ("crop", (24, 30))],
)
def test_a_crop_is_a_window_of_the_resized_image(preprocess, resized):
    image, opt = noise(24, 30), options(preprocess=preprocess)
    whole = bicubic(image, *resized)
    free = resized[0] - 16, resized[1] - 16
    for transform in (get_transform(opt), lambda i: get_transform(opt, get_params(opt, i.size))(i)):
        found = [find(transform(image), whole) for _ in range(150)]
        assert all(len(at) == 1 for at in found)
        xs, ys = ({at[0][axis] for at in found} for axis in (0, 1))
        assert xs == set(range(free[0] + 1)) and ys == set(range(free[1] + 1))  # both ends included


@pytest.mark.parametrize(
    ("preprocess", "resized"),
    [("resize_and_crop", (20, 20)), ("scale_width_and_crop", (20, 25)), ("crop", (24, 30))],
)
def test_tests_crop_at_the_centre(preprocess, resized):
    image, opt = noise(24, 30), options(preprocess=preprocess, isTrain=False)
    centre = [((resized[0] - 16) // 2, (resized[1] - 16) // 2)]
    for params in (None, get_params(opt, image.size), get_params(opt, image.size)):
        assert find(get_transform(opt, params)(image), bicubic(image, *resized)) == centre


def test_an_image_smaller_than_the_crop():
    image = noise(10, 30)
    with pytest.raises(UserError, match=r"--crop_size 16 .*10x30"):
        get_transform(options(preprocess="crop"))(image)
    opt = options(preprocess="crop", isTrain=False)  # a test takes what there is
    for params in (None, get_params(opt, image.size)):
        assert find(get_transform(opt, params)(image), tensor(image)) == [(0, 7)]


def test_flips():
    image, opt = noise(6, 4), options(preprocess="none", no_flip=False)
    plain, flipped = tensor(image), tensor(image).flip(2)
    flips = 0
    for _ in range(400):
        made = get_transform(opt)(image)
        assert torch.allclose(made, plain, atol=1e-6) or torch.allclose(made, flipped, atol=1e-6)
        flips += torch.allclose(made, flipped, atol=1e-6)
    assert abs(flips - 200) < 4.5 * math.sqrt(100)
    for flip in (False, True):
        made = get_transform(opt, {"crop_pos": (0, 0), "flip": flip})(image)
        assert torch.allclose(made, flipped if flip else plain, atol=1e-6)
    drawn = sum(get_params(opt, (6, 4))["flip"] for _ in range(400))
    assert abs(drawn - 200) < 4.5 * math.sqrt(100)


def test_range_and_gray():
    opt = options(preprocess="none")
    for level, value in ((0, -1), (255, 1), (51, -0.6)):
        assert torch.allclose(
            get_transform(opt)(Image.new("RGB", (2, 2), (level,) * 3)),
            torch.full((3, 2, 2), float(value)),
        )
    gray = get_transform(opt, grayscale=True)(Image.new("RGB", (2, 2), (255, 0, 0)))
    assert gray.shape == (1, 2, 2)
    assert gray[0, 0, 0].item() == pytest.approx(0.299 * 2 - 1, abs=0.005)
    made = get_transform(options(preprocess="resize_and_crop"))(
        noise(9, 9)
    )  # bicubic overshoot is clipped
    assert made.min() >= -1 and made.max() <= 1


# Datasets


def dataset(mode, root, **changes):
    return find_dataset_using_name(mode)(options(dataroot=str(root), **changes))


def seen(item, domain, sources):
    """Which (position, flipped) the crop of an item has in its resized image."""
    return next(
        (at[0], flipped)
        for flipped in (False, True)
        for at in [find(item[domain].flip(2) if flipped else item[domain], sources)]
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
        found = [(seen(item, "A", whole), seen(item, "B", whole)) for item in items]
        assert len({a for a, _ in found}) > 20  # 25 positions, each flipped or not
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
    ]  # the model turns them, not the dataset
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

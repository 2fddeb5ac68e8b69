"""The resize, crop and flip of --preprocess, and the conversion to floats."""

import functools
import itertools
import math
import random

import numpy as np
import pytest
import samples
import torch
from PIL import Image
from samples import bicubic, noise, positions, tensor
from torchvision import transforms as v1

from data.base_dataset import get_params, get_transform, to_tensor
from data.image_to_tensor import to_float
from util.errors import UserError

TO_TENSOR = v1.Compose([v1.ToTensor(), v1.Normalize((0.5,), (0.5,))])
options = functools.partial(samples.options, load_size=20, no_flip=True)


@pytest.fixture(autouse=True)
def seeded():
    random.seed(3)


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
    ):  # the official code makes the height at least crop_size
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
        found = [positions(transform(image), whole) for _ in range(150)]
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
        assert positions(get_transform(opt, params)(image), bicubic(image, *resized)) == centre


def test_an_image_smaller_than_the_crop():
    image = noise(10, 30)
    with pytest.raises(UserError, match=r"--crop_size 16 .*10x30"):
        get_transform(options(preprocess="crop"))(image)
    opt = options(preprocess="crop", isTrain=False)  # a test keeps the short side
    for params in (None, get_params(opt, image.size)):
        assert positions(get_transform(opt, params)(image), tensor(image)) == [(0, 7)]


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


# Equal to torchvision


def test_all_256_levels_equal_to_tensor_and_normalize() -> None:
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    pixels = torch.from_numpy(np.asarray(image).copy())[None]
    assert torch.equal(to_float(pixels), TO_TENSOR(image))


@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "1", "F"])
def test_get_transform_gives_what_torchvision_gives(kind) -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    image = (
        Image.fromarray(array[..., 0].astype(np.float32))
        if kind == "F"
        else Image.fromarray(array).convert(kind)
    )
    made = get_transform(options(preprocess="none", no_flip=True))(image)
    assert torch.equal(made, TO_TENSOR(image))


def test_tensors_are_made_without_asking_cuda(monkeypatch) -> None:
    """CUDA fails in forked workers, where custom datasets call to_tensor."""
    monkeypatch.setattr(torch.Tensor, "is_pinned", None, raising=False)
    assert to_tensor(Image.new("RGB", (4, 3))).shape == (3, 3, 4)


def test_torchvisions_names_of_filters() -> None:
    image, opt = (
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)),
        options(no_flip=True),
    )
    opt.isTrain = False
    made = [
        get_transform(opt, method=method)(image)
        for method in (v1.InterpolationMode.BILINEAR, Image.Resampling.BILINEAR, 2)
    ]
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
    assert not torch.equal(made[0], get_transform(opt)(image))

"""Conversion between RGB and Lab, scaled to [-1, 1]: L/50 - 1 and ab/110."""

import itertools
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from data import create_dataset
from options.train_options import TrainOptions
from util.errors import UserError
from util.image.lab import lab_to_rgb, rgb_to_lab


def cube(steps):
    """A grid of colours over the RGB cube, as one image (3, steps ** 3, 1) in [0, 1]."""
    return torch.tensor(list(itertools.product(np.linspace(0, 1, steps), repeat=3))).T.unsqueeze(2)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((1, 1, 0), (97.14, -21.55, 94.48)),
        ((0, 1, 1), (91.11, -48.09, -14.13)),
        ((1, 0, 1), (60.32, 98.23, -60.82)),
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
    ],
)
def test_known_colours(rgb, lab):
    lightness, ab = rgb_to_lab(torch.tensor(rgb, dtype=torch.float).view(3, 1, 1))
    assert (lightness.shape, ab.shape, lightness.dtype, ab.dtype) == (
        (1, 1, 1),
        (2, 1, 1),
        torch.float32,
        torch.float32,
    )
    assert (lightness.item() + 1) * 50 == pytest.approx(lab[0], abs=0.02)
    assert (ab.flatten() * 110).tolist() == pytest.approx(lab[1:], abs=0.02)
    back = lab_to_rgb(lightness, ab)
    assert back.flatten().tolist() == pytest.approx([2 * x - 1 for x in rgb], abs=1e-4)


def test_back_and_forth():
    rgb = cube(9)
    lightness, ab = rgb_to_lab(rgb)
    assert lightness.min() >= -1 - 1e-6 and lightness.max() <= 1 + 1e-6 and ab.abs().max() < 1
    assert torch.allclose(lab_to_rgb(lightness, ab), (rgb * 2 - 1).float(), atol=1e-4)


def test_rgb_to_lab_agrees_with_scikit_image():
    rgb = cube(9)
    lightness, ab = rgb_to_lab(rgb)
    lab = torch.cat([(lightness + 1) * 50, ab * 110]).permute(1, 2, 0).numpy()
    assert np.abs(lab - rgb2lab(rgb.permute(1, 2, 0).numpy())).max() < 1e-3


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_lab_to_rgb_agrees_with_scikit_image_outside_the_cube_too():
    ab_values = np.linspace(-110, 110, 9)
    lab = torch.tensor(list(itertools.product(np.linspace(0, 100, 7), ab_values, ab_values)))
    expected = lab2rgb(lab.unsqueeze(1).numpy())
    rgb = lab_to_rgb((lab[:, :1] / 50 - 1).T.unsqueeze(2), (lab[:, 1:] / 110).T.unsqueeze(2))
    assert rgb.isfinite().all() and rgb.abs().max() <= 1
    assert np.abs((rgb.permute(1, 2, 0).numpy() + 1) / 2 - expected).max() < 1e-3


def test_batches_and_gradients():
    rgb = torch.rand(4, 3, 5, 6)
    lightness, ab = rgb_to_lab(rgb)
    assert lightness.shape == (4, 1, 5, 6) and ab.shape == (4, 2, 5, 6)
    for i in range(4):
        single = rgb_to_lab(rgb[i])
        assert torch.equal(lightness[i], single[0]) and torch.equal(ab[i], single[1])
    shown = lab_to_rgb(lightness, ab.requires_grad_())
    assert shown.shape == rgb.shape and not shown.requires_grad
    assert torch.allclose(shown[2], lab_to_rgb(lightness[2], ab[2]))


def test_colorization_dataset(tmp_path):
    (tmp_path / "train").mkdir()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    image.save(tmp_path / "train" / "x.png")
    flags = ["--dataset_mode", "colorization", "--preprocess", "none", "--no_flip"]
    flags += ["--model", "colorization", "--num_threads", "0", "--gpu_ids", "-1"]
    opt = TrainOptions().parse(["--dataroot", str(tmp_path), *flags], record=False)
    (batch,) = create_dataset(opt)
    assert batch["A"].shape == (1, 1, 6, 8) and batch["B"].shape == (1, 2, 6, 8)
    shown = lab_to_rgb(batch["A"], batch["B"])[0].permute(1, 2, 0).numpy()
    assert np.abs((shown + 1) * 127.5 - np.asarray(image)).max() < 0.05
    assert batch["A_paths"] == batch["B_paths"] == [str(tmp_path / "train" / "x.png")]
    for wrong in ({"input_nc": 3}, {"output_nc": 3}, {"direction": "BtoA"}):
        with pytest.raises(UserError, match="--dataset_mode colorization"):
            create_dataset(Namespace(**vars(opt) | wrong))

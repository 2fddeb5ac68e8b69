"""load_generator in notebooks: what its function takes, says and leaves alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image

from models import load_generator, networks
from models.translation.translator import Translator
from util.errors import UserError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of a CycleGAN, and of a pix2pix with dropout, both untrained."""
    folder = tmp_path_factory.mktemp("load") / "checkpoints"
    for name, net, width in (("cycle", "resnet_6blocks", 4), ("pix", "unet_128", 2)):
        (folder / name).mkdir(parents=True)
        generator = networks.define_G(3, 3, width, net, "instance", name == "pix")
        torch.save(generator.state_dict(), folder / name / "latest_net_G_A.pth")
        options = {"preprocess": "resize_and_crop", "load_size": 143, "crop_size": 128}
        (folder / name / "train_opt.json").write_text(json.dumps(options))
    return folder


def mistake(translate: Translator, *arguments: object) -> str:
    with pytest.raises(UserError) as error:
        translate(*arguments)
    return str(error.value)


def test_paths_lists_and_floats(runs: Path, tmp_path: Path) -> None:
    """A path gives the picture of its file, a list a list, and floats unrounded values."""
    translate = load_generator(runs / "cycle", preprocess="none", gpu_ids="-1")
    path = picture(tmp_path / "a.png", size=(37, 40))
    pixels = np.asarray(Image.open(path))
    expected = translate(pixels)
    for result in translate([path, str(path)]):
        assert isinstance(result, Image.Image) and np.array_equal(np.asarray(result), expected)
    for low, high, dtype in ((0, 1, np.float32), (-1, 1, np.float64), (0, 255, np.float16)):
        array = (pixels / 255 * (high - low) + low).astype(dtype)
        result = translate(array, value_range=(low, high))
        assert result.dtype == dtype and result.shape == expected.shape
        assert np.abs((result - low) / (high - low) * 255 - expected).max() < 0.8
    gray = pixels[..., 0]
    mixed = translate((gray, Image.fromarray(gray)))
    assert isinstance(mixed, list) and np.array_equal(mixed[0], np.asarray(mixed[1]))
    from_gray = translate(gray / 255, value_range=(0, 1))
    assert np.abs(from_gray * 255 - mixed[0]).max() < 0.6


def test_errors_name_what_was_given(runs: Path, tmp_path: Path) -> None:
    translate = load_generator(runs / "cycle", preprocess="none", gpu_ids="-1")
    floats = np.zeros((4, 4, 3))
    assert "an array of float64 (4, 4, 3) needs value_range=" in mistake(translate, floats)
    assert "not from 0 to 9" in mistake(translate, floats + np.arange(3) * 4.5, (0, 1))
    assert "not from nan" in mistake(translate, floats * np.nan, (0, 1))
    assert "should be (H, W, 3), not an array of float64" in mistake(
        translate, floats[..., :2], (0, 1)
    )
    for wrong in ((1, 0), (0, 1, 2), 3, (0, np.inf), "ab"):
        assert "value_range should be (BLACK, WHITE)" in mistake(translate, floats, wrong)
    assert "not for an array of uint8 (4, 4)" in mistake(
        translate, np.zeros((4, 4), np.uint8), (0, 1)
    )
    assert "mode F and 4x4 pixels" in mistake(translate, Image.new("F", (4, 4)))
    assert "a.png: No such file" in mistake(translate, "a.png")
    assert "is a folder; give a list" in mistake(translate, tmp_path)
    good = Image.new("RGB", (8, 8))
    assert mistake(translate, [good, None]).startswith("image 1 of the list: an image should be")
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(deep)
    assert f"{deep}: 16 bits" in mistake(translate, deep)


def test_in_a_notebook(
    runs: Path,
    capfd: pytest.CaptureFixture,
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loading and calling print nothing and draw nothing; the repr says what was loaded."""
    monkeypatch.chdir(runs.parent)

    def states() -> list:
        numpy = np.random.get_state()
        return [random.getstate(), numpy[1].tolist(), numpy[2], torch.get_rng_state().tolist()]

    for name in ("pix", "cycle"):
        before = states()
        translate = load_generator(f"checkpoints/{name}", gpu_ids="-1")
        translate([Image.new("RGB", (140, 140)), torch.zeros(3, 128, 128)])
        assert states() == before
    assert capfd.readouterr() == ("", "") and not recwarn.list
    text = repr(translate)
    assert text.startswith("<Translator AtoB of checkpoints/cycle (latest_net_G_A.pth): resnet_6b")
    assert '3 -> 3 channels, preprocess="resize_and_crop", load_size=128, crop_size=128' in text
    assert any("in training they were" in line for line in translate.messages)

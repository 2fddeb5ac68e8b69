"""One image from Python or the shell gives the pixels that test.py saves."""
from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import load_generator
from util.console import UserError

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--ngf", "4", "--ndf", "4", "--netG", "resnet_6blocks", "--n_epochs", "1", "--n_epochs_decay", "0", "--display_id", "0",
        "--no_html", "--num_threads", "0", "--gpu_ids", "-1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a CycleGAN and a pix2pix with dropout, each trained for a step and tested."""
    home = tmp_path_factory.mktemp("translate")
    draw = np.random.default_rng(0)
    for folder, width in (("trainA", 40), ("trainB", 40), ("testA", 37), ("testB", 40), ("train", 80), ("test", 80)):
        (home / "data" / folder).mkdir(parents=True)
        for name in "ab":
            small = Image.fromarray(draw.integers(0, 256, (5, 7, 3), dtype=np.uint8))
            small.resize((width, 40), Image.Resampling.BICUBIC).save(home / "data" / folder / f"{name}.png")
    for name, flags in (("cycle", ["--max_dataset_size", "1"]),
                        ("pix", ["--model", "pix2pix", "--netG", "unet_128", "--max_dataset_size", "1"])):
        shared = ["--dataroot", str(home / "data"), "--name", name, "--checkpoints_dir", str(home / "ck")]
        run("train.py", *shared, "--load_size", "40", "--crop_size", "32", *TINY, *flags)
        run("test.py", *shared, "--results_dir", str(home / "res"), "--preprocess", "none")
    return home


def run(*args: str) -> None:
    done = subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def saved(trained: Path, name: str, file: str) -> np.ndarray:
    return np.asarray(Image.open(trained / "res" / name / "test_latest" / "images" / file))


@pytest.mark.parametrize(("direction", "folder", "label"), [("AtoB", "testA", "fake_B"), ("BtoA", "testB", "fake_A")])
def test_every_kind_of_image_gives_the_pixels_of_test_py(trained, direction, folder, label):
    translate = load_generator(trained / "ck" / "cycle", direction=direction, preprocess="none", gpu_ids="-1")
    picture = Image.open(trained / "data" / folder / "a.png")
    wanted = saved(trained, "cycle", f"a_{label}.png")
    assert wanted.shape == (picture.height, picture.width, 3)
    from_picture = translate(picture)
    assert isinstance(from_picture, Image.Image)
    assert np.array_equal(np.asarray(from_picture), wanted)
    from_array = translate(np.asarray(picture))
    assert isinstance(from_array, np.ndarray)
    assert np.array_equal(from_array, wanted)
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 127.5 - 1
    from_tensor = translate(tensor)
    assert from_tensor.shape == tensor.shape
    assert np.abs((from_tensor.permute(1, 2, 0).numpy() + 1) * 127.5 - wanted).max() <= 0.51
    assert translate(torch.stack([tensor, tensor])).shape == (2, *tensor.shape)


def test_dropout_depends_on_the_seed_alone(trained):
    """The second image of the test has the noise that it has alone, and the caller's generators are left as they were."""
    translate = load_generator(trained / "ck" / "pix", preprocess="none", gpu_ids="-1")
    picture = Image.open(trained / "data" / "test" / "b.png").crop((0, 0, 40, 40))
    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    assert np.array_equal(np.asarray(translate(picture)), saved(trained, "pix", "b_fake_B.png"))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    other = load_generator(trained / "ck" / "pix", preprocess="none", gpu_ids="-1", seed=1)
    assert not np.array_equal(np.asarray(other(picture)), np.asarray(translate(picture)))


def test_mistakes_are_user_errors(trained):
    for options in ({"direction": "up"}, {"no_such_option": 1}, {"epoch": 99}, {"netG": "unet_128"}):
        with pytest.raises(UserError):
            load_generator(trained / "ck" / "cycle", **options)
    with pytest.raises(UserError, match="nowhere"):
        load_generator(trained / "ck" / "nowhere")


def test_the_shell_command(trained, tmp_path):
    flags = ["--name", "cycle", "--checkpoints_dir", str(trained / "ck"), "--preprocess", "none", "--gpu_ids", "-1"]
    run("scripts/translate.py", *flags, "--input", str(trained / "data/testA/a.png"), "--output", str(tmp_path / "one.png"))
    wanted = saved(trained, "cycle", "a_fake_B.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one.png")), wanted)
    run("scripts/translate.py", *flags, "--input", str(trained / "data"), "--output", str(tmp_path / "all"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "all" / "testA" / "a.png")), wanted)
    assert len(list((tmp_path / "all").rglob("*.png"))) == 12
    done = subprocess.run([sys.executable, "scripts/translate.py", *flags, "--input", "no.jpg", "--output", "x.png"], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no.jpg" in done.stderr

"""--tile in test.py, scripts/translate.py and load_generator: the pixels of the whole image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from conftest import CPU, ROOT, Programs, pictures
from PIL import Image

from models import load_generator, networks
from util.errors import UsageError, UserError

WHOLE = (*CPU, "--preprocess", "none")


@pytest.fixture
def tiny(run: Programs) -> Programs:
    """A CycleGAN and a pix2pix with dropout, both untrained, and two images."""
    for name, net, width in (("cycle", "resnet_6blocks", 2), ("pix", "unet_128", 1)):
        (run.runs / name).mkdir(parents=True)
        for side in "AB":
            torch.manual_seed(ord(side))
            generator = networks.define_G(3, 3, width, net, "instance", name == "pix", "kaiming")
            torch.save(generator.state_dict(), run.runs / name / f"latest_net_G_{side}.pth")
        (run.runs / name / "train_opt.json").write_text(json.dumps({"no_dropout": name != "pix"}))
    pictures(run.folder / "photos", ["a.png", "b.png"], size=(50, 38))
    return run


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def translate(run: Programs, *args: object):
    from scripts import translate

    return run.call(translate.main, "translate.py", *args)


def test_each_program(tiny: Programs) -> None:
    """One level apart at most, because values may be rounded to either side."""
    folder = tiny.folder / "photos"
    named = ("--dataroot", folder, "--name", "cycle", *WHOLE)
    tiny.test(*named, "--results_dir", "whole").ok()
    result = tiny.test(*named, "--results_dir", "tiled", "--tile", "25").ok()
    assert "50x38 pixels in 2x3 tiles of 25 with a halo of 60: 18 passes" in result.out
    assert "for each of 2 images" in result.out
    assert "a.png has no windows: png files are decoded whole: images are held in" in result.out
    saved = "cycle/test_latest/images/b_fake.png"
    whole, tiled = (pixels(tiny.folder / name / saved) for name in ("whole", "tiled"))
    assert whole.std() > 20 and np.abs(whole - tiled).max() <= 1
    page = (tiny.folder / "tiled/cycle/test_latest/index.html").read_text()
    assert "2x3 tiles of 25" in page
    image = folder / "b.png"
    args = ("--name", "cycle", *WHOLE, "--tile", "25", "--input", image, "--output", "b.png")
    assert "18 passes" in translate(tiny, *args).ok().out
    assert np.array_equal(pixels(tiny.folder / "b.png"), tiled)
    generator = load_generator(tiny.runs / "cycle", preprocess="none", gpu_ids="-1", tile=25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(np.asarray(generator(image)), tiled)


@pytest.mark.slow
def test_model_with_two_generators(tiny: Programs) -> None:
    """All images of a CycleGAN, of several sizes, and the error of a sample on the page."""
    for name in ("testA", "testB"):
        pictures(tiny.folder / "data" / name, ["a.png"], size=(70, 90))
    named = ("--dataroot", tiny.folder / "data", "--name", "cycle", "--model", "cycle_gan", *WHOLE)
    tiny.test(*named, "--results_dir", "whole").ok()
    result = tiny.test(*named, "--results_dir", "tiled", "--tile", "17").ok()
    assert "G_A: 70x90 pixels" in result.out and "G_B: 70x90 pixels" in result.out
    for label in ("fake_B", "rec_A", "fake_A", "rec_B"):
        saved = f"cycle/test_latest/images/a_{label}.png"
        whole, tiled = (pixels(tiny.folder / name / saved) for name in ("whole", "tiled"))
        assert np.abs(whole - tiled).max() <= 2, label  # a translation of rounded values differs
    tiny.test(*named, "--results_dir", "sample", "--tile", "17", "--tile_stats", "sample").ok()
    page = (tiny.folder / "sample/cycle/test_latest/index.html").read_text()
    assert "G_A: Statistics of 16 of 30 tiles: the error, measured on 8 of them, is " in page
    generator = load_generator(
        tiny.runs / "cycle", preprocess="none", gpu_ids="-1", tile=17, tile_stats="sample"
    )
    with pytest.warns(UserWarning, match="Statistics of 16 of 30 tiles: the error"):
        generator(tiny.folder / "data/testA/a.png")


def test_what_the_programs_refuse(tiny: Programs) -> None:
    named = ("--dataroot", tiny.folder / "photos", "--name", "cycle", *WHOLE)
    tiny.test(*named, "--tile", "3").refused(2, "--tile 3: should be at least 4")
    tiny.test(*named, "--tile", "0").refused(2, "--tile", "at least 1")
    tiny.test(*named, "--tile_stats", "sample").refused(2, "--tile_stats sample: give --tile")
    exact = ("--tile", "8", "--tile_stats", "exact", "--tile_samples", "8")
    tiny.test(*named, *exact).refused(2, "--tile_samples 8: give --tile_stats sample")
    sample = ("--tile", "8", "--tile_stats", "sample", "--tile_samples")
    tiny.test(*named, *sample, "10").refused(2, "--tile_samples 10: should be a multiple of 4")
    tiny.test(*named, *sample, "4").refused(2, "--tile_samples 4: should be", "at least 8")
    tiny.test(*named, "--tile", "8", "--batch_size", "2").refused(2, "--batch_size 2: --tile")
    folder = tiny.runs / "pix"
    with pytest.raises(UsageError, match="dropout is active.*--eval turns it off"):
        load_generator(folder, preprocess="none", gpu_ids="-1", tile=128)
    load_generator(folder, preprocess="none", gpu_ids="-1", tile=128, eval=True)
    with pytest.raises(UserError, match="--tile_stats"):
        load_generator(folder, gpu_ids="-1", tile_stats="exact")


def test_windowed_files(tiny: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TIFF is read and written in windows, beyond --max_pixels, with the pixels of test.py."""
    picture = np.asarray(Image.open(tiny.folder / "photos/b.png"))
    tifffile.imwrite(tiny.folder / "b.tif", picture, tile=(16, 16), photometric="rgb")
    named = ("--name", "cycle", *WHOLE)
    translate(tiny, *named, "--input", "b.tif", "--output", "whole.png").ok()
    expected = pixels(tiny.folder / "whole.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # put back at the end
    small = (*named, "--input", "b.tif", "--max_pixels", "1500")
    translate(tiny, *small, "--output", "x.tif").refused(1, "b.tif", "--max_pixels")
    for name in ("b_out.tif", "b_out.npy"):
        result = translate(tiny, *small, "--output", name, "--tile", "25").ok()
        assert "50x38 pixels in 2x3 tiles" in result.out
        file = tiny.folder / name
        array = np.load(file) if name.endswith("npy") else tifffile.imread(file)
        assert array.dtype == np.uint8 and np.abs(array.astype(int) - expected).max() <= 1
    tiled = (*named, "--tile", "25", "--input")
    result = translate(tiny, *tiled, "photos", "--output", "out", "--format", "tif").ok()
    assert "for each of 2 images" in result.out
    assert result.out.count("has no windows: png files are decoded whole; --max_pixels") == 1
    result = translate(tiny, *tiled, "b.tif", "--output", "b2.png").ok()
    assert "png files are written whole (--format tif or npy)" in result.out
    assert not list(tiny.folder.glob("*.part*"))


@pytest.mark.slow
def test_resume_after_a_kill(tiny: Programs) -> None:
    """A killed process leaves an unfinished file, and the next one gives the same bits."""
    picture = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    np.save(tiny.folder / "a.npy", picture)
    words = ("--name", "cycle", *WHOLE, "--tile", "25", "--input", "a.npy", "--output")
    translate(tiny, *words, "whole.npy").ok()
    script = ROOT / "scripts" / "translate.py"
    code = (
        "import runpy, sys; from models.translation.tiling import journal; journal.INTERVAL = 0.0; "
        f"sys.argv = ['translate.py', *{[str(word) for word in (*words, 'out.npy')]!r}]; "
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    state = tiny.folder / "out.npy.part.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tiny.folder, env=environment)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and child.poll() is None:
        if state.exists() and json.loads(state.read_text())["written"] > 5:
            break
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert state.exists() and not (tiny.folder / "out.npy").exists()
    result = translate(tiny, *words, "out.npy").ok()
    assert "Resumed: " in result.out and "Resumed: 0 of" not in result.out
    whole, resumed = (np.load(tiny.folder / name) for name in ("whole.npy", "out.npy"))
    assert np.array_equal(whole, resumed) and not list(tiny.folder.glob("*.part*"))

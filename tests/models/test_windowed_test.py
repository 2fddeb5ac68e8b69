"""test.py --tile from file to file: the files and the page of a test that holds images whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, Programs, pictures
from PIL import Image
from rasters import ramp, write_npy, write_tif
from windows import failing_after, slow_but

from data.rasters.header import any_size
from data.rasters.reading import read_array
from data.windows.arrays import ArraySource
from data.windows.reduced import reduced
from models import networks
from models.translation import window_files, windowed_test
from models.translation.tiling import journal
from util import values
from util.errors import UserError
from util.values import Values

pytest.importorskip("tifffile")

SIZE = (60, 45)
TILED = ("--name", "cycle", *CPU, "--preprocess", "none", "--tile", "25")
FOLDER = Path("cycle", "test_latest")


@pytest.fixture
def cycle(run: Programs, monkeypatch) -> Programs:
    """An untrained CycleGAN without norms: two channels in A, three in B."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # restored after the test
    (run.runs / "cycle").mkdir(parents=True)
    for side, given, made in (("A", 2, 3), ("B", 3, 2)):
        torch.manual_seed(given)
        generator = networks.define_G(given, made, 2, "resnet_6blocks", "none", False, "kaiming")
        torch.save(generator.state_dict(), run.runs / "cycle" / f"latest_net_G_{side}.pth")
    options = {"no_dropout": True, "norm": "none", "input_nc": 2, "output_nc": 3}
    (run.runs / "cycle" / "train_opt.json").write_text(json.dumps(options))
    return run


def set_rules(run: Programs, a: Values, b: Values | None) -> None:
    values.save(run.runs / "cycle", {"A": a, "B": b})


def both(run: Programs, monkeypatch, *words: object) -> tuple[Path, Path, str]:
    """Return the folders of a test that holds images whole and of one that does not."""
    with monkeypatch.context() as patch:
        patch.setattr(windowed_test, "windowed_test", lambda *_: None)
        run.test(*TILED, *words, "--results_dir", "whole").ok()
    result = run.test(*TILED, *words, "--results_dir", "windows", "--max_pixels", "1000").ok()
    whole, windows = run.folder / "whole" / FOLDER, run.folder / "windows" / FOLDER
    names = [sorted(x.relative_to(root) for x in root.rglob("*.*")) for root in (whole, windows)]
    assert names[0] == names[1]
    return whole, windows, result.out


def gap(one: Path, other: Path, name: str) -> float:
    """Return the largest difference of two files of results."""
    with any_size():
        first, second = (read_array(str(root / "images" / name)) for root in (one, other))
    assert first.dtype == second.dtype and first.std() > 0
    return float(np.abs(first.astype(float) - second).max())


@pytest.mark.parametrize("direction", slow_but(["AtoB", "BtoA"], "AtoB"))
def test_one_generator(cycle: Programs, monkeypatch, direction: str) -> None:
    """Bit by bit, in sub-folders, with pixels without data, and with the same page."""
    channels, others = (2, 3) if direction == "AtoB" else (3, 2)
    rules = [
        Values(0, 1, "float32", channels, nodata=-9.0, container="npy"),
        Values(-100, 900, "int16", others, nodata=-9.0),
    ]
    set_rules(cycle, *(rules if direction == "AtoB" else reversed(rules)))
    arrays = [ramp("float32", 0, 1.2, channels, size) for size in (SIZE, (20, 24), (33, 70))]
    arrays[0][5:9, 40:50] = -9
    for name, array in zip(("a", "b", "sub/a"), arrays, strict=True):
        write_npy(cycle.folder / "photos" / f"{name}.npy", array)
    words = ("--dataroot", "photos", "--model", "test", "--direction", direction)
    whole, windows, out = both(cycle, monkeypatch, *words)
    assert (
        f"a.npy: {450 * channels} of {2700 * channels} values read" in out and "single tile" in out
    )
    files = sorted((windows / "images").rglob("*.*"))
    assert len(files) == 6 and not list(windows.rglob("*.part*"))
    for file in files:
        assert gap(whole, windows, str(file.relative_to(windows / "images"))) == 0
        shown = file.relative_to(windows / "images").with_suffix(".png")
        with any_size():
            pages = [np.asarray(Image.open(x / "previews" / shown)) for x in (whole, windows)]
        assert np.abs(pages[0].astype(int) - pages[1]).max() <= 1, shown
    assert (np.load(windows / "images" / "a_real.npy") == -9).sum() == 40 * channels
    rows = [re.findall("<section.*", (x / "index.html").read_text()) for x in (whole, windows)]
    assert rows[0] == rows[1] and len(rows[0]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_two_generators(cycle: Programs, monkeypatch, direction: str) -> None:
    """Reconstructions are made from files, and so from rounded values."""
    write_tif(cycle.folder / "data/testA/a.tif", ramp("int16", -50, 950, 2, SIZE), tile=(16, 16))
    pictures(cycle.folder / "data", ["testB/b.png"], size=(30, 40))
    picture = Image.open(cycle.folder / "data/testB/b.png")
    (cycle.folder / "data/testB/b.png").unlink()
    picture.save(cycle.folder / "data/testB/b.tif")
    set_rules(cycle, Values(0, 1000, "int16", 2, nodata=-9.0), None)
    words = ("--dataroot", "data", "--model", "cycle_gan", "--format", "tif")
    if direction == "BtoA":
        options = cycle.runs / "cycle/train_opt.json"
        saved = json.loads(options.read_text()) | {"direction": "BtoA", "input_nc": 3}
        options.write_text(json.dumps(saved | {"output_nc": 2}))
        paths = [cycle.runs / "cycle" / f"latest_net_G_{side}.pth" for side in "AB"]
        states = [path.read_bytes() for path in paths]
        for path, state in zip(paths, reversed(states), strict=True):
            path.write_bytes(state)
    whole, windows, _ = both(cycle, monkeypatch, *words)
    x, y = ("a", "b") if direction == "AtoB" else ("b", "a")
    exact = (f"{x}_real_A", f"{x}_fake_B", f"{y}_real_B", f"{y}_fake_A")
    assert [gap(whole, windows, f"{name}.tif") for name in exact] == [0] * 4
    of_pictures, of_values = ("b_rec_B", "a_rec_A") if x == "a" else ("b_rec_A", "a_rec_B")
    assert gap(whole, windows, f"{of_pictures}.tif") <= 2
    assert gap(whole, windows, f"{of_values}.tif") <= 16  # of 1000, from 256 levels


@pytest.mark.slow
def test_what_is_held_whole_says_so(cycle: Programs) -> None:
    set_rules(cycle, Values(0, 255, "uint8", 2, inputs=2), None)
    for number in (1, 2):
        array = ramp("uint8", 0, 255, 1, SIZE)
        write_tif(cycle.folder / f"data/testA{number}/a.tif", array, photometric="minisblack")
    words = (*TILED, "--dataroot", "data", "--model", "test")
    ending = "images are held in memory whole, and --max_pixels limits their size"
    result = cycle.test(*words).ok()
    assert f"fake is a png file, written whole (--format tif or npy): {ending}" in result.out
    cycle.test(*words, "--max_pixels", 1000).refused(1, "more than 1000 pixels")
    result = cycle.test(*words, "--max_pixels", "1000", "--format", "npy").ok()
    assert ending not in result.out
    assert np.load(cycle.folder / "results" / FOLDER / "images/a_fake.npy").shape == (45, 60, 3)
    resized = cycle.test(*words, "--preprocess", "resize_and_crop", "--load_size", 32).ok()
    assert f"--preprocess resize_and_crop needs whole images: {ending}" in resized.out
    pictures(cycle.folder / "photos", ["a.png"], size=SIZE)
    words = ("--dataroot", "photos", "--model", "test", "--direction", "BtoA", "--format", "tif")
    result = cycle.test(*TILED, *words).ok()
    assert f"a.png has no windows: png files are decoded whole: {ending}" in result.out


@pytest.mark.slow
def test_a_stopped_test_is_resumed(cycle: Programs, monkeypatch) -> None:
    """Finished files stay, with what the page says about them."""
    set_rules(cycle, Values(0, 1, "float32", 2), Values(0, 1, "float32", 3))
    for name in "ab":
        write_npy(cycle.folder / f"photos/{name}.npy", ramp("float32", 0, 1.1, 2, SIZE))
    words = (*TILED, "--dataroot", "photos", "--model", "test")
    monkeypatch.setattr(journal, "INTERVAL", -1)
    with monkeypatch.context() as patch:
        # A real image has a window, a fake one has 6
        failing = failing_after(window_files.FileSink.write, 10, lambda: UserError("stopped"))
        patch.setattr(window_files.FileSink, "write", failing)
        cycle.test(*words).refused(1, "stopped (the same command resumes from", "b_fake.tif.part")
    folder = cycle.folder / "results" / FOLDER
    page = (folder / "index.html").read_text()
    assert "Only 1 of 2 images: the next cannot be translated" in page and "a_fake.tif" in page
    first = {path.name: path.stat().st_mtime_ns for path in folder.glob("images/*.tif")}
    result = cycle.test(*words).ok()
    assert "Resumed: 2 of 6 tiles are written" in result.out
    second = {path.name: path.stat().st_mtime_ns for path in folder.glob("images/*.tif")}
    assert len(first) == 3 and first.items() < second.items() and len(second) == 4
    page = (folder / "index.html").read_text()
    assert "Only 1 of 2" not in page and "b.npy: 491 of 5400 values read" in page
    assert page.count("values read") == 2 and not (folder / "unfinished.json").exists()
    cycle.test(*words).ok()  # a new test
    third = {path.name: path.stat().st_mtime_ns for path in folder.glob("images/*.tif")}
    assert not set(third.items()) & set(second.items())


@pytest.mark.slow
def test_large_images_have_reduced_previews(cycle: Programs, monkeypatch) -> None:
    monkeypatch.setattr(windowed_test, "LONGEST", 25)
    set_rules(cycle, Values(0, 1, "float32", 2), Values(0, 1, "float32", 3))
    write_npy(cycle.folder / "photos/a.npy", ramp("float32", 0, 1, 2, SIZE))
    words = ("--dataroot", "photos", "--model", "test", "--show_range", "range")
    cycle.test(*TILED, *words).ok()
    folder = cycle.folder / "results" / FOLDER
    shown = np.asarray(Image.open(folder / "previews/a_fake.png")).astype(float)
    assert shown.shape == (15, 20, 3)
    fake = read_array(str(folder / "images/a_fake.tif"))
    means = fake.reshape(15, 3, 20, 3, 3).mean(axis=(1, 3))
    assert np.abs(shown - means * 255).max() < 0.51
    page = (folder / "index.html").read_text()
    assert ".tif file, 60×45 (preview 1:3)</a>" in page and "pixels are reduced" in page


def test_means_of_pixels_with_data(monkeypatch) -> None:
    monkeypatch.setattr("data.windows.reduced.SIDE", 6)
    image = np.random.default_rng(0).uniform(-1, 1, (10, 13, 2)).astype(np.float32)
    valid = np.ones((10, 13), bool)
    valid[:3, :2] = valid[9:, 10] = valid[4, 4] = False
    pixels, known = reduced(ArraySource(image, valid), 3)
    assert pixels.shape == (4, 5, 2) and known.sum() == 19 and not known[0, 0]
    assert (pixels[0, 0] == -1).all()
    part = image[3:6, 3:6].reshape(9, 2)
    expected = np.delete(part, 4, axis=0).mean(axis=0)
    assert np.allclose(pixels[1, 1], expected, atol=1e-6)
    assert np.allclose(pixels[3, 4], image[9, 12], atol=1e-6)
    pixels, known = reduced(ArraySource(image), 1)
    assert known is None and np.array_equal(pixels, image)

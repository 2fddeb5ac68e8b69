"""Every kind of values goes unchanged through train, test, translate, load_generator, evaluate."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import CPU, ONE_EPOCH, TINY, Programs
from rasters import hounsfield, make_folder, ramp, write_pages, write_tif

from data.rasters.reading import read_array
from models import load_generator
from scripts import evaluate, pack_run, translate
from util.errors import UserError
from util.values import shown
from util.words import amount

SIZE = (24, 20)


class Kind(NamedTuple):
    """A kind of files, and the options that its trainings need."""

    dtype: str
    low: float
    high: float
    channels: int = 1
    ending: str = "tif"
    range: tuple[float, float] | None = None  # of --value_range, if the type has no default
    settings: dict = {}  # of the writer
    flags: tuple[object, ...] = ()
    make: Callable[[int], np.ndarray] | None = None
    container: str = ""  # of results, if it is not the ending
    write: Callable = make_folder

    def arrays(self) -> list[np.ndarray]:
        if self.make:
            return [self.make(i) for i in range(2)]
        array = ramp(self.dtype, self.low, self.high, self.channels, SIZE)
        return [array, np.flip(array, (0, 1)).copy()]

    def options(self) -> list[object]:
        limits = ("--value_range", *self.range) if self.range else ()
        return [*limits, "--input_nc", self.channels, "--output_nc", self.channels, *self.flags]


def with_holes(value: float, dtype: str) -> Callable[[int], np.ndarray]:
    """Images with a block of pixels that hold ``value``."""

    def make(i: int) -> np.ndarray:
        array = np.roll(ramp(dtype, 0, 100, 1, SIZE), i, axis=1)
        array[2:6, 3:9] = value
        return array

    return make


def write_pages_of(folder: Path, ending: str, arrays: list[np.ndarray]) -> None:
    for i, array in enumerate(arrays):
        write_pages(folder / f"{i}.{ending}", array)


KINDS = {
    "float 0..1": Kind("float32", 0, 1, range=(0, 1)),
    "float -1..1": Kind("float32", -1, 1, range=(-1, 1)),
    "HU": Kind("int16", -1000, 1200, range=(-1024, 3071), make=lambda i: hounsfield(i, SIZE)),
    "12 bits in 16": Kind("uint16", 0, 4095, 1, "png", range=(0, 4095)),
    "0..255 in 16 bits": Kind("uint16", 0, 255, 1, "png", range=(0, 255)),
    "0..255 in 32 bits": Kind("uint32", 0, 255, range=(0, 255)),
    "uint32": Kind("uint32", 0, 2**32 - 1, range=(0, 2**32 - 1)),
    "float16": Kind("float16", -2, 2, range=(-2, 2)),
    "float64": Kind("float64", 0, 1e6, range=(0, 1e6)),
    "white is 0, 8 bits": Kind(
        "uint8", 0, 255, settings={"photometric": "miniswhite"}, range=(0, 300), container="png"
    ),
    "white is 0, 16 bits": Kind("uint16", 0, 65535, settings={"photometric": "miniswhite"}),
    "16-bit RGB": Kind("uint16", 0, 65535, 3, "png"),
    "4 bands": Kind(
        "uint16", 0, 9999, 4, settings={"photometric": "rgb", "extrasamples": ["unspecified"]},
        range=(0, 9999),
    ),
    "2 bands": Kind("float32", 0, 1, 2, range=(0, 1)),
    "5 bands, planar": Kind(
        "int32", -9, 9, 5, settings={"planarconfig": "separate"}, range=(-9, 9)
    ),
    "13 bands, BigTIFF": Kind("uint16", 0, 10000, 13, settings={"bigtiff": True}, range=(0, 10000)),
    "deflate": Kind("float32", 0, 1, settings={"compression": "zlib"}, range=(0, 1)),
    "LZW": Kind("float32", 0, 1, settings={"compression": "lzw"}, range=(0, 1)),
    "big-endian": Kind("int16", -99, 99, settings={"byteorder": ">"}, range=(-99, 99)),
    "npy": Kind("float32", 0, 1, 2, "npy", range=(0, 1)),
    "npz": Kind("uint16", 0, 65535, 1, "npz", container="npy"),
    "NaN": Kind(
        "float32", 0, 100, range=(0, 100), flags=("--nodata", "nan"),
        make=with_holes(math.nan, "float32"),
    ),
    "pages": Kind(
        "float32", 0, 1, 3, range=(0, 1), write=write_pages_of,
        flags=("--bands_A", 1, 2, 3, "--bands_B", 1, 2, 3),
    ),
    "nodata": Kind(
        "int16", 0, 100, range=(0, 100), flags=("--nodata", -999), make=with_holes(-999, "int16")
    ),
}  # fmt: skip


def same(one: np.ndarray, other: np.ndarray, kind: Kind) -> bool:
    """True if both agree in type, shape and values: exactly, or within 1e-7 of the range."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    low, high = kind.range or (kind.low, kind.high)
    exact = kind.dtype in ("uint8", "int16", "uint16") or high - low < 2**24 and "int" in kind.dtype
    a, b = one.astype(float), other.astype(float)
    return bool(np.allclose(a, b, rtol=0, atol=0 if exact else 1e-7 * (high - low), equal_nan=True))


def trained(run: Programs, kind: Kind) -> tuple[Path, list]:
    """Train a CycleGAN for a step on files of a kind; the test images are the same files."""
    data, arrays = run.folder / "data", kind.arrays()
    for folder in ("trainA", "trainB", "testA", "testB"):
        kind.write(data / folder, kind.ending, arrays, **kind.settings)
    shared = ("--dataroot", data, "--name", "r")
    sizes = ("--load_size", 20, "--crop_size", 16, "--netD", "pixel")
    checked = run.check(*shared, *kind.options()).ok()
    values = np.stack(arrays)
    values = values[np.isfinite(values) & (values != -999)]
    bands = "" if kind.dtype == "uint8" else f" in {amount(kind.channels, 'band')}"
    limits = f"{shown(values.min())} to {shown(values.max())}"
    assert f"  {kind.dtype}{bands}, {limits} (" in checked.out and "; give" not in checked.out
    run.train(*shared, *TINY, *ONE_EPOCH, *sizes, "--no_html", *kind.options()).ok()
    run.test(*shared, *CPU, "--preprocess", "none").ok()
    return data, [read_array(str(path)) for path in sorted((data / "testA").iterdir())]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_values_come_through_all_programs(run: Programs, name: str) -> None:
    kind = KINDS[name]
    data, arrays = trained(run, kind)
    images = run.results / "r" / "test_latest" / "images"
    container = kind.container or kind.ending
    fakes = [read_array(str(images / f"{i}_fake_B.{container}")) for i in range(2)]
    for i, array in enumerate(arrays):
        assert same(read_array(str(images / f"{i}_real_A.{container}")), array, kind)
        assert fakes[i].dtype == array.dtype and fakes[i].shape == array.shape

    flags = (*CPU, "--preprocess", "none")
    shell = ("translate.py", "--name", "r", "--input", data / "testA", "--output", "out", *flags)
    run.call(translate.main, *shell).ok()
    generator = load_generator(run.runs / "r", preprocess="none", gpu_ids="-1")
    for i, array in enumerate(arrays):
        by_shell = read_array(str(run.folder / "out" / f"{i}.{container}"))
        of_array = generator(array)
        of_path = generator(data / "testA" / f"{i}.{kind.ending}")
        of_path = of_path if of_path.ndim == 3 else of_path[..., None]
        for result in (by_shell, of_array, of_path):
            assert result.dtype == fakes[i].dtype
            assert np.array_equal(result, fakes[i], equal_nan=result.dtype.kind == "f")

    arguments = ("--fake", f"{images}:fake_B", "--real", data / "testB", "--json", "e.json")
    run.call(evaluate.main, "evaluate.py", *arguments, "--page").ok()
    scores = json.loads((run.folder / "e.json").read_text())["evaluations"][0]["rows"]["result"]
    expected = [
        np.abs(fake.astype(float) - real.astype(float))[np.isfinite(real) & (real != -999)].mean()
        for fake, real in zip(fakes, arrays, strict=True)
    ]
    assert scores["l1"] == pytest.approx(np.mean(expected), rel=1e-6)
    itself = ("--fake", f"{images}:real_B", "--real", data / "testB", "--json", "e.json")
    run.call(evaluate.main, "evaluate.py", *itself).ok()
    scores = json.loads((run.folder / "e.json").read_text())["evaluations"][0]["rows"]["result"]
    assert scores["psnr"] > 99 and scores["ssim"] == pytest.approx(1)


@pytest.mark.slow
def test_domains_of_different_kinds_and_a_packed_run(run: Programs) -> None:
    """A is int16 of one band, B three chosen bands of five float bands."""
    A = [hounsfield(i, SIZE) for i in range(2)]
    B = [ramp("float32", i, i + 1, 5, SIZE) for i in range(2)]
    for folder, arrays, ending in (("A", A, "tif"), ("B", B, "npy")):
        for phase in ("train", "test"):
            make_folder(run.folder / "data" / f"{phase}{folder}", ending, arrays)
    options = ("--input_nc", 1, "--output_nc", 3, "--bands_B", 5, 1, 3, "--value_range_B", 0, 2)
    options += ("--value_range_A", -1024, 3071, "--load_size", 20, "--crop_size", 16, "--no_html")
    options += ("--netD", "pixel")
    shared = ("--dataroot", "data", "--name", "r")
    run.train(*shared, *TINY, *ONE_EPOCH, *options).ok()
    run.test(*shared, *CPU, "--preprocess", "none").ok()
    images = run.results / "r" / "test_latest" / "images"
    assert (read_array(str(images / "0_real_A.tif")) == A[0]).all()
    assert np.abs(read_array(str(images / "1_real_B.npy")) - B[1][..., [4, 0, 2]]).max() < 2e-7
    fake = read_array(str(images / "0_fake_B.npy"))
    assert fake.dtype == np.float32 and fake.shape == (20, 24, 3)

    run.call(pack_run.main, "pack_run.py", "r", "--output", "r.zip", "--samples", 0).ok()
    generator = load_generator(run.folder / "r.zip", preprocess="none", gpu_ids="-1")
    assert (generator(A[0]) == fake).all()
    back = load_generator(run.folder / "r.zip", preprocess="none", gpu_ids="-1", direction="BtoA")
    assert (back(B[0]) == read_array(str(images / "0_fake_A.tif"))).all()

    # raw targets with five bands are compared in the three that the run uses
    real, inputs = run.folder / "data" / "testB", run.folder / "data" / "testA"
    arguments = ("--fake", f"{images}:fake_B", "--real", real, "--baseline_input", inputs)
    result = run.call(evaluate.main, "evaluate.py", *arguments, "--json", "e.json").ok()
    assert "no row identity, because inputs have 1 band and targets 3" in result.out
    rows = json.loads((run.folder / "e.json").read_text())["evaluations"][0]["rows"]
    fakes = [read_array(str(images / f"{i}_fake_B.npy")) for i in range(2)]
    expected = np.mean([np.abs(fakes[i] - B[i][..., [4, 0, 2]]).mean() for i in range(2)])
    assert rows["result"]["l1"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_8_bit_pictures_whose_white_is_0(run: Programs) -> None:
    """On the path of bytes, too: black is 0 in results and for all programs."""
    kind = Kind("uint8", 0, 255, settings={"photometric": "miniswhite"})
    data, arrays = trained(run, kind)
    assert (arrays[0] == 255 - kind.arrays()[0]).all()
    images = run.results / "r" / "test_latest" / "images"
    assert (read_array(str(images / "0_real_A.png")) == arrays[0]).all()
    fake = read_array(str(images / "0_fake_B.png"))
    flags = (*CPU, "--preprocess", "none", "--input", data / "testA", "--output", "out")
    run.call(translate.main, "translate.py", "--name", "r", *flags).ok()
    assert (read_array(str(run.folder / "out" / "0.png")) == fake).all()
    generator = load_generator(run.runs / "r", preprocess="none", gpu_ids="-1")
    assert (np.asarray(generator(data / "testA" / "0.tif")) == fake).all()
    itself = ("--fake", f"{images}:real_B", "--real", data / "testB", "--json", "e.json")
    run.call(evaluate.main, "evaluate.py", *itself).ok()
    scores = json.loads((run.folder / "e.json").read_text())["evaluations"][0]["rows"]["result"]
    assert scores["psnr"] == 100


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["NaN", "mixed"])
def test_what_cannot_be_used_is_named_by_all_programs(run: Programs, problem: str) -> None:
    data, arrays = trained(run, KINDS["float 0..1"])
    images = run.results / "r" / "test_latest" / "images"
    wrong = arrays[1].copy()
    wrong[3, 4] = np.nan
    words = ("1.tif", "not numbers (NaN); see --nodata")
    reported = ": 1 image with values that are not numbers (NaN): trainA/1.tif"
    if problem == "mixed":
        wrong, words = (255 * arrays[1]).astype(np.int16), ("0.tif", "1.tif", "int16")
        reported = " mixes kinds of files: 1 image with float32 in 1 band, 1 image with int16"
    for folder in ("trainA", "testA", "testB"):
        write_tif(data / folder / "1.tif", wrong)
    shared, flags = ("--dataroot", data, "--name", "r"), (*CPU, "--preprocess", "none")
    checked = run.check(*shared, *KINDS["float 0..1"].options())
    assert checked.status == 1 and f"trainA{reported}" in checked.out, checked
    new = ("--dataroot", data, "--name", "new", *TINY, *ONE_EPOCH, "--no_html", "--netD", "pixel")
    run.train(*new, *KINDS["float 0..1"].options()).refused(1, "trainA", *words)
    run.test(*shared, *flags).refused(1, "testA", *words)
    shell = ("translate.py", "--name", "r", "--input", data / "testA", "--output", "out", *flags)
    run.call(translate.main, *shell).refused(1, "testA", *words)
    generator = load_generator(run.runs / "r", preprocess="none", gpu_ids="-1")
    with pytest.raises(UserError, match=words[-1].split(" (")[0]):
        generator(data / "testA" / "1.tif")
    arguments = ("evaluate.py", "--fake", f"{images}:fake_B", "--real", data / "testB")
    run.call(evaluate.main, *arguments).refused(1, "1.tif", words[-1])

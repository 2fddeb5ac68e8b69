"""scripts/evaluate.py compares images in the unit and the range of their values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs, Result
from rasters import make_folder, ramp, write, write_png

from scripts import evaluate, segment_scores
from scripts.evaluation import reading
from scripts.evaluation.measuring import measure_pairs
from scripts.evaluation.page_metrics import read_metrics
from util.console import Progress
from util.values import Values, save

RULE = Values(-1024, 3071, "int16", 1, nodata=-2000)


def noisy(array: np.ndarray, seed: int, spread: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, array.shape)
    return (array + noise).astype(array.dtype)


def call(run: Programs, *arguments: object) -> Result:
    return run.call(evaluate.main, "evaluate.py", *arguments)


def rows_of(run: Programs, *arguments: object) -> dict:
    call(run, *arguments, "--json", "out.json").ok()
    [evaluation] = json.loads((run.folder / "out.json").read_text())["evaluations"]
    return evaluation["rows"]


def folders(run: Programs, kind: str, real: list[np.ndarray], fake: list[np.ndarray]) -> tuple:
    make_folder(run.folder / "real", kind, real)
    make_folder(run.folder / "fake", kind, fake)
    return "--fake", run.folder / "fake", "--real", run.folder / "real"


def page(run: Programs, **domains: Values | None) -> Path:
    """A page of test.py with two images fake_B."""
    folder = run.folder / "results" / "r" / "test_latest"
    (folder / "images").mkdir(parents=True)
    (folder / "metrics.js").write_text("show({})\n")
    save(folder, {"A": None, "B": None} | domains)
    return folder


def test_metrics_have_the_unit_and_the_range_that_are_given(run: Programs) -> None:
    real = [ramp("float32", 10, 12, 2), ramp("float32", 11, 12, 2)]
    fake = [noisy(array, i, 0.1).clip(10, 12) for i, array in enumerate(real)]
    arguments = folders(run, "npy", real, fake)
    rows = rows_of(run, *arguments, "--value_range", 10, 12)["result"]
    pairs = list(zip(fake, real, strict=True))
    assert rows["l1"] == pytest.approx(np.mean([np.abs(a - b).mean() for a, b in pairs]), rel=1e-5)
    squares = [((a.astype(float) - b) ** 2).mean() for a, b in pairs]
    psnr = [10 * math.log10(2**2 / square) for square in squares]
    assert rows["psnr"] == pytest.approx(np.mean(psnr), rel=1e-5)
    out = call(run, *arguments, "--value_range", 10, 12).ok().out
    assert "PSNR and SSIM are for 10..12 (float32), L1 is in this unit" in out
    call(run, *arguments).refused(1, "holds float32 values", "--value_range LOW HIGH")
    call(run, *arguments, "--value_range", 12, 10).refused(2, "LOW should be less")


def test_16_bits_are_compared_in_their_own_range(run: Programs) -> None:
    real = [ramp("uint16", 0, 65535)]
    arguments = folders(run, "png", real, [(real[0] // 2 * 2).astype(np.uint16)])
    assert rows_of(run, *arguments)["result"]["l1"] == pytest.approx((real[0] % 2).mean())
    low = folders(run, "png", [ramp("uint16", 0, 4095)], [ramp("uint16", 0, 4000)])
    call(run, *low).refused(1, "above 4095", "--value_range 0 4095")
    assert rows_of(run, *low, "--value_range", 0, 4095)["result"]["psnr"] > 30


def test_pixels_without_data_do_not_count(run: Programs) -> None:
    real = [ramp("int16", 0, 100), ramp("int16", 0, 100)]
    fake = [array + np.int16(3) for array in real]
    real[0][:3] = -999
    fake[0][:, :2] = -999
    arguments = folders(run, "tif", real, fake)
    options = ("--value_range", -50, 200, "--nodata", -999)
    rows = rows_of(run, *arguments, *options)["result"]
    assert rows["l1"] == 3 and rows["psnr"] == pytest.approx(20 * math.log10(250 / 3))
    assert f"real: {3 * 24} pixels without data" in call(run, *arguments, *options).ok().out
    fake[1][:] = -999
    make_folder(run.folder / "fake", "tif", fake)
    result = call(run, *arguments, *options, "--json", "out.json").ok()
    assert "without data to compare: 1 of 2" in result.err
    [evaluation] = json.loads((run.folder / "out.json").read_text())["evaluations"]
    assert evaluation["rows"]["result"]["n"] == 1


def test_values_outside_of_the_range_are_clipped_and_counted(run: Programs) -> None:
    real = [np.full((20, 24, 1), 120, np.int16)]
    arguments = folders(run, "tif", real, [np.full((20, 24, 1), 90, np.int16)])
    result = call(run, *arguments, "--value_range", 0, 100, "--json", "out.json").ok()
    assert "real: 480 values in 1 image outside of the range" in result.out
    [evaluation] = json.loads((run.folder / "out.json").read_text())["evaluations"]
    assert evaluation["rows"]["result"]["l1"] == 10


def test_the_rule_is_that_of_the_page_of_the_results(run: Programs) -> None:
    results = page(run, A=Values(0, 255, "uint8", 1, container="png"), B=RULE)
    real = [ramp("int16", -1000, 3000), ramp("int16", 0, 3000)]
    make_folder(run.folder / "testB", "tif", real)
    make_folder(run.folder / "images", "tif", [array + np.int16(5) for array in real])
    for i in range(2):
        name = results / "images" / f"{i}_fake_B.tif"
        (run.folder / "images" / f"{i}.tif").rename(name)
        write_png(run.folder / "testA" / f"{i}.png", np.full((20, 24, 1), 255, np.uint8))
    fake = ("--fake", f"{results / 'images'}:fake_B", "--real", "testB")
    rows = rows_of(run, *fake, "--baseline_input", "testA", "--page")
    assert rows["result"]["l1"] == 5
    assert rows["result"]["psnr"] == pytest.approx(20 * math.log10(4095 / 5))
    # An input that is not translated: 255 of 0..255 becomes the highest value of B
    expected = np.mean([3071 - array.astype(float).mean() for array in real])
    assert rows["identity"]["l1"] == pytest.approx(expected)
    shown = read_metrics(results)["images/0_fake_B.tif"]
    assert shown["L1 (-1024..3071)"] == 5
    call(run, "--fake", results / "images", "--real", "testB").refused(1, ":fake_B")
    palette = ("--palette", "0,0,0", "255,255,255")
    call(run, *fake, *palette).refused(2, "--palette needs 8-bit pictures")


def test_a_page_of_8_bit_results_is_compared_as_ever(run: Programs) -> None:
    """The values of A do not matter for the 8-bit pictures of B."""
    results = page(run, A=RULE)
    arrays = [ramp("uint8", 0, 255, 3), ramp("uint8", 0, 200, 3)]
    make_folder(run.folder / "real", "png", arrays)
    for i, array in enumerate(arrays):
        write_png(results / "images" / f"{i}_fake_B.png", np.maximum(array, 1))
    rows = rows_of(run, "--fake", f"{results / 'images'}:fake_B", "--real", "real")
    assert rows["result"]["l1"] == pytest.approx(np.mean([(a == 0).mean() for a in arrays]))


def test_segmentation_scores_of_values_are_refused_with_the_previews(run: Programs) -> None:
    images = page(run, B=RULE) / "images"
    arguments = ("--palette", "0,0,0", "9,9,9", "--fake", f"{images}:fake_B", "--real", "real")
    result = run.call(segment_scores.main, "segment_scores.py", *arguments)
    result.refused(1, "int16", f"{images.parent}/previews:fake_B")


def test_images_that_do_not_suit_the_rule_are_named(run: Programs) -> None:
    arguments = folders(run, "tif", [ramp("int16", 0, 9)], [ramp("float32", 0, 9)])
    call(run, *arguments, "--value_range", 0, 9).refused(1, "0.tif holds float32 values")
    arguments = folders(run, "tif", [ramp("int16", 0, 9, 2)], [ramp("int16", 0, 9)])
    call(run, *arguments, "--value_range", 0, 9).refused(1, "0.tif has 1 band, not 2")
    nan = [ramp("float32", 0, 9) * np.float32(np.nan)]
    make_folder(run.folder / "nan", "npy", nan)
    both = ("--fake", run.folder / "nan", "--real", run.folder / "nan", "--value_range", 0, 9)
    call(run, *both).refused(1, "0.npy", "NaN", "--nodata")


def test_an_identity_of_the_range_of_the_targets_follows_a_given_range(run: Programs) -> None:
    """A and B have one rule; the given range counts for results, inputs and targets alike."""
    results = page(run, A=RULE, B=RULE)
    make_folder(run.folder / "testB", "tif", [np.full((20, 24, 1), 50, np.int16)] * 2)
    make_folder(run.folder / "testA", "tif", [np.full((20, 24, 1), 40, np.int16)] * 2)
    for i in range(2):
        name = results / "images" / f"{i}_fake_B.tif"
        write(name, np.full((20, 24, 1), 45, np.int16))
    arguments = ("--fake", f"{results / 'images'}:fake_B", "--real", "testB")
    rows = rows_of(run, *arguments, "--baseline_input", "testA", "--value_range", 0, 100)
    assert (rows["result"]["l1"], rows["identity"]["l1"]) == (5, 10)


def test_true_images_of_a_page_are_read_in_the_bands_of_its_rule(run: Programs) -> None:
    results = page(run, B=Values(0, 255, "uint8", 1, bands=(2,), container="png"))
    colours = ramp("uint8", 0, 255, 3) // np.array([1, 2, 3], np.uint8)
    make_folder(run.folder / "testB", "png", [colours] * 2)
    for i in range(2):
        write_png(results / "images" / f"{i}_fake_B.png", colours[..., 1:2])
    rows = rows_of(run, "--fake", f"{results / 'images'}:fake_B", "--real", "testB")
    assert rows["result"]["l1"] == 0


def test_16_bit_targets_that_use_12_are_refused_beside_8_bit_results(run: Programs) -> None:
    make_folder(run.folder / "real", "png", [ramp("uint16", 0, 4095)])
    make_folder(run.folder / "fake", "png", [ramp("uint8", 0, 255)])
    call(run, "--fake", "fake", "--real", "real").refused(1, "real", "4095")


def test_no_data_that_is_not_a_number_is_valid_json(run: Programs) -> None:
    real = [ramp("float32", 0, 1)]
    arguments = folders(run, "npy", real, real)
    rows_of(run, *arguments, "--value_range", 0, 1, "--nodata", "nan")
    text = (run.folder / "out.json").read_text()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_each_image_of_a_pair_is_decoded_once(
    run: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes come from headers, and LPIPS sees what the other metrics have read."""
    arguments = folders(run, "tif", [ramp("int16", 0, 9)] * 2, [ramp("int16", 0, 8)] * 2)
    [job] = evaluate.parse([str(x) for x in (*arguments, "--value_range", -9, 9)])
    read: list[str] = []
    decode = reading.array_for
    monkeypatch.setattr(reading, "array_for", lambda *x: read.append(x[0]) or decode(*x))
    pairs, readers = evaluate.find_pairs(job)
    assert not read and len(pairs["random target"]) == 2
    seen: list[np.ndarray] = []
    progress = Progress(2, "Comparing")
    measured = measure_pairs(
        "result", pairs["result"], readers, job, lambda a, b: seen.extend((a, b)) or 0.5, progress
    )
    assert len(read) == 4 and measured["0"]["lpips"] == 0.5
    assert seen[0].shape == (20, 24, 3) and (seen[0] == readers["fake"].picture(read[0])).all()

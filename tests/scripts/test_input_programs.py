"""Several inputs of a translation go through train, test, translate.py and load_generator."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import CPU, ONE_EPOCH, TINY, Programs
from rasters import make_folder, ramp

from data.rasters.reading import read_array
from models import load_generator
from scripts import translate

SIZE = (24, 20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float", "8 bits"])
def test_several_inputs_come_through_all_programs(run: Programs, kind: str) -> None:
    """Two gray inputs; with 8 bits, no alpha is taken for the second one."""
    dtype, ending = ("float32", "tif") if kind == "float" else ("uint8", "png")
    top = 1 if kind == "float" else 255
    inputs = [[ramp(dtype, 0, top, 1, SIZE), np.full((20, 24, 1), n, dtype)] for n in (0, 1)]
    data = run.folder / "data"
    for phase in ("train", "test"):
        for number, arrays in enumerate(inputs, 1):
            make_folder(data / f"{phase}A{number}", ending, arrays)
        make_folder(data / f"{phase}B", ending, inputs[0])
    options = ("--input_nc", 2, "--output_nc", 1, "--load_size", 20, "--crop_size", 16)
    options += ("--value_range", 0, 1) if kind == "float" else ()
    shared = ("--dataroot", data, "--name", "r")
    run.train(*shared, *TINY, *ONE_EPOCH, *options, "--netD", "pixel", "--no_html").ok()
    flags = (*CPU, "--preprocess", "none")
    run.test(*shared, *flags).ok()
    images = run.results / "r" / "test_latest" / "images"
    fakes = [read_array(str(images / f"{i}_fake_B.{ending}"))[..., :1] for i in range(2)]
    real = read_array(str(images / "0_real_A.tif"))
    assert np.allclose(real, np.dstack([arrays[0] for arrays in inputs]), rtol=0, atol=1e-7)

    shell = ("translate.py", "--name", "r", *flags, "--input", data / "testA1")
    run.call(translate.main, *shell, data / "testA2", "--output", "out").ok()
    files = [data / f"testA{number}" / f"1.{ending}" for number in (1, 2)]
    one = ("translate.py", "--name", "r", *flags, "--input", *files, "--output", f"one.{ending}")
    run.call(translate.main, *one).ok()
    generator = load_generator(run.runs / "r", preprocess="none", gpu_ids="-1")
    for result in (
        read_array(str(run.folder / "out" / f"1.{ending}")),
        read_array(str(run.folder / f"one.{ending}")),
        np.atleast_3d(generator(generator.join(*files))),
        np.atleast_3d(generator(np.dstack([arrays[1] for arrays in inputs]))),
    ):
        assert np.array_equal(result[..., :1], fakes[1])

    alone = run.call(translate.main, *shell, "--output", "alone")
    alone.refused(1, "holds 1 band, but this run joins those of 2 inputs")
    lost = run.call(translate.main, *shell, data / "testA2", "--output", data / "testA2")
    lost.refused(1, "would replace the input", "testA2")
    files[1].unlink()
    lonely = run.call(translate.main, *shell, data / "testA2", "--output", "out")
    lonely.refused(1, f"1.{ending} has no partner", "testA2")
    mixed = run.call(translate.main, *shell, files[0], "--output", "out")
    mixed.refused(1, "--input", "but not both")

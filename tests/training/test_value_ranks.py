"""Two ranks that train on floats equal one process, and count clipped values together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Programs
from rasters import ramp, write
from survival import state, subclass
from test_ranks import EXACT, Ranks, arguments

from util import values


@pytest.mark.slow
def test_ranks_equal_the_large_batch_on_floats(tmp_path: Path) -> None:
    """Only images of rank 1 have values outside; the last step has one image for two ranks."""
    pytest.importorskip("tifffile")
    for domain in "AB":
        for number in range(3):
            array = np.roll(ramp("float32", -5, 5, 1, (40, 40)), 99 * number, axis=0)
            if domain == "A" and number == 1:
                array[:2] = 7
            write(tmp_path / "data" / f"train{domain}" / f"a{number}.tif", array)
    run = Programs(tmp_path)
    model = subclass(tmp_path / "exact_model.py", *EXACT)
    flags = ("--value_range", "-5", "5", "--input_nc", "1", "--output_nc", "1", "--no_html")
    more = ("--model", model, "--serial_batches", "--no_flip", "--pool_size", "0", *flags)
    one = arguments(tmp_path / "data", run.runs, "one", *more, "--batch_size", "2")
    line = "Domain A: 80 values in 1 of 3 images were outside of -5..5"
    assert line in run.train(*one).ok().out
    words = arguments(tmp_path / "data", run.runs, "two", *more, "--batch_size", "1")
    two = Ranks(tmp_path, *words, fresh=True)  # free of what other slow tests have loaded
    assert two.end() == [0, 0], two.out
    assert two.out[0].count(line) == 1 and "Domain A" not in two.out[1]
    assert values.load(run.runs / "one") == values.load(run.runs / "two")
    wanted, found = (state(run.runs / name)["model"]["networks"] for name in ("one", "two"))
    for name, weights in wanted.items():
        for key, value in weights.items():
            assert torch.allclose(value, found[name][key], rtol=0, atol=1e-7), (name, key)

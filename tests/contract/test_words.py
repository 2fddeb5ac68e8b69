"""One image is not "1 images"."""

from __future__ import annotations

import re

from conftest import CPU, ONE_EPOCH, TINY, Programs, pictures

from scripts import evaluate, translate


def test_one_of_each(run: Programs) -> None:
    """Programs that handle a single image or pair, epoch and step."""
    data = run.folder / "data"
    for folder in ("trainA", "trainB", "testA", "testB"):
        pictures(data / folder, ["a.png"])
    name = ("--dataroot", data, "--name", "x")
    fake = (
        "--fake",
        "results/x/test_latest/images:fake_B",
        "--real",
        "results/x/test_latest/images:real_B",
    )
    one = ("--input", data / "testA", "--output", "out", "--name", "x", *CPU)
    results = [
        run.check("--dataroot", data, *TINY[:-4], "--load_size", "34", "--crop_size", "32"),
        run.train(*name, *TINY, *ONE_EPOCH, "--dry_run"),
        run.train(*name, *TINY, *ONE_EPOCH, "--lr_policy", "step", "--lr_decay_iters", "1"),
        run.train("--continue_train", "--name", "x"),
        run.test(*name, *CPU),
        run.call(translate.main, "translate.py", *one),
        run.call(evaluate.main, "evaluate.py", *fake),
    ]
    said = "\n".join(result.out + result.err for result in results)
    assert not any(result.status for result in results)
    assert said.count("1 image") >= 4 and "has finished its 1 epoch;" in said
    assert not re.findall(r"(?<![\d.,-])1 [a-z]*s\b(?! (?:is|has))[^\n]*", said)

"""FID and KID of a validation: they are those of evaluate.py, and errors in one line."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs, pictures
from survival import equal, interrupt, resume, train

from models.training.validation import as_loss
from scripts import evaluate
from util.image.distances import kid, kid_estimate
from util.image.features import load_features
from util.sinks.base import read_metrics

pytest_plugins = ["survival"]
QUICK = [*TINY, *ONE_EPOCH, "--val_freq", "1", "--panel_size", "0"]
OPTIONS = ("--features", "net.pt", "--features_size", "16", "--features_range", "0..1")


class Means(torch.nn.Module):
    """Features: mean and mean square of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x.mean((2, 3)), (x * x).mean((2, 3))), 1)


@pytest.fixture
def data(run: Programs) -> Path:
    """Training images; unpaired validation images, three of A and five of B; and a network."""
    root = run.folder / "data"
    for seed, (folder, count) in enumerate(
        {"trainA": 3, "trainB": 3, "valA": 3, "valB": 5}.items()
    ):
        pictures(root / folder, [f"{folder}{i}.png" for i in range(count)], seed)
    torch.jit.trace(Means(), torch.zeros(1, 3, 8, 8)).save(str(run.folder / "net.pt"))
    load_features.cache_clear()
    return root


def test_the_values_are_those_of_evaluate(run: Programs, data: Path) -> None:
    """Each file counts once, though an epoch shows the three images A nearly twice."""
    more = ("--val_metric", "fid", *OPTIONS, "--n_epochs", "2", "--save_epoch_freq", "1")
    result = run.train("--dataroot", data, "--name", "x", *QUICK, *more, "--lr", "0.01").ok()
    assert "warning: 3 images are too few for a meaningful FID or KID" in result.err
    assert "The first validation of 5 images took" in result.out and "for FID and KID" in result.out
    folder = run.runs / "x"
    logged = [x for x in read_metrics(folder) if "val_fid" in x]
    assert [x["epoch"] for x in logged] == [1, 2] and all("val_kid" in x for x in logged)
    best = min(logged, key=lambda x: x["val_fid"])
    record = json.loads((folder / "best.json").read_text())
    assert (record["epoch"], record["metric"]) == (best["epoch"], "fid")
    assert record["value"] == pytest.approx(best["val_fid"], rel=1e-4)
    assert 'data-metric="fid"' in (run.runs / "index.html").read_text()
    assert f'data-value="{-record["value"]}"' in (run.runs / "index.html").read_text()

    shared = ("--dataroot", data, "--name", "x", "--phase", "val", *CPU, "--num_threads", "0")
    run.test(*shared, "--epoch", record["epoch"]).ok()
    images = run.results / "x" / f"val_{record['epoch']}" / "images"
    measured = []
    for side in "BA":
        words = ["--unpaired", "--fake", f"{images}:fake_{side}", "--real", f"{images}:real_{side}"]
        run.call(evaluate.main, "evaluate.py", *words, *OPTIONS, "--json", "o.json").ok()
        sets = json.loads((run.folder / "o.json").read_text())["evaluations"][0]["sets"]
        measured.append(sets["rows"]["result"])
    assert {(m["n"]) for m in measured} <= {3, 5}
    for name, factor in (("fid", 1), ("kid", 1000)):
        value = factor * sum(m[name] for m in measured) / 2
        assert value == pytest.approx(best[f"val_{name}"], rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_resume(run: Programs, data: Path, after_step: Callable) -> None:
    more = (*OPTIONS, "--val_metric", "kid", "--val_freq", "1")
    train(run, data, *more, name="whole").ok()
    interrupt(run, data, after_step, *more, step=5)
    resume(run).ok()
    assert equal(run)
    resume(run, "--features", "inception").refused(2, "--continue_train cannot change --features")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [("--model", "pix2pix", "--netG", "resnet_6blocks"), ("--direction", "BtoA")]
)
def test_other_models_and_directions(
    run: Programs, data: Path, aligned: Path, tmp_path: Path, model: tuple
) -> None:
    """Pairs in one file, and exchanged domains; early stopping follows the metric."""
    if "pix2pix" in model:
        data = pictures(tmp_path / "pairs" / "val", ["a.png", "b.png"], 3, (80, 40)).parent
        (data / "train").symlink_to(aligned / "train")
    more = (*model, *OPTIONS, "--val_metric", "kid", "--early_stop", "1", "--lr", "0")
    out = run.train("--dataroot", data, "--name", "x", *QUICK, *more, "--n_epochs", 4).ok().out
    assert "stopped early after epoch 2 of 4" in out


def test_refusals(run: Programs, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(status: int, *options: object, says: tuple) -> None:
        run.train("--dataroot", data, "--name", "x", *QUICK, *options).refused(status, *says)

    refused(2, "--val_metric", "fid", says=("--val_metric fid needs --features NETWORK",))
    refused(2, *OPTIONS, "--val_freq", 0, says=("--features needs --val_freq",))
    refused(1, "--features", "none.pt", says=("--features none.pt: there is no such file",))
    refused(2, *OPTIONS, "--features_size", 0, says=("--features_size",))
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    refused(1, "--features", "inception", says=("pip install torch-fidelity",))
    for path in sorted((data / "valA").iterdir())[1:]:
        path.unlink()
    refused(1, *OPTIONS, says=("at least 2 validation images per side, not 1 and 5",))


def test_kid_for_the_plateau_policy() -> None:
    """It may be negative, and the policy needs positive numbers, smaller for better ones."""
    losses = [as_loss("kid", value) for value in (-5.0, 0.0, 80.0)]
    assert 0 < losses[0] < losses[1] < losses[2] and math.isfinite(losses[2])
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(n, 5, generator=generator).numpy() for n in (12, 9))
    assert kid_estimate(a, b) == kid(a, b)[0]

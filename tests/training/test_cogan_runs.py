"""CoGAN in runs from start to end: files, directions, cached z, exact resume, and bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import QUIET, Programs
from PIL import Image
from steps import batch, build, repeatable  # noqa: F401
from survival import equal, interrupt, resume
from survival import train as train_x

from data.pipeline.sampler import EpochSampler
from models import load_generator
from models.translation.latent_search import find_latent
from util.errors import UsageError, UserError

pytest_plugins = ["survival"]

pytestmark = pytest.mark.slow

COGAN = ("--model", "cogan", "--ngf", "2", "--ndf", "2")
RUN = (*QUIET, *COGAN, "--latent_steps", "3", "--batch_size", "2", "--seed", "1")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_run(run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, both directions with one generator, cached z, and a last batch of one image."""
    searches: list[int] = []

    def counted(net, x, domain, starts, steps, seed):
        searches.append(starts)
        return find_latent(net, x, domain, starts, steps, seed)

    monkeypatch.setattr("models.cogan_model.find_latent", counted)
    train = ("--dataroot", unaligned, "--name", "x", *RUN, "--n_epochs", "1", "--print_freq", "2")
    monkeypatch.setattr("models.cogan_model.CoGANModel.validation_limit", 1)
    validate = ("--val_freq", "1", "--val_share", "0.5", "--no_html", "--suffix", "val")
    run.train(*train, *validate).ok()
    assert searches == [1] * 4  # a first measurement, and one image of each domain
    out = run.train(*train, "--panel_size", "1").ok().out
    assert "iters: 2," in out and "iters: 5," in out and "iters: 4," not in out  # 2 + 3 images
    folder = run.runs / "x"
    assert {path.name for path in folder.glob("*.pth")} == {
        "state.pth", "latest_net_G.pth", "latest_net_D.pth"
    }  # fmt: skip
    shown = {path.name for path in (folder / "web" / "images").glob("epoch001_*")}
    assert {f"epoch001_{name}.png" for name in ("real_A", "pair_A", "pair_B", "real_B")} <= shown

    test = ("--dataroot", unaligned, "--name", "x", "--gpu_ids", "-1", "--latent_starts", "2")
    searches.clear()
    out = run.test(*test).ok().out
    images = run.results / "x" / "test_latest" / "images"
    stems = {"A": ("a0", "a1", "a0"), "B": ("b0", "b1", "b2")}
    assert {path.name for path in images.iterdir()} == {
        f"{stem}_{label}_{domain}.png"
        for domain in "AB"
        for label in ("real", "rec", "fake")
        for stem in stems["A" if (domain == "A") != (label == "fake") else "B"]
    }
    # a0, the partner of b0 and of b2, is searched once
    assert searches == [2] * 5 and "reconstruction PSNR" in out
    assert "fake_B.png" in (images.parent / "metrics.js").read_text()
    again = run.test(*test, "--save", "fake_B").ok().out
    assert len(searches) == 5 and "fake_A" not in again  # nothing is searched again
    scale = ("--load_size", "66", "--num_test", "1", "--results_dir", "scaled")
    assert "tests at that scale" in again and run.test(*test, *scale).ok()
    one_sided_page(run, *test, "--dataroot", unaligned / "testB")
    (folder / "train_opt.json").unlink()  # the weights alone show what is needed
    for side, direction, other in (("A", "AtoB", "B"), ("B", "BtoA", "A")):
        translate = load_generator(
            folder, direction=direction, gpu_ids="-1", latent_starts=2, latent_steps=3
        )
        image = Image.open(unaligned / f"test{side}" / f"{side.lower()}1.png")
        wanted = pixels(images / f"{side.lower()}1_fake_{other}.png")
        assert np.abs(np.asarray(translate(image)).astype(int) - wanted).max() <= 1


def one_sided_page(run: Programs, *test: object) -> None:
    """The page of --model test shows the PSNR, and that the network is in evaluation mode."""
    run.test(*test, "--model", "test", "--direction", "BtoA", "--results_dir", "one").ok()
    page = run.folder / "one" / "x" / "test_latest"
    assert "b1_fake.png" in (page / "metrics.js").read_text()
    assert "batch statistics" not in (page / "index.html").read_text()


def test_resume(run: Programs, data: Path, after_step) -> None:
    more = (*RUN, "--load_size", "66", "--crop_size", "64", "--panel_size", "0", "--no_html")
    train_x(run, data, *more, name="whole").ok()
    interrupt(run, data, after_step, *more, step=3)
    resume(run).ok()
    assert equal(run)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--batch_size 1", "CoGAN's batch norm needs at least 2 images"),
        ("--load_size 100 --crop_size 96", "--crop_size 96: CoGAN generates 64, 128 or 256"),
        ("--preprocess none", "--preprocess none: CoGAN needs images of one size"),
        ("--norm instance", "--norm instance: CoGAN has batch norm"),
        ("--gan_mode wgangp", "--gan_mode wgangp"),
        ("--shared_G 6", "--shared_G 6: should be at most 5 of 6 layers"),
        ("--shared_D 7", "--shared_D 7: should be at most 6 of 7 layers"),
    ],
)
def test_bad_options(args: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(*COGAN, *args.split())


def test_bad_images(run: Programs, unaligned: Path) -> None:
    one = ("--dataroot", unaligned, "--name", "x", *RUN, "--max_dataset_size", "1")
    run.train(*one).refused(1, "--min_batch 2: 1 images of an epoch are too few")
    run.train(*one[:-2], "--batch_size", "1").refused(2, "--batch_size 1: CoGAN's batch norm")
    with pytest.raises(UserError, match="generates images of 64x64 and has no answer for 32x32"):
        build(*COGAN).set_input(batch(2, 32))


def test_last_step_takes_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(size: int, ranks: int, rank: int, start: int = 0) -> list[int]:
        monkeypatch.setattr("util.distributed.world_size", lambda: ranks)
        monkeypatch.setattr("util.distributed.rank", lambda: rank)
        order = EpochSampler(size, 1, True, 4, minimum=2)
        order.start = start
        parts = [len(part) for part in order]
        assert len(parts) == len(order.weights()) == len(order.counts())
        assert sum(order.counts()) == size - start
        return parts

    assert steps(9, 1, 0) == [4, 5] and steps(10, 1, 0) == [4, 4, 2]
    assert steps(9, 1, 0, start=4) == [5] and steps(3, 1, 0) == [3]
    assert steps(19, 2, 0) == [4, 5] and steps(19, 2, 1) == [4, 6]  # 3 are too few for two ranks
    assert steps(20, 2, 0) == [4, 4, 2]

"""Tables 1 to 3: the comparison with prior methods, from trainings to tables and pictures."""

from __future__ import annotations

import csv
import json
import shlex
import threading
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs, pictures
from paper_programs import OVERRIDE, pairs
from PIL import Image

from options.test_options import TestOptions
from options.train_options import TrainOptions
from scripts.paper_tools import jobs, samples
from scripts.paper_tools.baselines import BaselineRun
from scripts.segment_scores import SCORES
from util.errors import UserError

pytest_plugins = ["paper_programs"]

pytestmark = pytest.mark.slow

COSTS = {"command": "", "commit": "abc", "machine": "CPU", "hours": 1.5, "images": 6, "updates": 6}
COSTS |= {"parameters": 12345, "log": []}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Test pairs, and two pairs for training."""
    root = pairs(tmp_path / "tiny", palette=True)
    pictures(root / "train", ["0.png", "1.png"], 5, (80, 40))
    return root


@pytest.fixture
def words(data: Path, tmp_path: Path) -> list:
    out = ["--out", tmp_path / "docs" / "results", "--work", "runs"]
    return ["baselines", "--dataroot", data, *out, "--palette", "0,0,0", "255,255,255"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the trainings: they leave grey images, CoGAN's fails. Returns the keys of all."""
    trained: list[str] = []

    def execute(argv: list[str], place: jobs.Place = jobs.HERE) -> None:
        if argv[0] == "scripts/segment_scores.py":
            report = {"rows": {"result": dict.fromkeys(SCORES, 0.25)}}
            Path(argv[argv.index("--json") + 1]).write_text(json.dumps(report))
        if argv[0] != "train.py":
            return
        name = argv[argv.index("--name") + 1]
        trained.append(name.removeprefix("tiny_baselines_"))
        if "cogan" in name:
            raise UserError("train.py ended with status 1: not enough images")
        weights = Path(argv[argv.index("--checkpoints_dir") + 1], name, "latest_net_G.pth")
        weights.parent.mkdir(parents=True)
        weights.touch()

    def measure(run: BaselineRun, epoch: str) -> dict:
        for side, labels in run.labels.items():
            run.images(epoch).mkdir(parents=True, exist_ok=True)
            for i, (domain, label) in product(
                (0, 1), zip((side[0], side[0], side[-1]), labels, strict=True)
            ):
                level = 100 + 50 * i if label.startswith("real") else 100
                grey = Image.new("RGB", (40, 40), (level,) * 3)
                grey.save(run.images(epoch) / f"{i}_{domain}_{label}.png")
        value = {"PSNR (dB)": 10.0 + run.seed, "class IOU": 0.5}
        return {side: value if side in run.labels else {} for side in ("AtoB", "BtoA")}

    monkeypatch.setattr(jobs, "execute", execute)
    monkeypatch.setattr(BaselineRun, "measure", measure)
    monkeypatch.setattr(
        BaselineRun, "outcome", lambda run, failed: COSTS | {"seed": run.seed, "images": 6}
    )
    return trained


def test_real_trainings(
    do: Callable, called: list, words: list, run: Programs, tmp_path: Path
) -> None:
    """CycleGAN and pix2pix are trained, tested on the same images and scored."""
    words += ["--seeds", 1, "--rows", "cycle_gan", "pix2pix"]
    do(*words, *OVERRIDE).ok()
    folder = tmp_path / "docs" / "results" / "tiny_baselines"
    records = {path.stem: json.loads(path.read_text()) for path in folder.glob("*-1.json")}
    assert set(records) == {"cycle_gan-1", "pix2pix_AtoB-1", "pix2pix_BtoA-1"}
    assert {record["updates"] for record in records.values()} == {3, 2}
    assert all(record["failed"] is None for record in records.values())
    scored = {
        key: [s for s in record["scores"] if record["scores"][s]] for key, record in records.items()
    }
    assert scored == {
        "cycle_gan-1": ["AtoB", "BtoA"],
        "pix2pix_AtoB-1": ["AtoB"],
        "pix2pix_BtoA-1": ["BtoA"],
    }
    psnr = records["pix2pix_BtoA-1"]["scores"]["BtoA"]["PSNR (dB)"]
    images = (
        run.folder / "runs" / "results" / "tiny_baselines_pix2pix_BtoA_1" / "test_latest" / "images"
    )
    fake, real = (
        np.asarray(Image.open(images / name), float)
        for name in ("0_B_fake_B.png", "0_A_real_B.png")
    )
    one = 10 * np.log10(255**2 / ((fake - real) ** 2).mean())
    assert psnr == pytest.approx(one, abs=6)  # the mean over two images
    page = (tmp_path / "docs" / "results.md").read_text()
    for text in ("python scripts/paper.py baselines", "0.71 / 0.25 / 0.18", "- CoGAN: no run."):
        assert text in page
    assert str(tmp_path) not in page

    count = len(called)
    (folder / "pix2pix_BtoA-1.json").unlink()
    do(*words, *OVERRIDE).ok()  # only the run without a record is resumed and measured
    trained = [argv for argv in called[count:] if argv[0] == "train.py"]
    assert len(trained) == 1 and "--continue_train" in trained[0]


def test_table(do: Callable, fake: list[str], words: list, tmp_path: Path) -> None:
    """Rows that fail or collapse stay with the reason; another method stands beside them."""
    own = pictures(tmp_path / "own" / "AtoB", ["0_A.png", "1_A.png"], 3)
    words += ["--seeds", 1, 2, "--rows", "cogan", "simgan", "cycle_gan", "pix2pix"]
    words += ["--row_options", "cogan=--n_epochs 7", "--jobs", 2]
    do(*words, "--", "--lr", "0.1").refused(1, "2 of the runs failed", "not enough images")
    folder = tmp_path / "docs" / "results" / "tiny_baselines"
    table = (folder / "table.md").read_text()
    for line in (
        "| Method | class IOU | PSNR (dB) | hours | parameters | updates | paper, Cityscapes: "
        "per-pixel, per-class, IOU |",
        "| CoGAN | - | - | 1.50 | 12,345 | 6 | 0.40 / 0.10 / 0.06 |",
        "| SimGAN | 0.500 ± 0.000 | 11.5 ± 0.7 | 1.50 | 12,345 | 6 | 0.20 / 0.10 / 0.04 |",
        "- CoGAN, both directions, seed 1: failed; train.py ended with status 1: not enough images",
        "- CycleGAN, A → B, seed 1: collapsed; results differ from each other by only 0% of what "
        "the targets do.",
        "- BiGAN/ALI: no run.",
    ):
        assert line in table.splitlines()
    lines = list(csv.DictReader((folder / "table.csv").open()))
    psnr = next(line for line in lines if line["quantity"] == "PSNR (dB)")
    assert (psnr["direction"], psnr["method"], psnr["mean"], psnr["runs"]) == (
        "BtoA",
        "SimGAN",
        "11.5",
        "2",
    )
    latex = (folder / "table.tex").read_text()
    assert r"SimGAN & 0.500 $\pm$ 0.000 &" in latex and latex.count(r"\bottomrule") == 2
    sheet = Image.open(folder / "AtoB.png")  # input, four rows, target
    assert sheet.width == 6 * samples.SIZE + 5 * 4

    count = len(fake)
    result = do(*words, "--add", f"Mine={own.parent}", "--", "--lr", "0.1").refused(1, "2 of")
    assert set(fake[count:]) == {"cogan_1", "cogan_2"}  # only these are tried again
    assert "cycle_gan, seed 1: finished" in result.out and "Mine: scored" in result.out
    table = (folder / "table.md").read_text()  # its row is in the table of its direction only
    assert table.count("| Mine |") == 1 and "| Mine | 0.250 | 0.250 | 0.250 | - |" in table
    assert Image.open(folder / "AtoB.png").width == 7 * samples.SIZE + 6 * 4
    do(*words, "--", "--lr", "0.2").refused(1, "setup.json", "train", "--name")


def test_recipes(do: Callable, data: Path) -> None:
    """The options of every row exist, and are the paper's: sizes, epochs, and own schedules."""
    for recipe, size, blocks in (("maps", 256, 9), ("atlas", 64, 6), ("cityscapes", 128, 6)):
        words = ("baselines", "--dataroot", data, "--recipe", recipe, "--seeds", 4, "--dry_run")
        plan = [shlex.split(line)[1:] for line in do(*words).ok().out.splitlines()]
        assert [words[0] for words in plan] == ["train.py", "test.py"] * 9
        for train in plan[::2]:
            given = dict(zip(train[1::2], train[2::2], strict=False))
            networks = f"--netG resnet_{blocks}blocks --load_size"
            assert networks in " ".join(train) and given["--crop_size"] == str(size)
    for train, test in zip(plan[::2], plan[1::2], strict=True):
        opt = TrainOptions().parse([*train[1:], "--gpu_ids", "-1"], record=False)
        assert (opt.lr, opt.seed, "identity" in str(train)) == (2e-4, 4, "cycle_gan" in train)
        of_cogan = opt.model == "cogan"
        assert (opt.n_epochs, opt.n_epochs_decay) == ((50_000, 0) if of_cogan else (100, 100))
        assert opt.batch_size == (64 if of_cogan else 1)
        TestOptions().parse([*test[1:], "--gpu_ids", "-1"], record=False)


def test_refusals(do: Callable, words: list, data: Path, tmp_path: Path) -> None:
    do(*words, "--recipe", "mapps").refused(2, "did you mean maps?")
    do(*words, "--row_options", "gan=--lr 1").refused(2, "--row_options gan=--lr 1: the rows are")
    do(*words, "--add", "Mine").refused(2, "--add Mine: should be NAME=VALUE")
    do(*words, "--add", "simgan=x").refused(2, "another name")
    do(*words, "--pairs", tmp_path / "none").refused(2, "has no folder train")
    do("baselines", "--dataroot", tmp_path).refused(1, "--dataroot", "has no folder trainA")
    (data / "train").rename(data / "other")
    out = do(*words, "--dry_run").ok()
    assert "pix2pix is left out: it needs pairs" in out.err and "--model pix2pix" not in out.out


def test_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time, each with its share of the cores; after a failure nothing new begins."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(jobs.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    places = jobs.places(2)
    assert [place.environment for place in places] == [{"OMP_NUM_THREADS": "4"}] * 2
    assert jobs.places(None) == places and jobs.places(1) == [jobs.HERE]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = [place.environment["CUDA_VISIBLE_DEVICES"] for place in jobs.places(3)]
    assert gpus == ["0", "1", "0"]

    together = threading.Barrier(2, timeout=20)
    jobs.run_all([lambda _: together.wait()] * 4, places)  # deadlocks if one at a time
    begun = []

    def fail(place: jobs.Place) -> None:
        begun.append(place)
        raise UserError("first")

    with pytest.raises(UserError, match="first"):
        jobs.run_all([fail] * 50, places)
    assert len(begun) < 50

    log = tmp_path / "log.txt"
    place = jobs.Place({}, log, shown=False)
    with pytest.raises(UserError, match=r"plot.py ended with status 2: .*--runs"):
        jobs.execute(["scripts/plot.py"], place)
    assert "--runs" in log.read_text()
    killed = tmp_path / "killed.py"
    killed.write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    with pytest.raises(jobs.Interrupted):
        jobs.execute([killed], place)


def test_samples(tmp_path: Path) -> None:
    """Reconstructions beside the mean training image; the variety of results."""
    for folder, levels in {"trainA": (0, 100), "images": ()}.items():
        (tmp_path / folder).mkdir()
        for i, level in enumerate(levels):
            Image.new("RGB", (8, 8), (level,) * 3).save(tmp_path / folder / f"{i}.png")
    made = {"real_A": (40, 60), "rec_A": (41, 61), "fake_B": (10, 12), "real_B": (0, 20)}
    for label, levels in made.items():
        for i, level in enumerate(levels):
            Image.new("RGB", (8, 8), (level,) * 3).save(tmp_path / "images" / f"{i}_{label}.png")
    found = samples.reconstruction(tmp_path / "images", "A", tmp_path)
    assert found == {
        "psnr": pytest.approx(20 * np.log10(255)),
        "mean image": pytest.approx(20 * np.log10(255 / 10)),
    }
    assert samples.variety(tmp_path / "images", "fake_B", "real_B") == pytest.approx(0.1)
    assert samples.variety(tmp_path / "images", "none", "real_B") is None

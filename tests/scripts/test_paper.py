"""The paper's experiments end to end: from a small archive on a local server, and the ablations, with tiny networks."""

from __future__ import annotations

import io
import json
import runpy
import shlex
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, Programs, pictures
from flaky_server import Server
from PIL import Image

from scripts import paper
from scripts.paper_tools import ablation, results, scoring, tasks
from util.errors import UserError

OVERRIDE = ("--", *TINY, "--n_epochs", "1", "--n_epochs_decay", "0", "--seed", "1", "--no_html")
PALETTE = ("0,0,0", "255,255,255")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that were run, in this process instead of their own."""
    calls: list[list[str]] = []

    def execute(argv: list[str]) -> None:
        calls.append(list(map(str, argv)))
        monkeypatch.setattr(sys, "argv", calls[-1])
        main = runpy.run_path(str(ROOT / argv[0]), run_name="called")["main"]
        main()

    monkeypatch.setattr(scoring, "execute", execute)
    return calls


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def do(run: Programs) -> Callable:
    """paper.py as a user calls it."""
    return lambda *words: run.call(paper.main, "paper.py", *words)


def pairs(root: Path, palette: bool = False) -> Path:
    """3 training images of each domain, 2 test pairs named as in the archives."""
    for seed, (folder, count) in enumerate(
        {"trainA": 3, "trainB": 3, "testA": 2, "testB": 2}.items()
    ):
        pictures(root / folder, [f"{i}_{folder[-1]}.png" for i in range(count)], seed)
    for path in root.glob("*B/*") if palette else ():
        Image.fromarray(
            np.where(np.asarray(Image.open(path).convert("L")) > 128, 255, 0).astype(np.uint8)
        ).save(path)
    return root


def test_run(
    do: Callable,
    called: list,
    server: Server,
    run: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """maps: the download fails, then works; the run goes on where it was; our numbers stand beside the paper's."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        for path in pairs(tmp_path / "set" / "maps").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path / "set"))
    monkeypatch.setattr(tasks, "ROOT", tmp_path)  # where datasets/ lies
    words = (
        "run",
        "maps",
        "--mirror",
        server.url,
        "--unchecked",
        "--checkpoints_dir",
        "runs",
        "--results_dir",
        "out",
    )
    planned = do(*words, "--dry_run", *OVERRIDE).ok().out.splitlines()
    assert [shlex.split(line)[1] for line in planned] == [
        "datasets/download.py",
        "train.py",
        "test.py",
        "scripts/evaluate.py",
    ]
    assert called == [] and run.files() == set()
    monkeypatch.setattr("util.download.transfer.PAUSES", ())
    monkeypatch.setattr("util.download.catalogue.OFFICIAL", "127.0.0.1:1")
    do(*words, *OVERRIDE).refused(1, "maps")
    assert not (tmp_path / "datasets" / "maps").exists() and len(called) == 1
    server.files["/cyclegan/datasets/maps.zip"] = bundle.getvalue()
    shown = do(*words, *OVERRIDE).ok().out
    assert [" ".join(["python", *argv]) for argv in called[1:]] == planned
    record = json.loads((run.folder / "runs" / "paper_maps" / "paper.json").read_text())
    assert (
        record["images"] == 3
        and record["hours"] > 0
        and {"--netG resnet_6blocks", "--load_size 34"} <= set(record["changed"])
    )
    psnr = record["scores"]["AtoB"]["PSNR (dB)"]
    assert 0 < psnr < 60 and record["scores"]["BtoA"]["L1"] > 0
    for text in (shown, do("table", "--checkpoints_dir", "runs").ok().out):
        lines = [line.split("  ") for line in text.splitlines() if line.startswith("maps ")]
        cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
        assert [
            "maps",
            "map -> aerial photo",
            "taken for real by people (%)",
            "26.8 +- 2.8",
            "-",
        ] in cells
        assert ["maps", "aerial photo -> map", "PSNR (dB)", "-", f"{psnr:.3f}"] in cells
        assert (
            "FID and KID need --features" in text
            and "changed: --crop_size 32 --load_size 34 --n_epochs 1" in text
        )
    count = len(called)
    do(*words).ok()  # again: there is nothing to download or to train, and it is measured anew
    assert [argv[0] for argv in called[count:]] == ["train.py", "test.py", "scripts/evaluate.py"]
    again = json.loads((run.folder / "runs" / "paper_maps" / "paper.json").read_text())
    assert "--continue_train" in called[count] and all(
        record[key] == again[key] for key in ("scores", "changed")
    )


def test_run_of_unpaired_images(
    do: Callable,
    called: list,
    server: Server,
    run: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their names tell how to measure them, and are not known before the download; packages are files relative to the user."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        for seed, folder in enumerate(("trainA", "trainB", "testA", "testB")):
            names = [f"n0238_{i}{folder[-1]}.png" for i in range(3)]
            for path in pictures(tmp_path / "set" / folder, names, seed).iterdir():
                archive.write(path, f"horse2zebra/{folder}/{path.name}")
    server.files["/cyclegan/datasets/horse2zebra.zip"] = bundle.getvalue()
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    torch.jit.trace(torch.nn.AvgPool2d(8), torch.zeros(1, 3, 224, 224)).save(
        str(run.folder / "means.pt")
    )
    words = (
        "run",
        "horse2zebra",
        "--mirror",
        server.url,
        "--unchecked",
        "--checkpoints_dir",
        "runs",
        "--results_dir",
        "out",
        "--features",
        "means.pt",
    )
    planned = do(*words, "--dry_run", *OVERRIDE).ok().out.splitlines()
    out = do(*words, *OVERRIDE).ok().out
    assert [" ".join(["python", *argv]) for argv in called] == planned
    assert str(run.folder / "means.pt") in planned[-1] and "--unpaired" in planned[-1]
    assert [
        line.split()[-2] for line in out.splitlines() if "FID (means.pt (imagenet))" in line
    ] == ["-", "-"]


def test_the_planned_commands_make_sense(
    do: Callable, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program takes what it is to be given, for every task."""
    from options.test_options import TestOptions
    from options.train_options import TrainOptions
    from scripts import evaluate, segment_scores

    def parses(words: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", words)
        {
            "train.py": lambda: TrainOptions().parse(record=False),
            "test.py": lambda: TestOptions().parse(record=False),
            "scripts/evaluate.py": lambda: evaluate.parse(words[1:]),
            "scripts/segment_scores.py": segment_scores.parse,
        }[words[0]]()

    for name in tasks.all_tasks():
        out = (
            do(
                "run",
                name,
                "--dataroot",
                unaligned,
                "--dry_run",
                "--features",
                "inception",
                "--network",
                "fcn.pt",
            )
            .ok()
            .out
        )
        plan = [shlex.split(line)[1:] for line in out.splitlines()]
        assert [words[0] for words in plan] == ["train.py", "test.py", "scripts/evaluate.py"] + (
            ["scripts/segment_scores.py"] * 2 if name == "cityscapes" else []
        )
        for words in plan:
            parses(words)


def test_cityscapes(do: Callable, called: list, tmp_path: Path) -> None:
    """Segmentation scores of both directions, with a network that knows two classes."""
    data = pairs(tmp_path / "cityscapes")
    pictures(
        data / "test", ["0.png", "1.png"]
    )  # the preparation script makes folders of pairs, too
    for path in data.glob("*B/*"):  # road and sky
        light = np.asarray(Image.open(path).convert("L")) > 128
        Image.fromarray(
            np.where(light[..., None], (70, 130, 180), (128, 64, 128)).astype(np.uint8)
        ).save(path)
        (data / "testB_ids").mkdir(exist_ok=True)
        if (
            path.parent.name == "testB"
        ):  # as the preparation script leaves them, larger than the images
            ids = Image.fromarray(np.where(light, 23, 7).astype(np.uint8)).resize(
                (80, 80), Image.Resampling.NEAREST
            )
            ids.save(data / "testB_ids" / f"{path.stem[:-2]}_gtFine_labelIds.png")
    network = torch.nn.Conv2d(3, 19, 1)
    torch.jit.trace(network.eval(), torch.zeros(1, 3, 40, 40)).save(str(tmp_path / "fcn.pt"))
    words = (
        "run",
        "cityscapes",
        "--dataroot",
        data,
        "--checkpoints_dir",
        "runs",
        "--results_dir",
        "out",
    )
    out = do(*words, "--network", tmp_path / "fcn.pt", *OVERRIDE).ok().out
    lines = [line.split() for line in out.splitlines() if line.startswith("cityscapes ")]
    found = {(" ".join(cells[1:4]), " ".join(cells[4:-2])): cells[-2:] for cells in lines}
    assert (
        found["labels -> photo", "class IOU"][0] == "0.11"
        and found["photo -> labels", "per-pixel acc."][0] == "0.58"
    )
    assert all(
        0 <= float(found[f"{side}", metric][1]) <= 1
        for side in ("labels -> photo", "photo -> labels")
        for metric in ("per-pixel acc.", "per-class acc.", "class IOU")
    )
    assert called[-1][called[-1].index("--real") + 1] == f"{data / 'testB_ids'}:gtFine_labelIds"
    at = called[0].index("--load_size")  # what overrides it comes later
    assert called[0][at : at + 2] == ["--load_size", "143"]


def test_tasks_can_be_trained(unaligned: Path) -> None:
    """All flags of the table are options of train.py and test.py, and say what the paper says."""
    from options.test_options import TestOptions
    from options.train_options import TrainOptions

    identity, epochs = {}, {}
    for task in tasks.all_tasks().values():
        if task.name == "DEFAULT":
            continue
        words = ["--dataroot", str(unaligned), "--gpu_ids", "-1", *shlex.split(task["model"])]
        opt = TrainOptions().parse([*words, *shlex.split(task["train"])], record=False)
        TestOptions().parse([*words, *shlex.split(task["test"])], record=False)
        assert (
            opt.lr == 0.0002
            and opt.batch_size == 1
            and opt.lambda_A == opt.lambda_B == 10
            and opt.pool_size == 50
        )
        identity[task.name], epochs[task.name] = (
            opt.lambda_identity,
            opt.n_epochs + opt.n_epochs_decay,
        )
        if task.name == "cityscapes":
            assert (opt.netG, opt.load_size, opt.crop_size) == ("resnet_6blocks", 143, 128)
    assert {name for name, weight in identity.items() if weight} == {"monet2photo", "iphone2dslr"}
    assert {name for name, count in epochs.items() if count != 200} == {"edges2shoes"} and epochs[
        "edges2shoes"
    ] == 5
    assert len(identity) == 14


def test_show_and_refusals(do: Callable, run: Programs, tmp_path: Path) -> None:
    out = do("show", "edges2shoes").ok().out
    assert (
        "--n_epochs 5 --n_epochs_decay 0" in out
        and "5 epochs" in out
        and "download.py edges2shoes --kind pix2pix" in out
    )
    assert "images:fake_B" in out  # pairs of one file have one name
    assert "horse2zebra" in do("list").ok().out
    do("run", "horse").refused(2, "did you mean horse2zebra?")
    do("table", "--", "--lr", "1").refused(2, "table")
    do("results", "--out", tmp_path / "none").refused(1, "ablate")
    with pytest.raises(UserError, match="download.py ended with status 2"):
        scoring.execute(["datasets/download.py", "nonsense"])


def test_ablation(do: Callable, called: list, tmp_path: Path, run: Programs) -> None:
    """Two variants, two seeds: docs/results.md comes from their files, and is written again to the same bytes."""
    data, out = pairs(tmp_path / "tiny", palette=True), tmp_path / "docs" / "results"
    words = [
        "ablate",
        "--dataroot",
        data,
        "--seeds",
        1,
        2,
        "--variants",
        "cycle",
        "full",
        "--palette",
        *PALETTE,
        "--work",
        "runs",
        "--out",
        out,
    ]
    train = [*OVERRIDE, "--val_freq", "1", "--val_share", "0.3"]
    plan = do(*words, "--dry_run", *train).ok().out
    assert plan.count("train.py") == 4 and plan.count("--lambda_GAN 0") == 2 and not out.exists()
    do(*words, *train).ok()
    text = out.with_suffix(".md").read_text()
    files = [json.loads(path.read_text()) for path in sorted((out / "tiny").glob("*-*.json"))]
    assert [(f["variant"], f["seed"], f["images"], f["best"]["epoch"]) for f in files] == [
        ("cycle", 1, 2, 1),
        ("cycle", 2, 2, 1),
        ("full", 1, 2, 1),
        ("full", 2, 2, 1),
    ]
    assert files[0]["scores"]["latest"] == files[0]["scores"]["best"] and any(
        "val_patches" in line for line in files[0]["log"]
    )
    a, b = (f["scores"]["latest"]["AtoB"]["PSNR (dB)"] for f in files[:2])
    assert (
        f"{(a + b) / 2:.1f} ± {abs(a - b) / 2**0.5:.1f}" in text
        and "### A → B, best epoch by validation" in text
    )
    assert (
        "per-pixel acc." in text
        and "0.10 / 0.05 / 0.02" in text
        and "python scripts/paper.py ablate" in text
    )
    assert all(
        (out.parent / name).is_file()
        for name in ("results/tiny/cycle.png", "results/tiny/full.png")
    )
    assert "![CycleGAN](results/tiny/full.png)" in text and str(tmp_path) not in text
    count = len(called)
    (out / "tiny" / "full-2.json").unlink()
    out.with_suffix(".md").unlink()
    do(*words, *train).ok()
    assert [argv[0] for argv in called[count:]][0] == "train.py" and "--continue_train" in called[
        count
    ]
    assert sum(argv[0] == "train.py" for argv in called[count:]) == 1
    (out / "tiny" / "notes.md").write_text("A note.\n")
    do("results", "--out", out).ok()
    first = out.with_suffix(".md").read_bytes()
    do("results", "--out", out).ok()
    assert first == out.with_suffix(".md").read_bytes() and first.endswith(b"A note.\n")
    do(*words, *train, "--lr", "0.1").refused(1, "setup.json", "train", "--name")


def test_spread_and_findings() -> None:
    assert (
        results.spread([1.0]) == "1.000"
        and results.spread([10.0, 12.0]) == "11.0 ± 1.4"
        and results.spread([]) == "-"
    )
    assert results.differ([1.0, 1.1], [2.0, 2.1]) is True
    assert results.differ([1.0, 2.0], [2.0, 2.1]) is False
    assert results.differ([1.0], [2.0, 2.1]) is None

    def record(l1: float) -> dict:
        return {"scores": {"latest": {"AtoB": {"L1": l1}, "BtoA": {}}}}

    titles = {key: title for key, (title, _) in ablation.VARIANTS.items()}
    lines = results.findings(
        {"gan": [record(9), record(9.5)], "full": [record(1), record(1.5)]}, titles
    )
    assert lines == [
        "- A → B, L1: best is CycleGAN (1.000 ± 0.354)".replace("1.000", "1.250")
        + ", clearly different from GAN alone (9.2 ± 0.4)."
    ]

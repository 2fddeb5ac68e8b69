"""The paper's experiments from a small archive on a local server to the table of numbers."""

from __future__ import annotations

import io
import json
import shlex
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Programs, pictures
from flaky_server import Server
from paper_programs import OVERRIDE, pairs
from PIL import Image

from options.test_options import TestOptions
from options.train_options import TrainOptions
from scripts import evaluate, segment_scores
from scripts.paper_tools import jobs, tasks
from util.errors import UserError

pytest_plugins = ["paper_programs"]
FOLDERS = ("--checkpoints_dir", "runs", "--results_dir", "out")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A download mirror; data sets are downloaded to ``tmp_path``."""
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr("util.download.transfer.PAUSES", ())
    monkeypatch.setattr("util.download.catalogue.OFFICIAL", "127.0.0.1:1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def zipped(folder: Path, name: str) -> bytes:
    """The images in ``folder`` as a zip archive with one top folder ``name``."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*.png"):
            file.write(path, Path(name) / path.relative_to(folder))
    return archive.getvalue()


def record_of(run: Programs, task: str) -> dict:
    return json.loads((run.folder / "runs" / f"paper_{task}" / "paper.json").read_text())


def rows(text: str, task: str) -> list[list[str]]:
    """The cells of each row of the printed table that belongs to ``task``."""
    lines = [line.split("  ") for line in text.splitlines() if line.startswith(f"{task}: ")]
    return [[cell.strip() for cell in line if cell.strip()] for line in lines if len(line) > 1]


def test_run(
    do: Callable,
    called: list,
    server: Server,
    run: Programs,
    tmp_path: Path,
) -> None:
    """The download fails, then works; our numbers are printed beside the paper's."""
    words = ("run", "maps", "--mirror", server.url, "--unchecked", *FOLDERS)
    planned = do(*words, "--dry_run", *OVERRIDE).ok().out.splitlines()
    programs = ["datasets/download.py", "train.py", "test.py", "scripts/evaluate.py"]
    assert [shlex.split(line)[1] for line in planned] == programs
    assert called == [] and run.files() == set()
    failed = do(*words, *OVERRIDE)
    hosts = [line.split(": ")[0] for line in failed.err.splitlines() if line.startswith("  ")]
    assert failed.status == 1 and hosts[0] == f"  {server.url}/cyclegan/datasets/maps.zip"
    assert "\nBy hand: " in failed.err and len(hosts) > 1
    assert not (tmp_path / "datasets" / "maps").exists() and len(called) == 1

    archive = zipped(pairs(tmp_path / "maps"), "maps")
    server.files["/cyclegan/datasets/maps.zip"] = archive
    printed = do(*words, *OVERRIDE).ok().out
    assert [" ".join(["python", *argv]) for argv in called[1:]] == planned
    record = record_of(run, "maps")
    assert record["images"] == 3 and record["hours"] > 0
    assert {"--netG resnet_6blocks", "--load_size 34"} <= set(record["changed"])
    psnr = record["scores"]["AtoB"]["PSNR (dB)"]
    assert 0 < psnr < 60 and record["scores"]["BtoA"]["L1"] > 0
    judged = ["maps: map -> aerial photo", "taken for real by people (%)", "26.8 ± 2.8", "-"]
    ours = ["maps: aerial photo -> map", "PSNR (dB)", "-", f"{psnr:.3f}"]
    for text in (printed, do("table", "--checkpoints_dir", "runs").ok().out):
        assert judged in rows(text, "maps") and ours in rows(text, "maps")
        assert "FID and KID need --features" in text
        assert "changed: --crop_size 32 --load_size 34 --n_epochs 1" in text

    count = len(called)
    do(*words).ok()  # nothing is left to download or train; the images are measured again
    assert [argv[0] for argv in called[count:]] == programs[1:]
    assert "--continue_train" in called[count]
    again = record_of(run, "maps")
    assert all(record[key] == again[key] for key in ("scores", "changed"))


def test_run_of_unpaired_images(
    do: Callable,
    called: list,
    server: Server,
    run: Programs,
    tmp_path: Path,
) -> None:
    """Unpaired sets are compared as sets; a feature network is a file relative to the user."""
    for seed, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        names = [f"n0238_{i}{folder[-1]}.png" for i in range(3)]
        pictures(tmp_path / "set" / folder, names, seed)
    archive = zipped(tmp_path / "set", "horse2zebra")
    server.files["/cyclegan/datasets/horse2zebra.zip"] = archive
    network = torch.jit.trace(torch.nn.AvgPool2d(8), torch.zeros(1, 3, 224, 224))
    network.save(str(run.folder / "means.pt"))
    words = ("run", "horse2zebra", "--mirror", server.url, "--unchecked", *FOLDERS)
    words += ("--features", "means.pt")
    planned = do(*words, "--dry_run", *OVERRIDE).ok().out.splitlines()
    out = do(*words, *OVERRIDE).ok().out
    assert [" ".join(["python", *argv]) for argv in called] == planned
    assert str(run.folder / "means.pt") in planned[-1] and "--unpaired" in planned[-1]
    fid = [line for line in out.splitlines() if "FID (means.pt (imagenet))" in line]
    assert [line.split()[-2] for line in fid] == ["-", "-"]


def test_the_planned_commands_are_valid(
    do: Callable, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every program accepts its command line, for every task."""
    parsers = {
        "train.py": lambda words: TrainOptions().parse(words, record=False),
        "test.py": lambda words: TestOptions().parse(words, record=False),
        "scripts/evaluate.py": evaluate.parse,
        "scripts/segment_scores.py": lambda _: segment_scores.parse(),
    }
    networks = ("--features", "inception", "--network", "fcn.pt")
    for name in tasks.all_tasks():
        out = do("run", name, "--dataroot", unaligned, "--dry_run", *networks).ok().out
        plan = [shlex.split(line)[1:] for line in out.splitlines()]
        expected = ["train.py", "test.py", "scripts/evaluate.py"]
        expected += ["scripts/segment_scores.py"] * 2 if name in ("cityscapes", "atlas") else []
        assert [words[0] for words in plan] == expected
        for words in plan:
            monkeypatch.setattr(sys, "argv", words)
            parsers[words[0]](words[1:])


def road_and_sky(data: Path) -> None:
    """Turn the images of domain B into label maps of two classes, with ids at twice the size."""
    (data / "testB_ids").mkdir()
    for path in data.glob("*B/*"):
        light = np.asarray(Image.open(path).convert("L")) > 128
        colours = np.where(light[..., None], (70, 130, 180), (128, 64, 128)).astype(np.uint8)
        Image.fromarray(colours).save(path)
        if path.parent.name == "testB":  # as datasets/prepare_cityscapes_dataset.py writes them
            ids = Image.fromarray(np.where(light, 23, 7).astype(np.uint8))
            file = data / "testB_ids" / f"{path.stem[:-2]}_gtFine_labelIds.png"
            ids.resize((80, 80), Image.Resampling.NEAREST).save(file)


def test_cityscapes(do: Callable, called: list, tmp_path: Path) -> None:
    """Both directions get segmentation scores, here with a random network."""
    data = pairs(tmp_path / "cityscapes")
    pictures(data / "test", ["0.png", "1.png"])  # the preparation tool writes these, too
    road_and_sky(data)
    network = torch.nn.Conv2d(3, 19, 1).eval()
    torch.jit.trace(network, torch.zeros(1, 3, 40, 40)).save(str(tmp_path / "fcn.pt"))
    words = ("run", "cityscapes", "--dataroot", data, *FOLDERS)
    out = do(*words, "--network", tmp_path / "fcn.pt", *OVERRIDE).ok().out
    numbers = {(row[0].split(": ")[1], row[1]): row[2:] for row in rows(out, "cityscapes")}
    assert numbers["labels -> photo", "class IOU"][0] == "0.11"
    assert numbers["photo -> labels", "per-pixel acc."][0] == "0.58"
    for side in ("labels -> photo", "photo -> labels"):
        for metric in ("per-pixel acc.", "per-class acc.", "class IOU"):
            assert 0 <= float(numbers[side, metric][1]) <= 1
    real = called[-1][called[-1].index("--real") + 1]
    assert real == f"{data / 'testB_ids'}:gtFine_labelIds"
    at = called[0].index("--load_size")  # the option that overrides it comes later
    assert called[0][at : at + 2] == ["--load_size", "143"]


def test_tasks_can_be_trained(unaligned: Path) -> None:
    """All options in the table exist, and have the values of the paper."""
    identity, epochs = {}, {}
    for name, task in tasks.all_tasks().items():
        words = ["--dataroot", str(unaligned), "--gpu_ids", "-1", *shlex.split(task["model"])]
        opt = TrainOptions().parse([*words, *shlex.split(task["train"])], record=False)
        TestOptions().parse([*words, *shlex.split(task["test"])], record=False)
        assert (opt.lr, opt.batch_size, opt.pool_size) == (0.0002, 1, 50)
        assert opt.lambda_A == opt.lambda_B == 10
        identity[name], epochs[name] = opt.lambda_identity, opt.n_epochs + opt.n_epochs_decay
        if name == "cityscapes":
            assert (opt.netG, opt.load_size, opt.crop_size) == ("resnet_6blocks", 143, 128)
    assert {name for name, weight in identity.items() if weight} == {"monet2photo", "iphone2dslr"}
    assert {name: count for name, count in epochs.items() if count != 200} == {"edges2shoes": 5}
    assert len(identity) == 15


def test_show_and_refusals(do: Callable, tmp_path: Path) -> None:
    out = do("show", "edges2shoes").ok().out
    assert "--n_epochs 5 --n_epochs_decay 0" in out and "5 epochs" in out
    assert "download.py edges2shoes --kind pix2pix" in out
    assert "images:fake_B" in out  # both images of an aligned pair have one name
    assert "horse2zebra" in do("list").ok().out
    do("run", "horse").refused(2, "did you mean horse2zebra?")
    do("table", "--", "--lr", "1").refused(2, "table")
    do("results", "--out", tmp_path / "none").refused(1, "ablate")
    with pytest.raises(UserError, match="download.py ended with status 2"):
        jobs.execute(["datasets/download.py", "nonsense"])

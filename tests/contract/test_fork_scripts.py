"""Own train and test scripts, an inference class and a service, written for the official code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from projects import ARCHITECTURE, OFTEN, Project, Server, changed, own_process, rates

from models import networks

pytest_plugins = ["projects"]

LOSSES = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
NETS = {"G_A", "G_B", "D_A", "D_B"}
LABELS = {"real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"}
UPLOADS = ("testA/a0.png", "testB/b1.png")


@pytest.fixture(scope="module", params=["2022", "2025"])
def trained(
    request: pytest.FixtureRequest,
    server: Server,
    sources: Path,
    sets: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project with own train.py and test.py, after 1 + 2 epochs; ``printed`` is its output."""
    folder = tmp_path_factory.mktemp(request.param)
    forks = [f"official_{request.param}", "inference", "service"]
    project = Project(folder, forks, server.run, sources)
    project.generation = request.param
    project.words = ("--dataroot", sets / "images", "--name", "x", *ARCHITECTURE)
    schedule = ("--n_epochs", 1, "--n_epochs_decay", 2)
    project.printed = project("train.py", *project.words, *OFTEN, *schedule)
    return project


def network(project: Project, name: str = "G_A") -> torch.nn.Module:
    net = networks.define_G(3, 3, 2, "resnet_6blocks", "instance")
    file = project.runs / "x" / f"latest_net_{name}.pth"
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.eval()


def translated(net: torch.nn.Module, path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The bytes that ``net`` makes of an image file, resized to ``size`` before if it is given."""
    with Image.open(path) as image:
        image = image.resize(size, Image.Resampling.BICUBIC) if size else image
        scaled = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        result = (net(scaled)[0].permute(1, 2, 0) + 1) * 127.5
    return result.round().numpy().astype(np.int16)


def test_training(trained: Project) -> None:
    """Rates of the whole schedule, a log line and images for each step, weights of each epoch."""
    whole, decay = 0.0002, pytest.approx
    assert rates(trained.printed) == {
        epoch: [decay(whole * factor, rel=1e-3)] * 2
        for epoch, factor in ((1, 1), (2, 2 / 3), (3, 1 / 3))
    }
    assert trained.log("x") == [(epoch, iters) for epoch in (1, 2, 3) for iters in (1, 2)]
    assert trained.losses("x") == LOSSES
    if trained.generation == "2025":  # plots the losses without a visdom server, too
        lines = (trained.runs / "x" / "metrics.jsonl").read_text().splitlines()
        assert [entry["total"] for entry in map(json.loads, lines[1:])] == [1, 2, 3, 4, 5, 6]
    labels = LABELS | {"idt_A", "idt_B"}
    assert trained.shown("x") == {
        f"epoch{e:03d}_{label}.png" for e in (1, 2, 3) for label in labels
    }
    first, second, third = (trained.weights("x", epoch) for epoch in (1, 2, 3))
    assert changed(first, second) == changed(second, third) == NETS
    assert changed(third, trained.weights("x")) == set()
    assert (trained.runs / "x" / "train_opt.txt").read_text().count("netG: resnet_6blocks") == 1


def test_results(trained: Project, sets: Path) -> None:
    whole = ("--load_size", 32)  # no random crop
    trained("test.py", *trained.words, *whole, "--model", "cycle_gan", "--num_test", 1)
    assert trained.pictures("x") == {f"a0_{label}.png" for label in LABELS}
    with Image.open(trained.results / "x" / "test_latest" / "images" / "a0_fake_B.png") as image:
        pixels = np.array(image).astype(np.int16)
    expected = translated(network(trained), sets / "images" / "testA" / "a0.png", (32, 32))
    assert np.abs(pixels - expected).max() <= 1


def test_resume(trained: Project) -> None:
    """The official way: weights are loaded, and the epochs are counted from --epoch_count."""
    before = trained.weights("x")
    schedule = ("--n_epochs", 3, "--n_epochs_decay", 1, "--epoch_count", 4)
    out = trained("train.py", *trained.words, *OFTEN, *schedule, "--continue_train", "--lr", 0.1)
    assert rates(out) == {4: [0.05, 0.05]}
    assert trained.log("x")[-2:] == [(4, 1), (4, 2)]
    assert changed(before, trained.weights("x")) == NETS
    assert changed(trained.weights("x", 4), trained.weights("x")) == set()


def test_inference(trained: Project, sets: Path) -> None:
    """Images of any size, again and again; the network alone gives the same."""
    paths = [sets / "images" / name for name in UPLOADS]
    with Image.open(paths[1]) as image:
        paths.append(trained.folder / "wide.png")
        image.resize((56, 36)).save(paths[-1])
    output = trained.folder / "results.npz"
    trained("translator.py", trained.runs, "x", output, trained.generation, *paths)
    with np.load(output) as results:
        assert len(results) == 9
        for n, path in enumerate(paths):
            first = results[f"first{n}"]
            expected = translated(network(trained), path)
            assert first.dtype == np.uint8 and first.shape == expected.shape
            assert np.abs(first - expected).max() <= 1
            assert np.array_equal(first, results[f"again{n}"])
            assert np.array_equal(first, results[f"alone{n}"])


def test_service(trained: Project, sets: Path) -> None:
    """Files in and out as bytes, from four threads, under the server's own command line."""
    paths = [sets / "images" / name for name in UPLOADS]
    if trained.generation == "2025":
        pytest.skip("--gpu_ids of the service is an option of 2022")
    trained("serve.py", "--port=8000", trained.folder, *paths)
    for n in range(6):
        expected = translated(network(trained), paths[n % 2], (32, 32))
        for handler in ("translate", "translate_unlocked"):
            with Image.open(trained.folder / f"{handler}_{n}.png") as image:
                assert np.abs(np.array(image) - expected).max() <= 1


@pytest.mark.slow
def test_fresh_processes(trained: Project) -> None:
    """The scripts as a user starts them: the first epoch gives the same bits again."""
    trained.run, forks = own_process, trained.run
    try:
        words = [word if word != "x" else "fresh" for word in trained.words]
        schedule = ("--n_epochs", 1, "--n_epochs_decay", 0)
        assert list(rates(trained("train.py", *words, *OFTEN, *schedule))) == [1]
        assert changed(trained.weights("x", 1), trained.weights("fresh", 1)) == set()
        trained("test.py", *words, "--model", "cycle_gan", "--num_test", 2)
    finally:
        trained.run = forks
    assert trained.shown("fresh") == {n for n in trained.shown("x") if n.startswith("epoch001")}
    assert trained.pictures("fresh") == {f"a{n}_{label}.png" for n in (0, 1) for label in LABELS}

"""Images of any number of channels are shown by a stated mapping; one line says so once."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs, pictures
from displays import fake, server
from PIL import Image

from models.networks import define_G
from util import images

SIX_CHANNELS = """
import torch
from data.base_dataset import BaseDataset

class SixDataset(BaseDataset):
    def __getitem__(self, index):
        A = torch.linspace(-1, 1, 6).view(6, 1, 1).expand(6, 32, 32).clone()
        return {"A": A, "B": -A, "A_paths": f"a{index}.npy", "B_paths": f"b{index}.npy"}

    def __len__(self):
        return 2
"""
ODD = """
from models.pix2pix_model import Pix2PixModel

class OddModel(Pix2PixModel):
    def __init__(self, opt):
        super().__init__(opt)
        self.visual_names += ["flow", "volume", "vector", "nothing"]
        self.nothing = None

    def forward(self):
        super().forward()
        self.flow = self.fake_B[:, :2].detach()
        self.volume = self.fake_B.detach().unsqueeze(2)
        self.vector = self.fake_B.detach().mean((2, 3))
"""


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines about images, each once for this test."""
    lines: dict[str, None] = {}
    monkeypatch.setattr(images, "_say_once", lambda line: lines.setdefault(line), raising=False)
    return lines  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("shape", "expected", "words"),
    [
        ((2, 1, 4, 5), (4, 5, 3), ""),
        ((2, 2, 4, 5), (4, 5, 2), ""),
        ((2, 3, 4, 5), (4, 5, 3), ""),
        ((2, 4, 4, 5), (4, 5, 4), ""),
        (
            (2, 6, 4, 5),
            (4, 5, 3),
            "x has 6 channels: bands 1, 2 and 3 as red, green and blue (--show_bands)",
        ),
        ((2, 13, 1, 1), (1, 1, 3), "13 channels"),
        ((2, 4, 5), (4, 5, 3), ""),
        ((2, 3, 7, 4, 5), (4, 5, 3), "x is 3 x 7 x 4 x 5 for each image: the first 2-D part"),
        ((2, 9), None, "x cannot be shown as an image: it is 9 of torch.float32"),
        ((2,), None, "a single number"),
        ((2, 3, 0, 5), None, "3 x 0 x 5"),
        ((1, 3, 4, 5), None, "out of bounds"),
    ],
)
def test_tensors(shape: tuple, expected: tuple | None, words: str, said: dict) -> None:
    batch = torch.linspace(-1, 1, int(np.prod(shape))).view(shape)
    shown = images.show_images({"x": batch, "y": torch.ones(2, 3, 2, 2)}, 1)
    assert (shown["y"] == 255).all()
    assert (shown["x"].shape if "x" in shown else None) == expected
    assert words in "".join(said) and bool(words) == bool(said)
    if expected:
        Image.fromarray(shown["x"])
    if shape == (2, 6, 4, 5):
        assert np.array_equal(shown["x"], images.tensor2im(batch[:, :3], 1))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, None),
        ("text", None),
        (torch.zeros(2, 3, 4, 5, dtype=torch.complex64), None),
        (np.zeros((4, 5)), (4, 5, 3)),
        (np.zeros((4, 5, 1)), (4, 5, 3)),
        (np.zeros((4, 5, 8)), (4, 5, 3)),
        (np.zeros(4), None),
        (Image.new("L", (5, 4)), (4, 5, 3)),
        (torch.full((2, 3, 4, 5), torch.nan), (4, 5, 3)),
    ],
)
def test_other_values(value: object, shape: tuple | None, said: dict) -> None:
    shown = images.show_images({"x": value})
    assert {"x": shape} == {"x": shown["x"].shape if "x" in shown else None}
    assert len(said) == (shape is None or np.size(value) == 160 or torch.is_tensor(value))


def test_a_run_of_six_channels(run: Programs, monkeypatch: pytest.MonkeyPatch, said: dict) -> None:
    """Training page, panel, visdom, TensorBoard, W&B and results show what can be shown."""
    (run.folder / "six.py").write_text(SIX_CHANNELS)
    (run.folder / "odd.py").write_text(ODD)
    (run.folder / "data").mkdir()
    files = ("--model", "odd.py", "--dataset_mode", "six.py", "--dataroot", "data")
    flags = ("--input_nc", "6", "--output_nc", "6", "--display_freq", "1", "--name", "x")
    wandb, writer = fake(monkeypatch)
    monkeypatch.setattr("util.sinks.visdom_sink.TIMEOUT", 60)
    with server() as visdom:
        installed = all(map(importlib.util.find_spec, ("visdom", "requests")))
        shown = ("--use_wandb", "--use_tensorboard", "--display_id", str(int(installed)))
        options = (*files, *TINY, *ONE_EPOCH, *flags, *shown, "--display_port", visdom.server_port)
        result = run.train(*options).ok()
        drawn = [got for got in visdom.got if "image" in str(got)[:2000]]
    assert "failed" not in result.err and "no panel" not in result.err
    for label in ("real_A", "fake_B", "real_B", "volume"):
        assert sum(line.startswith(f"{label} has 6 channels") for line in said) == 1
    labels = {"real_A", "fake_B", "real_B", "flow", "volume"}
    logged = [key for call in wandb.named("log") for key in call[1]]
    assert labels <= set(logged) and "vector" not in logged
    assert {call[1].get("flow") for call in wandb.named("log")} == {None, (32, 32, 4)}
    assert {call[1] for call in writer.named("add_image")} == labels
    assert bool(drawn) == installed
    saved = run.runs / "x" / "web" / "images"
    shown_by_page = {path.stem.partition("_")[2] for path in saved.iterdir()}  # without the epoch
    assert shown_by_page >= labels | {f"panel0_{label}" for label in labels}
    tested = run.test(*files, "--name", "x", *CPU).ok().out
    note = "fake_B has 6 channels: bands 1, 2 and 3 as red, green and blue (--show_bands)"
    assert tested.count(note) == 1
    assert note in (run.results / "x" / "test_latest" / "index.html").read_text()
    results = run.results / "x" / "test_latest" / "images"
    of_a = labels - {"real_B"}  # named after the dataset's file of B
    names = {f"a{i}_{label}.png" for i, label in itertools.product(range(2), of_a)}
    names |= {"b0_real_B.png", "b1_real_B.png"}
    assert {path.name for path in results.iterdir()} == names
    first = np.asarray(Image.open(results / "a0_real_A.png"))[0, 0]
    assert list(first) == [0, 51, 102]  # of six levels from 0 to 255


def test_weights_with_13_output_channels(run: Programs) -> None:
    net = define_G(3, 13, 4, "resnet_6blocks", "instance")
    (run.runs / "x").mkdir(parents=True)
    torch.save(net.state_dict(), run.runs / "x" / "latest_net_G.pth")
    pictures(run.folder / "photos", ["a.png", "b.png"])
    tested = run.test("--dataroot", "photos", "--name", "x", "--model", "test", *CPU).ok().out
    assert tested.count("fake has 13 channels: bands 1, 2 and 3") == 1
    assert len(list((run.results / "x" / "test_latest" / "images").iterdir())) == 4


@pytest.mark.parametrize("name", ["visual_names", "image_paths"])
def test_a_model_that_gives_nothing_to_save(run: Programs, aligned: Path, name: str) -> None:
    code = ODD.replace(
        "        super().forward()\n", f"        super().forward()\n        self.{name} = []\n"
    )
    (run.folder / "odd.py").write_text(code)
    torch.save(define_G(3, 3, 2, "unet_128").state_dict(), run.folder / "latest_net_G.pth")
    run.test(
        *("--dataroot", aligned, "--model", "odd.py", "--netG", "unet_128", "--ngf", "2", *CPU),
        *("--checkpoints_dir", run.folder.parent, "--name", run.folder.name),
    ).refused(1, name, "nothing is saved")

"""The segmentation scores by hand, and ``scripts/segment_scores.py`` in both directions with a network that is always right."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Programs
from PIL import Image

from scripts import segment_scores
from scripts.evaluation import train_segmenter
from scripts.evaluation.classes import CITYSCAPES, IGNORED
from scripts.segment_scores import confusion, scores

PALETTE = train_segmenter.ATLAS
FLAGS = ("--palette", *(",".join(map(str, colour)) for colour in PALETTE))
ATLAS = ROOT / "datasets/atlas"
# A toy set of 3 classes; 3 is a class that the network has and the set has not.
TOY = [([0, 0, 0, 1], [0, 0, 1, 1]), ([1, IGNORED, 0, 0], [1, 0, 3, 0])]
DROPPED = ([2, 2], [3, 2])


def toy(pairs: list[tuple[list[int], list[int]]], quirks: bool) -> dict[str, float]:
    return scores(sum(confusion(np.array([t]), np.array([p]), 3, quirks) for t, p in pairs), quirks)  # type: ignore[arg-type]


def test_the_toy_set_by_hand() -> None:
    """Class 0: 5 pixels, 3 right, 1 as 1, 1 as 3. Class 1: 2 pixels, both right. Class 2 does not occur."""
    assert toy(TOY, False) == pytest.approx(
        {"pixel": 5 / 7, "class": (3 / 5 + 2 / 2) / 2, "iou": (3 / 5 + 2 / 3) / 2}
    )
    # With class 2: 2 pixels, 1 right and 1 as 3, which is wrong and of no class.
    assert toy([*TOY, DROPPED], False) == pytest.approx(
        {"pixel": 6 / 9, "class": (3 / 5 + 2 / 2 + 1 / 2) / 3, "iou": (3 / 5 + 2 / 3 + 1 / 2) / 3}
    )


def test_the_toy_set_by_hand_with_the_official_quirks() -> None:
    """The pixel of class 0 called 3 counts as one of class 1 called 0; class 2 does not occur and counts as 0."""
    expected = {"pixel": 5 / 7, "class": (3 / 4 + 2 / 3 + 0) / 3, "iou": (3 / 5 + 2 / 4 + 0) / 3}
    assert toy(TOY, True) == pytest.approx(expected)
    assert toy([*TOY, DROPPED], True) == pytest.approx(
        expected
    )  # the last class called 3: the image counts for nothing
    assert confusion(np.array([1]), np.array([3]), 3, True)[2, 0] == 1


def write(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(PALETTE, np.uint8)[labels]).save(path)


class Right(torch.nn.Module):
    """The nearest palette colour of the middle of 0..255 images, as a network: minus the squared distance, up to a constant."""

    def __init__(self) -> None:
        super().__init__()
        colours = torch.tensor(PALETTE, dtype=torch.float)
        self.weights, self.bias = (2 * colours)[..., None, None], -(colours**2).sum(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, self.weights, self.bias)


def test_both_directions(run: Programs) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        truth = rng.integers(0, 3, (8, 12))
        wrong = truth.copy()
        wrong[:2] = (truth[:2] + 1) % 3  # a quarter
        write(run.folder / f"real/{i}.png", truth)
        write(run.folder / f"fake/{i}_fake_B.png", wrong)
        write(run.folder / f"large/{i}.png", wrong.repeat(2, 0).repeat(2, 1))
    for source in ("fake:fake_B", "large"):
        told = run.call(
            segment_scores.main,
            "x",
            *FLAGS,
            "--fake",
            source,
            "--real",
            "real",
            "--json",
            "out.json",
        ).ok()
        rows = json.loads((run.folder / "out.json").read_text())["rows"]
        assert rows["result"]["pixel"] == pytest.approx(0.75) and rows["result"]["n"] == 3
        assert rows["ground truth"] == {"n": 3, "pixel": 1, "class": 1, "iou": 1}
        assert "per-class acc." in told.out
    torch.jit.trace(Right(), torch.zeros(1, 3, 4, 4)).save(str(run.folder / "right.pt"))
    run.call(
        segment_scores.main,
        "x",
        *FLAGS,
        "--fake",
        "fake:fake_B",
        "--real",
        "real",
        "--network",
        "right.pt",
        "--network_range",
        "0..255",
        "--photos",
        "real",
        "--json",
        "out.json",
        "--official_quirks",
    ).ok()
    rows = json.loads((run.folder / "out.json").read_text())["rows"]
    assert rows["result"]["pixel"] == pytest.approx(0.75) and rows["real photos"][
        "iou"
    ] == pytest.approx(1)
    run.call(segment_scores.main, "x", *FLAGS, "--fake", "fake", "--real", "real").refused(
        1, "--fake DIR:fake_B"
    )
    torch.jit.trace(torch.nn.Flatten(), torch.zeros(1, 3, 4, 4)).save(str(run.folder / "flat.pt"))
    run.call(
        segment_scores.main, "x", *FLAGS, "--fake", "real", "--real", "real", "--network", "flat.pt"
    ).refused(1, "--network flat.pt: its output should be (N, classes, H, W)")


def test_an_onnx_network(run: Programs) -> None:
    """Only where both packages are installed: the same scores as of the same network as TorchScript, any height and width."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    right = Right()
    values = [
        onnx.numpy_helper.from_array(value.numpy(), name)
        for value, name in ((right.weights, "w"), (right.bias, "b"))
    ]
    shapes = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, "h", "w"])
        for name in "xy"
    ]
    node = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"])
    graph = onnx.helper.make_graph([node], "right", shapes[:1], shapes[1:], values)
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
        ),
        run.folder / "right.onnx",
    )
    torch.jit.trace(right, torch.zeros(1, 3, 4, 4)).save(str(run.folder / "right.pt"))
    rng, rows = np.random.default_rng(0), []
    for i in range(2):
        write(run.folder / f"real/{i}.png", rng.integers(0, 3, (8, 12 + i)))
        write(run.folder / f"fake/{i}.png", rng.integers(0, 3, (8, 12 + i)))
    for file in ("right.onnx", "right.pt"):
        run.call(
            segment_scores.main,
            "x",
            *FLAGS,
            "--fake",
            "fake",
            "--real",
            "real",
            "--photos",
            "real",
            "--network",
            file,
            "--network_range",
            "0..255",
            "--json",
            "out.json",
        ).ok()
        rows.append(json.loads((run.folder / "out.json").read_text())["rows"])
    assert (
        rows[0] == rows[1]
        and rows[0]["real photos"]["iou"] == 1
        and 0 < rows[0]["result"]["pixel"] < 1
    )


def test_cityscapes_colours_and_ids(run: Programs) -> None:
    """Car, road and unlabelled, in colours and as ids; what is unlabelled does not count."""
    car, road = CITYSCAPES.palette[13], CITYSCAPES.palette[0]
    colours = np.array([[car, road, (0, 0, 0)]], np.uint8)
    for folder in ("real", "fake", "ids"):
        (run.folder / folder).mkdir()
    Image.fromarray(colours).save(run.folder / "real/a.png")
    Image.fromarray(np.array([[26, 7, 0]], np.uint8)).save(run.folder / "ids/a_gtFine_labelIds.png")
    Image.fromarray(np.array([[car, car, road]], np.uint8)).save(run.folder / "fake/a.png")
    for real in ("real", "ids:gtFine_labelIds"):
        run.call(
            segment_scores.main,
            "x",
            "--classes",
            "cityscapes",
            "--fake",
            "fake",
            "--real",
            real,
            "--json",
            "o.json",
        ).ok()
        rows = json.loads((run.folder / "o.json").read_text())["rows"]
        assert rows["result"] == {
            "n": 1,
            "pixel": 0.5,
            "class": 0.5,
            "iou": 0.25,
        }  # car 1 of 2, road 0 of 1
        assert rows["ground truth"]["iou"] == 1
    assert len(CITYSCAPES.palette) == len(CITYSCAPES.ids) == 19


def test_the_atlas_by_itself(run: Programs) -> None:
    """The rule that drew the maps draws them again, and a network trained on some of its labels for a moment learns it."""
    right = []
    for path in sorted((ATLAS / "testA").iterdir())[::6]:
        truth = segment_scores.palette_labels(
            np.asarray(Image.open(ATLAS / f"testB/{path.stem}.png").convert("RGB")), PALETTE
        )
        right.append(
            np.mean(train_segmenter.atlas_labels(Image.open(path).convert("RGB")) == truth)
        )
    assert np.mean(right) > 0.99
    (run.folder / "photos").mkdir()
    for path in sorted((ATLAS / "trainA").iterdir())[::68]:
        (run.folder / "photos" / path.name).write_bytes(path.read_bytes())
    trained = (
        "--photos",
        "photos",
        "--labels",
        "atlas",
        "--out",
        "s.pt",
        "--width",
        "8",
        "--epochs",
        "25",
    )
    run.call(train_segmenter.main, "train_segmenter.py", *trained).ok()
    for path in sorted((ATLAS / "testA").iterdir())[::12]:
        (run.folder / "photos" / path.name).write_bytes(path.read_bytes())
    rows = segment_scores.evaluate(
        Namespace(
            classes=None,
            palette=PALETTE,
            fake=str(run.folder / "photos"),
            real=str(ATLAS / "testB"),
            network=str(run.folder / "s.pt"),
            network_range="-1..1",
            photos=None,
            official_quirks=False,
        )
    )
    assert rows["result"]["n"] == 10 and rows["result"]["pixel"] > 0.75

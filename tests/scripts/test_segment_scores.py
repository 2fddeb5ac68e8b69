"""Segmentation scores computed by hand, and scripts/segment_scores.py in both directions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Programs, Result
from PIL import Image

from scripts import segment_scores
from scripts.evaluation import train_segmenter
from scripts.evaluation.classes import CITYSCAPES, IGNORED
from scripts.segment_scores import confusion, scores

PALETTE = train_segmenter.ATLAS
FLAGS = ("--palette", *(",".join(map(str, colour)) for colour in PALETTE))
ATLAS = ROOT / "datasets/atlas"
# (truth, prediction) of two images with 3 classes; only the network has class 3.
TOY = [([0, 0, 0, 1], [0, 0, 1, 1]), ([1, IGNORED, 0, 0], [1, 0, 3, 0])]
DROPPED = ([2, 2], [3, 2])


def toy(pairs: list[tuple[list[int], list[int]]], quirks: bool) -> dict[str, float]:
    matrices = [confusion(np.array([t]), np.array([p]), 3, quirks) for t, p in pairs]
    return scores(np.sum(matrices, 0), quirks)


def test_the_toy_set_by_hand() -> None:
    """Class 0: 5 pixels, 3 right, 1 as 1, 1 as 3. Class 1: 2 pixels, both right. Class 2: none."""
    assert toy(TOY, False) == pytest.approx(
        {"pixel": 5 / 7, "class": (3 / 5 + 2 / 2) / 2, "iou": (3 / 5 + 2 / 3) / 2}
    )
    # Class 2 then has 2 pixels, 1 right and 1 labelled 3, which is wrong and no class.
    assert toy([*TOY, DROPPED], False) == pytest.approx(
        {"pixel": 6 / 9, "class": (3 / 5 + 2 / 2 + 1 / 2) / 3, "iou": (3 / 5 + 2 / 3 + 1 / 2) / 3}
    )


def test_the_toy_set_by_hand_with_the_official_quirks() -> None:
    """A pixel of class 0 labelled 3 counts as class 1 labelled 0; absent class 2 counts as 0."""
    expected = {"pixel": 5 / 7, "class": (3 / 4 + 2 / 3 + 0) / 3, "iou": (3 / 5 + 2 / 4 + 0) / 3}
    assert toy(TOY, True) == pytest.approx(expected)
    # In the added image, a pixel of the last class is labelled 3: the image is left out.
    assert toy([*TOY, DROPPED], True) == pytest.approx(expected)
    assert confusion(np.array([1]), np.array([3]), 3, True)[2, 0] == 1


def write(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(PALETTE, np.uint8)[labels]).save(path)


class Right(torch.nn.Module):
    """Labels by the nearest palette colour: scores are minus the squared distance + const."""

    def __init__(self) -> None:
        super().__init__()
        colours = torch.tensor(PALETTE, dtype=torch.float)
        self.weights, self.bias = (2 * colours)[..., None, None], -(colours**2).sum(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, self.weights, self.bias)


def segment(run: Programs, fake: str, real: str, *options: str) -> Result:
    sources = ("--fake", fake, "--real", real, "--json", "out.json")
    return run.call(segment_scores.main, "segment_scores.py", *sources, *options)


def rows_of(run: Programs) -> dict[str, dict[str, float]]:
    return json.loads((run.folder / "out.json").read_text())["rows"]


@pytest.fixture
def maps(run: Programs) -> Programs:
    """Label maps: real, fake with a quarter of the pixels wrong, and the same at twice the size."""
    rng = np.random.default_rng(0)
    for i in range(3):
        truth = rng.integers(0, 3, (8, 12))
        wrong = truth.copy()
        wrong[:2] = (truth[:2] + 1) % 3
        write(run.folder / f"real/{i}.png", truth)
        write(run.folder / f"fake/{i}_fake_B.png", wrong)
        write(run.folder / f"large/{i}.png", wrong.repeat(2, 0).repeat(2, 1))
    return run


def save_network(network: torch.nn.Module, file: Path) -> None:
    torch.jit.trace(network, torch.zeros(1, 3, 4, 4)).save(str(file))


def test_photo_to_labels(maps: Programs) -> None:
    for source in ("fake:fake_B", "large"):
        result = segment(maps, source, "real", *FLAGS).ok()
        rows = rows_of(maps)
        assert rows["result"]["pixel"] == pytest.approx(0.75) and rows["result"]["n"] == 3
        assert rows["ground truth"] == {"n": 3, "pixel": 1, "class": 1, "iou": 1}
        assert "per-class acc." in result.out
    segment(maps, "fake", "real", *FLAGS).refused(1, "--fake DIR:fake_B")


def test_labels_to_photo(maps: Programs) -> None:
    save_network(Right(), maps.folder / "right.pt")
    network = ("--network", "right.pt", "--network_range", "0..255", "--photos", "real")
    segment(maps, "fake:fake_B", "real", *FLAGS, *network, "--official_quirks").ok()
    rows = rows_of(maps)
    assert rows["result"]["pixel"] == pytest.approx(0.75)
    assert rows["real photos"]["iou"] == pytest.approx(1)
    save_network(torch.nn.Flatten(), maps.folder / "flat.pt")
    result = segment(maps, "real", "real", *FLAGS, "--network", "flat.pt")
    result.refused(1, "--network flat.pt returns", "not (N, classes, H, W)")


def test_an_onnx_network(run: Programs) -> None:
    """ONNX and TorchScript give equal scores, at any size. Runs only with both packages."""
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
        network = ("--network", file, "--network_range", "0..255", "--photos", "real")
        segment(run, "fake", "real", *FLAGS, *network).ok()
        rows.append(rows_of(run))
    assert rows[0] == rows[1] and rows[0]["real photos"]["iou"] == 1
    assert 0 < rows[0]["result"]["pixel"] < 1


def test_cityscapes_colours_and_ids(run: Programs) -> None:
    """Car, road and unlabelled, in colours and as ids; unlabelled pixels are left out."""
    car, road = CITYSCAPES.palette[13], CITYSCAPES.palette[0]
    colours = np.array([[car, road, (0, 0, 0)]], np.uint8)
    for folder in ("real", "fake", "ids"):
        (run.folder / folder).mkdir()
    Image.fromarray(colours).save(run.folder / "real/a.png")
    Image.fromarray(np.array([[26, 7, 0]], np.uint8)).save(run.folder / "ids/a_gtFine_labelIds.png")
    Image.fromarray(np.array([[car, car, road]], np.uint8)).save(run.folder / "fake/a.png")
    for real in ("real", "ids:gtFine_labelIds"):
        segment(run, "fake", real, "--classes", "cityscapes").ok()
        rows = rows_of(run)
        # Of the car 1 of 2 pixels is right, of the road 0 of 1.
        assert rows["result"] == {"n": 1, "pixel": 0.5, "class": 0.5, "iou": 0.25}
        assert rows["ground truth"]["iou"] == 1
    assert len(CITYSCAPES.palette) == len(CITYSCAPES.ids) == 19


def test_the_rule_of_the_atlas() -> None:
    """The rule that drew the maps of the bundled dataset draws them again."""
    right = []
    for path in sorted((ATLAS / "testA").iterdir())[::6]:
        colours = Image.open(ATLAS / f"testB/{path.stem}.png").convert("RGB")
        truth = segment_scores.palette_labels(np.asarray(colours), PALETTE)
        labels = train_segmenter.atlas_labels(Image.open(path).convert("RGB"))
        right.append(np.mean(labels == truth))
    assert np.mean(right) > 0.99


def test_photos_without_label_maps(run: Programs) -> None:
    """The message does not name options of other programs."""
    for folder, name in (("photos", "1"), ("labels", "1_real_B")):
        (run.folder / folder).mkdir()
        Image.new("RGB", (8, 8)).save(run.folder / folder / f"{name}.png")
    flags = ("--photos", "photos", "--labels", "labels", "--out", "s.pt")
    result = run.call(train_segmenter.main, "train_segmenter.py", *flags)
    result.refused(1, "no image of photos has a partner in labels")
    assert "--fake" not in result.err
    segment(run, "photos", "labels", *FLAGS).refused(1, "--fake DIR:fake_B")


def test_a_segmenter_with_another_palette_is_refused(run: Programs) -> None:
    """--labels atlas has three classes; fewer colours would fail in the first step."""
    sources = ("--photos", ATLAS / "testA", "--labels", "atlas", "--out", "s.pt")
    for colours in (["1,1,1"], ["1,1,1", "2,2,2", "3,3,3", "4,4,4"]):
        done = run.call(train_segmenter.main, "train_segmenter.py", *sources, "--palette", *colours)
        done.refused(2, "--palette", "3 classes")


def test_a_segmenter_of_the_atlas(run: Programs) -> None:
    """A network that is trained briefly on a few photos labels test photos mostly right."""

    def copy(folder: str, step: int) -> None:
        (run.folder / folder).mkdir()
        for path in sorted((ATLAS / folder).iterdir())[::step]:
            (run.folder / folder / path.name).write_bytes(path.read_bytes())

    copy("trainA", 68)
    copy("testA", 12)
    sources = ("--photos", "trainA", "--labels", "atlas", "--out", "s.pt")
    options = ("--width", "8", "--epochs", "25")
    run.call(train_segmenter.main, "train_segmenter.py", *sources, *options).ok()
    segment(run, "testA", str(ATLAS / "testB"), *FLAGS, "--network", "s.pt").ok()
    result = rows_of(run)["result"]
    assert result["n"] == 10 and result["pixel"] > 0.75

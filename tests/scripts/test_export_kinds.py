"""scripts/export.py with ONNX and safetensors: every generator, norm and kind of values."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Programs
from PIL import Image
from test_export import IMAGE, UNTOUCHED, exported, make_run

from models import load_generator
from models.translation.exported import exported_network
from scripts import export
from scripts.exporting.checking import open_file
from scripts.exporting.formats import write_onnx
from scripts.exporting.graph import ExplicitNorm
from scripts.maintenance import check_exports
from util import values
from util.errors import UserError
from util.norms import InstanceNorm
from util.values import Values

pytestmark = pytest.mark.slow
ALL = (
    ("resnet_6blocks", "instance", "transpose"),
    ("resnet_6blocks", "none", "resize"),
    ("resnet_9blocks", "batch", "resize"),
    ("resnet_9blocks", "sync_batch", "transpose"),
    ("unet_128", "instance", "resize"),
    ("unet_128", "none", "transpose"),
    ("unet_256", "batch", "transpose"),
    ("unet_256", "instance", "resize"),
)


@pytest.fixture
def run(tmp_path: Path) -> Programs:
    for package in ("onnx", "onnxruntime", "safetensors"):
        pytest.importorskip(package)
    torch.manual_seed(0)
    return Programs(tmp_path)


def same_pixels(run: Programs, file: Path, name: str, **options: bool) -> None:
    """Assert that a file and its run translate an image to the same levels."""
    by_file = load_generator(file, **UNTOUCHED)
    by_run = load_generator(run.runs / name, **options, **UNTOUCHED)
    assert np.abs(by_file(IMAGE).astype(int) - by_run(IMAGE)).max() <= 1
    tensor = torch.rand(2, 3, 9, 130) * 2 - 1
    with pytest.warns() if by_run.dependence else contextlib.nullcontext():
        difference = by_file(tensor) - by_run(tensor)
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize(("net", "norm", "upsample"), ALL)
def test_onnx(run: Programs, net: str, norm: str, upsample: str) -> None:
    """The program compares ten sizes; batch norm uses either kind of statistics."""
    make_run(run.runs / "r", net, norm, upsample)
    same_pixels(run, exported(run, "r", "onnx"), "r")
    if "batch" in norm:
        same_pixels(run, exported(run, "r", "onnx", "--eval"), "r", eval=True)


def test_names_in_messages(run: Programs, tmp_path: Path, capsys) -> None:
    """A file is named as it was given: no temporary folder, and nothing of onnxruntime's."""
    make_run(run.runs / "r")
    weights = exported(run, "r", "safetensors")
    assert f"Loaded {weights}" in load_generator(weights, **UNTOUCHED).messages
    with pytest.raises(UserError, match=f"the weights in {weights} do not fit .* --ngf is 4"):
        load_generator(weights, ngf=4)
    words = ("--name", weights, "--to", "safetensors", "--half", "--output", weights.name)
    run.call(export.main, "export.py", *words).refused(1, "would replace --name")
    file = exported(run, "r", "onnx", "--preprocess", "none")
    opt = load_generator(file, gpu_ids="-1").opt
    assert opt.preprocess == "none"
    opt.device = torch.device("cuda:0")
    exported_network(opt)
    assert f"Loaded {file}, which runs on the CPU" in capsys.readouterr().out
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(file.read_bytes().replace(b"Conv", b"Co\xffv", 1))
    with pytest.raises(UserError, match="cannot read .*damaged.onnx as onnx"):
        load_generator(damaged)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("net", "norm"), [("resnet_9blocks", "batch"), ("unet_128", "instance")])
def test_safetensors(run: Programs, net: str, norm: str) -> None:
    """They hold the official names and load as a run, in float32 with equal pixels."""
    make_run(run.runs / "r", net, norm, "resize")
    file = exported(run, "r", "safetensors")
    pixels = [load_generator(source, **UNTOUCHED)(IMAGE) for source in (file, run.runs / "r")]
    assert (pixels[0] == pixels[1]).all()
    half = exported(run, "r", "safetensors", "--half")
    assert half.stat().st_size < 0.7 * file.stat().st_size
    words = ("--name", half, "--to", "onnx", "--eval", "--output", "x.onnx")
    run.call(export.main, "export.py", *words).ok()


def test_half_precision(run: Programs) -> None:
    make_run(run.runs / "r", channels=(1, 3))
    for kind in ("onnx", "torchscript"):
        file = exported(run, "r", kind, "--half")
        assert file.stat().st_size < exported(run, "r", kind).stat().st_size


def test_both_networks_of_a_bigan(run: Programs) -> None:
    make_run(run.runs / "r", names=("G", "E"))
    files = [exported(run, "r", "onnx", "--direction", way) for way in ("AtoB", "BtoA")]
    pixels = [load_generator(file, **UNTOUCHED)(IMAGE) for file in files]
    assert (pixels[0] != pixels[1]).any()


RULES = {
    "A": Values(-1000, 2000, "int16", 2, (1, 3), nodata=-2000),
    "B": Values(0, 1, "float32", 1, nodata=float("nan")),
}


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_values_of_files(run: Programs, kind: str, direction: str) -> None:
    """With --raw the network takes and gives them, pixels without data included."""
    make_run(run.runs / "r", channels=(2, 1), direction="AtoB")
    if direction == "BtoA":
        make_run(run.runs / "back", channels=(1, 2), direction="BtoA")
    name = "r" if direction == "AtoB" else "back"
    values.save(run.runs / name, RULES)
    file = exported(run, name, kind, "--raw")
    rng = np.random.default_rng(0)
    if direction == "AtoB":
        array = rng.integers(-1000, 2001, (21, 34, 3)).astype(np.int16)
        array[3, 4, 2] = -2000
    else:
        array = rng.uniform(0, 1, (21, 34, 1)).astype(np.float32)
        array[3, 4] = np.nan
    results = [load_generator(x, **UNTOUCHED)(array) for x in (file, run.runs / name)]
    assert results[0].dtype == results[1].dtype
    step = 1 if direction == "BtoA" else 1e-4
    assert np.allclose(*results, rtol=0, atol=step, equal_nan=True)


def test_instance_norm_of_a_large_image(run: Programs) -> None:
    """It is right where that of onnxruntime adds up too many values."""
    layer, file = InstanceNorm(1), run.folder / "x.onnx"
    file.write_bytes(write_onnx(torch.nn.Sequential(ExplicitNorm(layer, (3, 2))), 1, {})[0])
    x = torch.randn(1, 1, 2000, 2000) * 0.1 + 10
    result = open_file("onnx", file, layer)(x)
    assert (result - layer(x.double())).abs().max() < 2e-4


def test_the_table_of_all_generators(run: Programs) -> None:
    """A part of it, with every height from 2 to 11."""
    words = ("--only", "resnet_6blocks", "--norms", "instance", "none", "--ngf", "1", "--every", 11)
    out = run.call(check_exports.main, "check_exports.py", *words).ok().out
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[1:3] for row in rows[:2]] == [["instance", "transpose"], ["instance", "resize"]]
    assert len(rows) == 4 and all(float(row[3]) < 1e-4 for row in rows)


def example() -> str:
    """The Python code in docs/export.md that needs no PyTorch."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n# needs onnxruntime\n(import numpy.*?)```", text, re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    return code


def test_the_example_needs_no_pytorch(run: Programs) -> None:
    """It translates a picture to the levels of load_generator."""
    make_run(run.runs / "r")
    exported(run, "r", "onnx", "--raw").rename(run.folder / "horse2zebra.onnx")
    Image.fromarray(IMAGE).save(run.folder / "horse.png")
    code = "import sys\nsys.modules['torch'] = None\n" + example()
    subprocess.run([sys.executable, "-c", code], cwd=run.folder, check=True)
    result = np.asarray(Image.open(run.folder / "zebra.png"), int)
    expected = load_generator(run.runs / "r", **UNTOUCHED)(IMAGE)
    assert np.abs(result - expected).max() <= 1

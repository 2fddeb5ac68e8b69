"""scripts/export.py, and the files that load_generator and translate.py take."""

from __future__ import annotations

import json
import math
import resource
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CPU, Programs, picture
from PIL import Image

from models import load_generator
from models.coupled_networks import CoupledGenerator
from models.translation.exported import ExportedNetwork, to_raw
from scripts import export, translate
from scripts.exporting.checking import Case, Differences, compare, require_equal
from scripts.exporting.description import channel_names, exact, files_of
from scripts.exporting.graph import ExportedGenerator, reflect
from scripts.maintenance.check_exports import generator
from util.errors import UserError
from util.exported_file import ENDINGS, read_description
from util.reflection import reflect_to_multiple
from util.values import Values

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 30, 3), np.uint8)
UNTOUCHED = {"preprocess": "none", "gpu_ids": "-1"}


def make_run(
    folder: Path,
    net: str = "resnet_6blocks",
    norm: str = "instance",
    upsample: str = "transpose",
    channels: tuple[int, int] = (3, 3),
    dropout: bool = False,
    names: tuple[str, ...] = ("G_A",),
    **options: Any,
) -> Path:
    """Write a run with untrained generators."""
    folder.mkdir(parents=True)
    for name in names:
        state = generator(net, norm, upsample, 2, channels, dropout).state_dict()
        torch.save(state, folder / f"latest_net_{name}.pth")
    saved = {"preprocess": "resize_and_crop", "load_size": 36, "crop_size": 32, "netG": net}
    saved |= {"no_dropout": not dropout, "norm": norm, **options}
    (folder / "train_opt.json").write_text(json.dumps(saved))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """checkpoints/cycle with both generators, checkpoints/pix with dropout. Not to be changed."""
    run = Programs(tmp_path_factory.mktemp("export"))
    torch.manual_seed(0)
    make_run(run.runs / "cycle", names=("G_A", "G_B"))
    make_run(run.runs / "pix", "unet_128", "batch", dropout=True, names=("G",))
    make_run(run.runs / "none", names=("D_A",))
    (run.runs / "cogan").mkdir()
    weights = CoupledGenerator(3, 3, 64, 2).state_dict()
    torch.save(weights, run.runs / "cogan" / "latest_net_G.pth")
    return run


def exported(run: Programs, name: str, kind: str, *more: object) -> Path:
    """Export a run to NAME plus the ending; the program compares the file at ten sizes."""
    file = run.folder / f"{name}{'_'.join(map(str, more))}{ENDINGS[kind]}"
    if not file.exists():
        words = ("--name", name, "--to", kind, "--output", file, *more)
        result = run.call(export.main, "export.py", *words).ok()
        assert "10 sizes from 2x2 to 257x140: the largest difference is" in result.out
        assert "Images are" not in result.out  # the file takes any size
    return file


def test_rows_of_repeated_reflections() -> None:
    """The gather takes the rows that ``reflect_to_multiple`` takes, at every size."""
    for multiple, minimum in ((4, 8), (128, 128), (1, 1)):
        for size in (*range(1, 20), 63, 64, 65, 127, 130):
            x = torch.arange(size)[None, None, :, None].float()
            expected = reflect_to_multiple(x, multiple, minimum)[:, :, :, :1]
            assert torch.equal(reflect(x, 2, multiple, minimum), expected), (multiple, size)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_load_generator_takes_a_file(place: Programs, direction: str) -> None:
    """The same settings as from the run, and the same pixels, up to rounding."""
    file = exported(place, "cycle", "torchscript", "--direction", direction)
    for more in (UNTOUCHED, {"preprocess": "scale_width"}, {}):
        by_file = load_generator(file, **more | {"gpu_ids": "-1"})
        by_run = load_generator(place.runs / "cycle", direction=direction, **more | {"gpu_ids": -1})
        assert np.abs(by_file(IMAGE).astype(int) - by_run(IMAGE)).max() <= 1
    text = repr(by_file)
    assert f"<Translator {direction} of {file}" in text and "load_size=32" in text
    assert text.split(": ")[1] == repr(by_run).split(": ")[1]
    assert not Path(by_file.opt.checkpoints_dir).exists()


def test_translate_takes_a_file(place: Programs) -> None:
    file = exported(place, "cycle", "torchscript", "--raw")
    picture(place.folder / "a.png", size=(33, 45))
    for name, output in ((file, "by_file.png"), ("cycle", "by_run.png")):
        words = ("--name", name, "--input", "a.png", "--output", output, *CPU)
        place.call(translate.main, "translate.py", *words, "--preprocess", "none").ok()
    pictures = [np.asarray(Image.open(place.folder / f"by_{x}.png"), int) for x in ("file", "run")]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1  # a level between two rounds either way


def test_a_file_describes_itself(place: Programs) -> None:
    """In TorchScript it is a JSON file, which needs no PyTorch. It holds no folders."""
    file = exported(place, "pix", "torchscript", "--eval")
    with zipfile.ZipFile(file) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("extra/metadata.json")]
        text = archive.read(name).decode()
    found = json.loads(text)
    assert found["direction"] == "AtoB" and found["input_channels"] == "red, green, blue"
    assert found["input_range"] == "-1..1"
    assert found["norm"] == "batch (statistics of the training, --eval)"
    assert str(place.folder) not in text
    assert read_description(file).options["netG"] == "unet_128"


REFUSED = (
    ("cycle", "onnx", "x.pt", 2, "--to onnx writes files .onnx"),
    ("cycle", "torchscript", "no/x.pt", 1, "--output no/x.pt: there is no folder no"),
    ("cycle", "safetensors --raw", "x.safetensors", 2, "--raw: safetensors hold weights"),
    ("nothing", "torchscript", "x.pt", 1, 'no run "nothing"'),
    ("none", "torchscript", "x.pt", 1, "the folder has latest_net_D_A.pth"),
    ("cogan", "torchscript", "x.pt", 1, "--name cogan: a CoGAN searches for each translation"),
    ("pix", "torchscript", "x.pt", 2, "active dropout, as in test.py"),
    ("cycle", "torchscript --tile 64", "x.pt", 2, "--tile 64: an exported network takes whole"),
    ("cycle", "torchscript --value_range 0 9", "x.pt", 2, "the export takes the values of the run"),
)


@pytest.mark.parametrize(("name", "kind", "output", "status", "text"), REFUSED)
def test_refused(
    place: Programs, name: str, kind: str, output: str, status: int, text: str
) -> None:
    words = ("--name", name, "--output", output, "--to", *kind.split())
    place.call(export.main, "export.py", *words).refused(status, text)
    assert not (place.folder / output).exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "safetensors"])
def test_a_missing_package(place: Programs, package: str, monkeypatch) -> None:
    kind = "safetensors" if package == "safetensors" else "onnx"
    if package == "onnxruntime":
        monkeypatch.setitem(sys.modules, "onnx", SimpleNamespace())
    monkeypatch.setitem(sys.modules, package, None)
    words = ("--name", "cycle", "--to", kind, "--output", f"x{ENDINGS[kind]}")
    result = place.call(export.main, "export.py", *words)
    result.refused(1, f"--to {kind} needs a package that is not installed: pip install", package)
    (place.folder / "some.onnx").write_bytes(b"")
    if package == "onnxruntime":
        words = ("--name", "some.onnx", "--input", ".", "--output", "out")
        result = place.call(translate.main, "translate.py", *words)
        result.refused(1, "some.onnx", "pip install onnxruntime")


def test_options_that_ask_for_another_network(place: Programs) -> None:
    file = exported(place, "cycle", "torchscript")
    with pytest.raises(UserError, match="--tile 64: .* cannot be translated in tiles"):
        load_generator(file, tile=64)
    others = ({"eval": True}, {"epoch": 3}, {"model_suffix": "_B"}, {"upsample": "resize"})
    for options in ({"direction": "BtoA"}, *others):
        with pytest.raises(UserError, match=f"--{next(iter(options))}: .* holds one network, AtoB"):
            load_generator(file, **options)
    with pytest.raises(UserError, match="--suffix: .* holds one network, as it was exported"):
        load_generator(file, suffix="x")
    layers = {"netG": "resnet_6blocks", "ngf": 2, "norm": "instance", "no_dropout": True}
    assert load_generator(file, **layers).opt.ngf == 2
    for name, value in (("netG", "unet_128"), ("ngf", 4), ("norm", "none")):
        with pytest.raises(UserError, match=f"--{name}: .* with {name} {layers[name]}, and cannot"):
            load_generator(file, **{name: value})
    with pytest.raises(UserError, match="--input_nc 1: the network in .* has 3"):
        load_generator(file, input_nc=1)
    words = ("--name", file, "--dataroot", ".", *CPU)
    other = place.test(*words, "--model", "cycle_gan")
    other.refused(2, "--model cycle_gan:", "is one generator, for --model test")
    again = place.call(export.main, "export.py", "--to", "torchscript", "--output", "y.pt", *words)
    again.refused(1, "it is exported already")


def test_damaged_files(place: Programs, tmp_path: Path) -> None:
    good = exported(place, "cycle", "torchscript").read_bytes()
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    (tmp_path / "half.pt").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    at = good.index(b"images, channels, height")
    (tmp_path / "flipped.pt").write_bytes(good[:at] + b"X" + good[at + 1 :])
    for name, text in (
        ("other", "should be a file from scripts/export.py"),
        ("half", "damaged"),
        ("empty", "cannot read"),
        ("flipped", "damaged"),
    ):
        with pytest.raises(UserError, match=text):
            load_generator(tmp_path / f"{name}.pt")


class Mean(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True)


class Levels(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(torch.int64)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_files_whose_description_is_wrong(place: Programs, tmp_path: Path) -> None:
    """The line names the file, not a temporary one; a result is never taken for an image."""
    good = exported(place, "cycle", "torchscript")
    extra = {"metadata.json": ""}
    network = torch.jit.load(good, _extra_files=extra)
    described = extra["metadata.json"].decode()
    file = tmp_path / "other.pt"
    for text, wrong in (("AtoB", "CtoD"), ("resnet_6blocks", "my_net")):
        torch.jit.save(network, file, {"metadata.json": described.replace(text, wrong)})
        with pytest.raises(UserError, match=f"cannot use {file}: --.* '{wrong}': should be one of"):
            load_generator(file)
    for module, found in ((Mean(), r"torch.float32 \(1, 1, "), (Levels(), r"torch.int64 \(1, 3, ")):
        torch.jit.save(torch.jit.script(module), file, {"metadata.json": described})
        with pytest.raises(UserError, match=found + r".*should give floats \(1, 3, 37, 30\)"):
            load_generator(file, **UNTOUCHED)(IMAGE)


def test_too_little_memory(place: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no mistake in the image: the program says what needs less."""

    def fail(self: ExportedNetwork, image: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("Traceback of TorchScript\nDefaultCPUAllocator: can't allocate memory")

    translate_file = load_generator(exported(place, "cycle", "torchscript"), **UNTOUCHED)
    monkeypatch.setattr(ExportedNetwork, "run", fail)
    with pytest.raises(MemoryError, match="can't allocate memory"):
        translate_file(IMAGE)


def test_a_full_disk(place: Programs) -> None:
    """One line; PyTorch itself would end the process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        words = ("--name", "cycle", "--to", "torchscript", "--output", "full.pt")
        place.call(export.main, "export.py", *words).refused(1, "full.pt: File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(place.folder.glob("*full*"))


def test_no_data_beyond_float32() -> None:
    """The lowest float64 is a usual mark; as float32 it is infinite."""
    lowest = np.finfo(np.float64).min.item()
    rule = Values(0, 2, "float64", 1, nodata=lowest)
    network = ExportedGenerator(torch.nn.Identity(), True, rule, rule)
    image = torch.tensor([[[[-math.inf, 0.5]]]])
    assert network(image).tolist() == image.tolist()
    assert to_raw(torch.tensor([-1.0, 0.5]), rule).tolist() == [0, 1.5]


def test_channels_and_ranges_in_words() -> None:
    """Nothing is rounded: other programs compute with these numbers."""
    pictures = Values(0, 200, "uint8", 3)
    assert channel_names(3, pictures) == channel_names(3, None) == "red, green, blue"
    assert channel_names(2, Values(0, 1, "float32", 2, bands=(4, 1))) == "band 4, band 1"
    third = Values(0, 1 / 3, "float32", 3, inputs=2)
    assert files_of(third) == f"float32, 0..{1 / 3!r}, the bands of 2 files joined"
    for number, text in ((-(2**31), "-2147483648"), (-9999.125, "-9999.125"), (math.nan, "nan")):
        assert exact(number) == text


def test_a_difference_above_the_limit_is_refused() -> None:
    """In half precision, the tiny images are printed, not judged."""
    require_equal(Differences(1e-4, 0, "2x2", 1e-4), "onnx", half=False)
    require_equal(Differences(1e-2, 0, "2x2", 1e-2), "onnx", half=True)
    require_equal(Differences(0.1, 0, "2x2", 1e-2), "onnx", half=True)
    for largest, half in ((1.01e-4, False), (float("nan"), False), (0.0101, True)):
        with pytest.raises(UserError, match=".*leave out --half" if half else "no file is written"):
            require_equal(Differences(largest, 0, "2x2", largest if half else 0), "onnx", half)


def test_differences_of_tiny_images() -> None:
    """compare() keeps the largest difference of the other images apart."""
    net = torch.nn.Identity()
    sizes = ((1, 2, 2), (1, 3, 3), (1, 4, 3), (1, 2, 31))
    found = compare(lambda x: x + 1 / x.shape[2], Case(net, 1, False, None, None), sizes)
    assert (round(found.largest, 6), found.size, round(found.larger, 6)) == (0.5, "2x2", 0.5)
    found = compare(lambda x: x + 1 / x[0, 0].numel(), Case(net, 1, False, None, None), sizes)
    assert (round(found.largest, 6), found.size, round(found.larger, 6)) == (0.25, "2x2", 0.083333)

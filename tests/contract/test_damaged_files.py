"""Flipped bits and values that are no numbers, in every kind of file with weights."""

from __future__ import annotations

import io
import random
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs
from survival import resume, state
from torch import nn

from scripts import translate
from scripts.evaluation.external import load_lpips
from util import checkpoint
from util.errors import UserError
from util.image.features import load_network

pytest_plugins = ["survival"]


def flip(path: Path, offset: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << bit
    path.write_bytes(content)


def flip_value(path: Path) -> None:
    """Flip a bit of the largest tensor in an archive."""
    with zipfile.ZipFile(path) as archive:
        tensors = [part for part in archive.infolist() if "/data/" in part.filename]
        part = max(tensors, key=lambda part: part.file_size)
        value = archive.read(part)
    flip(path, path.read_bytes().index(value) + len(value) // 2, bit=6)


def spoil(path: Path, value: float) -> None:
    """Set a bias of the generator in a state or in a weight file."""
    saved = torch.load(path, weights_only=True)
    weights = saved["model"]["networks"]["G_A"] if "model" in saved else saved
    weights["model.1.bias"][0] = value
    torch.save(saved, path)


@pytest.fixture
def trained(run: Programs, unaligned: Path) -> Path:
    """The folder of a run x."""
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    return run.runs / "x"


def test_no_flipped_bit_changes_a_value(tmp_path: Path) -> None:
    """A bit anywhere in the file is either found or of no importance."""
    path = tmp_path / "x.pth"
    values = {"a": torch.randn(700), "b": torch.arange(300)}
    torch.save(values, path)
    whole, found = path.read_bytes(), 0
    for offset in random.Random(1).sample(range(len(whole)), 200):
        path.write_bytes(whole)
        flip(path, offset, offset % 8)
        try:
            loaded = checkpoint.load_state_dict(path)
            assert all(torch.equal(loaded[key], values[key]) for key in values)
        except UserError as error:
            assert "x.pth" in str(error) and "\n" not in str(error)
            found += 1
    assert found > 150  # most of the file is values


def test_a_part_that_becomes_a_folder(tmp_path: Path) -> None:
    """One bit of the attributes, which no checksum covers, would turn a tensor into zeros."""
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(9), "b": torch.ones(5)}, path)
    whole = path.read_bytes()
    entries = [found.start() for found in re.finditer(rb"PK\x01\x02", whole)]
    assert len(entries) >= 4
    for entry in entries:
        path.write_bytes(whole)
        flip(path, entry + 38, 4)
        with pytest.raises(UserError, match=r"x.pth: it is damaged \(it holds a folder\)"):
            checkpoint.load_state_dict(path)


def test_files_without_checksums(tmp_path: Path) -> None:
    """Those of PyTorch before 1.6, and archives that leave them out, load as before."""
    path, weights = tmp_path / "x.pth", nn.Linear(3, 2).state_dict()
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    assert checkpoint.load_state_dict(path).keys() == weights.keys()
    options = getattr(torch.serialization, "set_crc32_options", None)
    if options:  # since PyTorch 2.6
        options(False)
        torch.save(weights, path)
        options(True)
        assert checkpoint.load_state_dict(path).keys() == weights.keys()
    for wrong in (nn.Linear(2, 3), nn.Linear(3, 2, bias=False)):
        with pytest.raises(UserError, match="do not fit"):
            checkpoint.fit_state_dict(wrong, weights, path)


def test_archives_that_grow(tmp_path: Path) -> None:
    """An archive of a few kilobytes may hold gigabytes of zeros."""
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(101_000_000))
    with pytest.raises(UserError, match=r"x\.pth: it is damaged"):
        checkpoint.load(path)


def test_damaged_runs(run: Programs, trained: Path, unaligned: Path) -> None:
    """A flipped bit in each file that a run reads: status 1, and a line that names the file."""
    whole = (trained / "state.pth").read_bytes()
    flip_value(trained / "state.pth")
    resume(run).refused(1, "state.pth", "checksum")
    (trained / "state.pth").write_bytes(whole)
    for name in ("G_A", "D_B"):
        flip_value(trained / f"latest_net_{name}.pth")
    test = ("--dataroot", unaligned, "--name", "x", "--model")
    run.test(*test, "cycle_gan", *CPU).refused(1, "latest_net_G_A.pth", "checksum")
    run.test(*test, "test", "--dataroot", unaligned / "testA", *CPU).refused(
        1, "latest_net_G_A.pth", "checksum"
    )
    new = ("--dataroot", unaligned, "--name", "new", *TINY, *ONE_EPOCH)
    for name in ("G_A", "D_B"):
        file = trained / f"latest_net_{name}.pth"
        run.train(*new, f"--init_{name}", file).refused(1, file, "checksum")
    words = ("--input", unaligned / "testA", "--output", "out", "--name", "x", *CPU)
    run.call(translate.main, "translate.py", *words).refused(1, "latest_net_G_A.pth", "checksum")


def test_weights_of_two_runs(run: Programs, trained: Path, unaligned: Path) -> None:
    """Which of two files is wrong is not known, so both are named."""
    other = ("--dataroot", unaligned, "--name", "other", *TINY, *ONE_EPOCH, "--ngf", "6")
    run.train(*other, "--no_html").ok()
    names = [f"latest_net_G_{side}.pth" for side in "AB"]
    for name in names:
        shutil.copy(trained / name, run.folder / name)
        shutil.copy(run.runs / "other" / name, trained / name)
        result = run.test("--dataroot", unaligned, "--name", "x", "--model", "cycle_gan", *CPU)
        result.refused(1, *names, "--ngf is")
        shutil.copy(run.folder / name, trained / name)


def test_values_that_are_no_numbers(run: Programs, trained: Path, unaligned: Path) -> None:
    """In the state, and in a weight file of one network."""
    for value in (float("nan"), float("inf")):
        spoil(trained / "latest_net_G_A.pth", value)
        spoil(trained / "state.pth", value)
        result = run.test("--dataroot", unaligned, "--name", "x", *CPU)
        result.refused(1, "latest_net_G_A.pth", "model.1.bias", "not a number")
        resume(run).refused(1, "state.pth", "model.1.bias", "not a number")
    assert state(trained)["position"]["epoch"] == 2


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_kinds_of_tensors(tmp_path: Path) -> None:
    """Complex, whole and sparse numbers, and tensors without memory, are no weights."""
    net, path = nn.Linear(3, 2), tmp_path / "x.pth"
    weight = net.weight.detach()
    for wrong in (weight.cfloat(), weight.int(), weight.to_sparse(), weight.to("meta")):
        torch.save({"weight": wrong, "bias": net.bias.detach()}, path)
        with pytest.raises(UserError, match=r"x\.pth"):
            checkpoint.fit_state_dict(net, checkpoint.load_state_dict(path), path)
    for right in (weight.half(), weight.bfloat16(), weight.double()):
        checkpoint.fit_state_dict(net, {"weight": right, "bias": net.bias.detach()}, Path("x"))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_networks_of_evaluate(tmp_path: Path) -> None:
    """TorchScript files for --features and --network, and the weights for --lpips."""
    path = tmp_path / "net.pt"
    net = nn.Conv2d(3, 8, 3)
    torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(path)
    assert load_network(path, "--features")
    flip_value(path)
    with pytest.raises(UserError, match=r"net\.pt.*checksum"):
        load_network(path, "--features")
    net.bias.data[1] = torch.nan
    torch.jit.trace(net, torch.zeros(1, 3, 8, 8)).save(path)
    with pytest.raises(UserError, match=r"net\.pt.*not a number"):
        load_network(path, "--features")
    pytest.importorskip("lpips")
    buffer = io.BytesIO()
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, buffer)
    path.write_bytes(buffer.getvalue())
    flip_value(path)
    with pytest.raises(UserError, match=r"net\.pt.*checksum"):
        load_lpips("alex", str(path))

"""A stopped translation in tiles: what must not be resumed, and what is left behind."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, Programs
from windows import failing_after

from data.windows.arrays import ArraySource
from models import networks
from models.translation.tiling import engine, estimate, journal
from models.translation.tiling.engine import Settings, Tiled
from models.translation.tiling.statistics import Moments
from models.translation.window_files import FileSink
from util import values
from util.errors import UserError
from util.values import Values

RULE = Values(-1, 1, "float32", 1)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).random((40, 40, 1), np.float32) * 2 - 1


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """Batch norm, whose statistics --eval replaces; the weights are the same."""
    monkeypatch.setattr(journal, "INTERVAL", -1)
    torch.manual_seed(0)
    net = networks.ResnetGenerator(1, 1, 4, networks.get_norm_layer("batch"), n_blocks=1)
    networks.init_weights(net, "kaiming")
    return net.eval()


def translate(net: torch.nn.Module, pixels: np.ndarray, path: Path, tile: int = 16) -> np.ndarray:
    """Translate into a .npy file, resuming what is there."""
    sink = FileSink(path, pixels.shape, RULE, resume=True)
    done = path.with_name(f"{path.name}.part.json")
    try:
        Tiled(net, Settings(tile)).translate(ArraySource(pixels), sink, done)
    finally:
        sink.file.file.close()  # as the end of the process
    return np.load(path)


def stop(net: torch.nn.Module, pixels: np.ndarray, path: Path, tiles: int) -> None:
    """Start a translation that fails after some tiles are written."""
    with pytest.MonkeyPatch.context() as patch:
        failing = failing_after(engine.write, tiles, lambda: UserError("stopped"))
        patch.setattr(engine, "write", failing)
        with pytest.raises(UserError, match="stopped"):
            translate(net, pixels, path)


def test_other_statistics_do_not_resume(net, pixels, tmp_path, capsys) -> None:
    whole = translate(net, pixels, tmp_path / "whole.npy")
    stop(net.train(), pixels, tmp_path / "x.npy", 5)
    assert np.array_equal(translate(net.eval(), pixels, tmp_path / "x.npy"), whole)
    assert "is of another image, network or setting" in capsys.readouterr().out


def test_a_new_file_has_no_tiles(net, pixels, tmp_path, monkeypatch) -> None:
    """The file of the pixels is lost, and the next process is killed before its first tile."""
    path = tmp_path / "x.npy"
    whole = translate(net, pixels, tmp_path / "whole.npy")
    stop(net, pixels, path, 5)
    (tmp_path / "x.npy.part").unlink()

    def killed(*_: object) -> None:
        raise UserError("killed")

    with monkeypatch.context() as patch, pytest.raises(UserError, match="killed"):
        patch.setattr(engine.Executor, "rates", killed)
        translate(net, pixels, path)
    assert np.array_equal(translate(net, pixels, path), whole)


def test_a_damaged_state_is_not_used(tmp_path, capsys) -> None:
    path, moments = tmp_path / "x.json", Moments(9, [0.5], [3.0])
    saved = journal.Journal(path, "key")
    saved.known, saved.partial, saved.written = {"all": {3: moments}}, {"all": (5, 4, moments)}, 4
    saved.save(force=True)
    content = json.loads(path.read_text())
    assert journal.Journal(path, "key").written == 4
    for change in (
        {"written": 7},
        {"written": -1},
        {"known": {"all": {"3": [9, [0.6], [3.0]]}}},
        {"known": {"all": {"x": [1]}}},
        {"partial": {"all": [1]}},
    ):
        path.write_text(json.dumps(content | change))
        found = journal.Journal(path, "key")
        assert (found.written, found.known, found.partial, found.resumed) == (0, {}, {}, False)
        assert "it is damaged (its checksum is another)" in capsys.readouterr().out


def test_a_single_tile_leaves_no_state(net, pixels, tmp_path) -> None:
    stop(net, pixels, tmp_path / "x.npy", 5)
    translate(net, pixels, tmp_path / "x.npy", tile=40)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@pytest.fixture
def tiled(run: Programs, net: torch.nn.Module):
    """Call translate.py on a uint16 image, with a network without statistics of the image."""
    (run.runs / "cycle").mkdir(parents=True)
    net = networks.define_G(1, 1, 2, "resnet_6blocks", "none", False, "kaiming")
    torch.save(net.state_dict(), run.runs / "cycle" / "latest_net_G_A.pth")
    options = {"no_dropout": True, "norm": "none", "input_nc": 1, "output_nc": 1}
    (run.runs / "cycle" / "train_opt.json").write_text(json.dumps(options))
    values.save(run.runs / "cycle", dict.fromkeys("AB", Values(0, 4000, "uint16", 1)))
    array = np.random.default_rng(0).integers(0, 4000, (40, 40), np.uint16)
    pytest.importorskip("tifffile").imwrite(
        run.folder / "x.tif", array, extratags=[(274, "H", 1, 3)]
    )

    def call(output: str, *more: str, source: str = "x.tif"):
        from scripts import translate

        args = ("--name", "cycle", *CPU, "--preprocess", "none", "--tile", "16", *more)
        return run.call(translate.main, "x.py", *args, "--input", source, "--output", output)

    return call


def test_finished_images_of_a_folder_stay(tiled, run: Programs, monkeypatch) -> None:
    for name in "abc":
        (run.folder / "in").mkdir(exist_ok=True)
        shutil.copy(run.folder / "x.tif", run.folder / "in" / f"{name}.tif")
    os.truncate(run.folder / "in" / "b.tif", 500)
    folder = functools.partial(tiled, "out", "--format", "npy", source="in")
    folder().refused(1, "b.tif: it is damaged")
    first = run.folder / "out" / "a.npy"
    before, state = first.stat().st_mtime_ns, run.folder / "out" / "unfinished.json"
    assert list(json.loads(state.read_text())["files"]) == ["out/a.npy"]
    shutil.copy(run.folder / "x.tif", run.folder / "in" / "b.tif")
    assert "an earlier process has finished, with the same settings, stay" in folder().ok().out
    assert first.stat().st_mtime_ns == before and not state.exists()
    assert len({path.read_bytes() for path in first.parent.iterdir()}) == 1
    assert "stay" not in folder().ok().out and first.stat().st_mtime_ns > before


def test_ctrl_c_and_another_orientation(tiled, run: Programs, monkeypatch) -> None:
    whole = tiled("whole.npy", "--no_exif").ok()
    assert "Stopped" not in whole.out
    with monkeypatch.context() as patch:
        patch.setattr(engine, "write", failing_after(engine.write, 5, KeyboardInterrupt))
        result = tiled("out.npy")
    assert result.status == 130 and result.err == ""
    assert "Stopped; the same command resumes from out.npy.part.json" in result.out
    assert "another image, network or setting" in tiled("out.npy", "--no_exif").ok().out
    assert (run.folder / "out.npy").read_bytes() == (run.folder / "whole.npy").read_bytes()


def test_a_choice_that_is_left_to_the_user_leaves_no_file(tiled, run, monkeypatch) -> None:
    def asks(_: object, statistics: str | None, images: int) -> None:
        raise UserError(f"{images} images")

    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(estimate.Estimate, "chosen", asks)
    tiled("out.npy").refused(1, "1 images")
    for name in ("in/a.tif", "in/b.tif"):
        (run.folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(run.folder / "x.tif", run.folder / name)
    tiled("out", "--format", "npy", source="in").refused(1, "2 images")
    monkeypatch.setattr(estimate.Estimate, "chosen", stops)
    assert tiled("out.npy").status == 130
    assert not list(run.folder.rglob("out.npy*")) + list(run.folder.rglob("*.part*"))

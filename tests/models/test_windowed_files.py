"""translate.py --tile on TIFF and NumPy files: bounded memory, resumed after a stop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import CPU, ROOT, Programs
from PIL import Image
from rasters import ramp, write_npy, write_tif
from windows import failing_after

from data.rasters.header import any_size
from data.rasters.reading import read_array
from models import networks
from models.translation import window_files
from models.translation.tiling import journal
from util import values
from util.errors import UserError
from util.values import Values

pytest.importorskip("tifffile")

TILED = (*CPU, "--name", "cycle", "--preprocess", "none", "--tile", "25")
SIZE = (60, 45)


def make_run(run: Programs, channels: int = 3, norm: str = "instance") -> None:
    """An untrained CycleGAN. Without norms, each tile is computed once."""
    (run.runs / "cycle").mkdir(parents=True)
    for side in "AB":
        torch.manual_seed(ord(side))
        generator = networks.define_G(
            channels, channels, 2, "resnet_6blocks", norm, False, "kaiming"
        )
        torch.save(generator.state_dict(), run.runs / "cycle" / f"latest_net_G_{side}.pth")
    options = {"no_dropout": True, "norm": norm}
    (run.runs / "cycle" / "train_opt.json").write_text(json.dumps(options))


def translate(run: Programs, *args: object):
    from scripts import translate

    return run.call(translate.main, "translate.py", *args)


def difference(run: Programs, one: str, other: str) -> float:
    with any_size():
        first, second = (read_array(str(run.folder / name)).astype(float) for name in (one, other))
    assert first.std() > 0 and first.shape == second.shape
    return float(np.abs(first - second).max())


def test_pictures_are_translated_window_by_window(run: Programs, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # restored after the test
    make_run(run, norm="none")
    tags = {"resolution": (300, 300), "resolutionunit": 2, "photometric": "rgb"}
    array = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    source = write_tif(run.folder / "x.tif", array, tile=(16, 16), compression="zlib", **tags)
    translate(run, *TILED[:-2], "--input", source, "--output", "whole.tif").ok()
    named = (*TILED, "--input", source, "--max_pixels", "1000")
    translate(run, *named, "--output", "out.tif").ok()
    assert difference(run, "whole.tif", "out.tif") <= 1
    assert sorted(p.name for p in run.folder.glob("*.tif*")) == ["out.tif", "whole.tif", "x.tif"]
    import tifffile

    with tifffile.TiffFile(run.folder / "out.tif") as file:
        page = file.pages[0]
        assert (
            page.is_tiled and page.photometric == 2 and page.tags["XResolution"].value == (300, 1)
        )
    whole = translate(run, *named, "--output", "out.png").refused(1, "more than 1000 pixels")
    assert "png files are written whole (--format tif or npy); --max_pixels limits" in whole.out


def test_files_of_values_that_were_stopped_are_resumed(run: Programs, monkeypatch):
    make_run(run, 2, "none")
    rule = Values(-1000, 1000, "int16", 2, nodata=-9999.0)
    values.save(run.runs / "cycle", {"A": rule, "B": Values(0, 1, "float32", 2, container="npy")})
    array = ramp("int16", -1100, 1000, 2, SIZE)
    array[5:9, 40:50] = -9999
    source = write_tif(run.folder / "x.tif", array, planarconfig="separate", rowsperstrip=4)
    nc = ("--input_nc", "2", "--output_nc", "2")
    translate(run, *TILED[:-2], *nc, "--input", source, "--output", "whole.npy").ok()
    monkeypatch.setattr(journal, "INTERVAL", -1)
    named = (*TILED, *nc, "--input", source, "--output", "out.npy")
    with monkeypatch.context() as patch:
        failing = failing_after(window_files.FileSink.write, 2, lambda: UserError("stopped"))
        patch.setattr(window_files.FileSink, "write", failing)
        translate(run, *named).refused(1, "stopped")
    assert {p.name for p in run.folder.glob("out*")} == {"out.npy.part", "out.npy.part.json"}
    result = translate(run, *named).ok()
    assert "Resumed: 2 of 6 tiles are written" in result.out
    assert "values read, some of them several times, are outside of -1000..1000" in result.out
    assert {p.name for p in run.folder.glob("out*")} == {"out.npy"}
    assert difference(run, "whole.npy", "out.npy") < 1e-3
    assert np.isnan(np.load(run.folder / "out.npy")).sum() == 0


def test_several_inputs_are_read_window_by_window(run: Programs, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # restored after the test
    make_run(run, 2, "none")
    rule = Values(0, 1000, "uint16", 2, bands=(3, 1), nodata=9999.0, inputs=2)
    values.save(run.runs / "cycle", {"A": rule, "B": Values(-1, 1, "float32", 2, nodata=-9.0)})
    arrays = [ramp("uint16", 0, 1100, bands, SIZE) for bands in (1, 2)]
    arrays[0][5:9, 40:50], arrays[1][20:22, :9, 1] = 9999, 9999
    files = [
        write_tif(run.folder / "x1.tif", arrays[0], tile=(16, 16), compression="zlib"),
        write_npy(run.folder / "x2.npy", arrays[1]),
    ]
    named = (*TILED[:-2], "--input_nc", "2", "--output_nc", "2", "--input", *files)
    translate(run, *named, "--output", "whole.npy").ok()
    tiled = (*named, "--tile", "25", "--max_pixels", "1000", "--output")
    result = translate(run, *tiled, "out.npy").ok()
    assert "60x45 pixels in" in result.out and "outside of 0..1000" in result.out
    whole, out = (np.load(run.folder / name) for name in ("whole.npy", "out.npy"))
    assert np.abs(whole - out).max() < 1e-5 and (out == -9).sum() == (40 + 18) * 2
    assert "png files" not in result.out and not list(run.folder.glob("*.part*"))
    write_npy(files[1], arrays[1][:40])
    texts = (
        "x1.tif holds uint16 of 60x45 pixels, its partner",
        "x2.npy uint16 of 60x40: inputs of",
    )
    translate(run, *tiled, "out.npy").refused(1, *texts)


# Saves its state after each tile
PROGRAM = """
import sys
from models.translation.tiling import journal
from scripts import translate
from util.console import run_main
journal.INTERVAL = -1
sys.argv[0] = "translate.py"
run_main(translate.main)
"""


@pytest.mark.slow
def test_a_killed_program_is_resumed(run: Programs):
    make_run(run)
    array = np.random.default_rng(0).integers(0, 256, (100, 150, 3), np.uint8)
    source = write_tif(run.folder / "x.tif", array, tile=(16, 16), photometric="rgb")
    translate(run, *TILED[:-2], "--input", source, "--output", "whole.tif").ok()
    command = [sys.executable, "-c", PROGRAM, *TILED[:-1], "50"]
    command += ["--input", str(source), "--output", "out.tif"]
    settings = {
        "cwd": run.folder,
        "env": os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        "stdout": subprocess.PIPE,
        "text": True,
    }
    state = run.folder / "out.tif.part.json"
    for norms, tiles in ((1, 0), (17, 1), (17, 4)):  # known when the program is killed
        process = subprocess.Popen(command, **settings)
        while process.poll() is None:
            content = json.loads(state.read_text()) if state.exists() else {"known": {}}
            known = content["known"].get("all", ())
            if len(known) >= norms and content["written"] >= tiles:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        assert process.returncode == -signal.SIGKILL and not (run.folder / "out.tif").exists()
        process.communicate()
    result = subprocess.run(command, check=True, **settings)
    assert re.search("Resumed: [4-7] of 8 tiles are written", result.stdout)
    assert difference(run, "whole.tif", "out.tif") <= 1
    assert sorted(path.name for path in run.folder.glob("out*")) == ["out.tif"]

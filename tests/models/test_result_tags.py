"""Results keep the tags that say where an image lies and how large its pixels are."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
import torch
from value_results import HU, SPECTRA, options, random_array, save

from util.image.raster_tags import RasterTags
from util.image.raster_writing import save_raster

ITEMS = '<Item name="A">b</Item><Item name="C" sample="0">d</Item>'
GEO = RasterTags(
    scale=(10.0, 10.0, 0.0),
    tiepoints=(0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0),
    keys={34735: (1, 1, 0, 1, 1025, 0, 1, 1)},
    metadata=f"<GDALMetadata>{ITEMS}</GDALMetadata>",
    resolution=(300.0, 300.0, 2),
)


def tags_of(file: Path) -> dict:
    return {tag.code: tag.value for tag in tifffile.TiffFile(file).pages[0].tags}


@pytest.mark.parametrize(
    "changes, size, scale, corner, resolution",
    [
        ({}, (20, 16), (10, 10), (500000, 4600000), 300),
        ({"preprocess": "crop", "crop_size": 8}, (8, 8), (10, 10), (500060, 4599960), 300),
        (
            {"preprocess": "resize_and_crop", "load_size": 8},
            (8, 8),
            (25, 20),
            (500000, 4600000),
            120,
        ),
    ],
)
def test_tags_of_position_and_resolution(tmp_path, changes, size, scale, corner, resolution):
    save_raster(random_array(HU), _made(tmp_path / "testA" / "a.tif"), tags=GEO)
    images = {"real_A": torch.zeros(1, 1, *size[::-1]), "fake_B": torch.zeros(1, 5, *size[::-1])}
    folder = save(options(tmp_path, **changes), {"A": HU, "B": SPECTRA}, images) / "images"
    for label in images:
        tags = tags_of(folder / f"a_{label}.tif")
        assert tags[33550][:2] == scale and tags[33922][3:5] == corner
        assert tags[34735] == GEO.keys[34735]
        assert tags[282][0] / tags[282][1] == resolution
    assert 'sample="0"' in tags_of(folder / "a_real_A.tif")[42112]
    metadata = tags_of(folder / "a_fake_B.tif")[42112]  # of other bands
    assert 'name="A"' in metadata and "sample" not in metadata


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    "changes, size, reason",
    [
        ({}, (10, 8), "the result has another size"),
        ({"dataset_mode": "aligned"}, (20, 16), "--dataset_mode aligned"),
        ({"format": "npy"}, (20, 16), "npy has none"),
    ],
)
def test_tags_that_cannot_be_kept_are_left_out_with_a_line(tmp_path, capsys, changes, size, reason):
    save_raster(random_array(HU), _made(tmp_path / "testA" / "a.tif"), tags=GEO)
    opt = options(tmp_path, **changes)
    folder = save(opt, {"A": HU, "B": HU}, {"fake_B": torch.zeros(1, 1, *size[::-1])}) / "images"
    out = capsys.readouterr().out
    assert out.count("are left out") == 1 and reason in out
    if opt.format is None:
        assert 33550 not in tags_of(folder / "a_fake_B.tif")


def test_a_description_of_imagej_is_left_out_with_a_line(tmp_path, capsys):
    tifffile.imwrite(_made(tmp_path / "testA" / "a.tif"), random_array(HU)[..., 0], imagej=True)
    save(options(tmp_path), {"A": HU, "B": HU}, {"fake_B": torch.zeros(1, 1, 16, 20)})
    assert "ImageJ" in capsys.readouterr().out


def test_damaged_tags_are_left_out(tmp_path):
    bad = [(33550, "s", 0, "x", True), (33922, "d", 3, (1, 2, 3), True), (34735, "d", 1, 2.5, True)]
    array = random_array(HU)[..., 0]
    tifffile.imwrite(_made(tmp_path / "testA" / "a.tif"), array, extratags=bad)
    folder = save(options(tmp_path), {"A": HU, "B": HU}, {"fake_B": torch.zeros(1, 1, 16, 20)})
    assert not {33550, 33922, 34735} & tags_of(folder / "images" / "a_fake_B.tif").keys()

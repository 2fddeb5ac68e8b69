"""test.py writes each image in the type, the range and the kind of file of its own domain."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from value_results import HU, SPECTRA, batch_of, options, random_array, save

from data.rasters.reading import read_array
from models.translation.results import Results
from scripts.sharing.inline import SharedPage
from util.errors import UsageError, UserError
from util.values import Values, load


@pytest.mark.parametrize(
    "rule",
    [
        Values(0, 255, "uint8", 3, container="png"),
        Values(0, 65535, "uint16", 1, container="png"),
        Values(0, 4095, "uint16", 3, container="png"),
        Values(0, 255, "uint16", 2),
        Values(-32768, 32767, "int16", 1),
        Values(0, 255, "uint32", 1),
        Values(0, 2**24 - 1, "uint32", 1),
        Values(-5, 5, "int8", 13, container="npy"),
    ],
    ids=lambda rule: f"{rule.dtype}-{rule.high:g}",
)
def test_whole_numbers_come_back_bit_by_bit(tmp_path, rule):
    array = random_array(rule)
    folder = save(options(tmp_path), {"A": rule, "B": rule}, {"fake_B": batch_of(array, rule)})
    [file] = (folder / "images").iterdir()
    assert file.name == f"a_fake_B.{rule.container}"
    back = read_array(str(file))
    assert back.dtype == array.dtype and (back == array).all()


@pytest.mark.parametrize("container", ["tif", "npy"])
@pytest.mark.parametrize(
    "dtype, low, high",
    [("float32", 0, 1), ("float32", -3, 1e6), ("float64", 5, 9), ("float16", -1, 1)],
)
def test_floats_come_back_within_a_ten_millionth_of_the_range(
    tmp_path, dtype, low, high, container
):
    rule = Values(low, high, dtype, 2, container=container)
    array = random_array(rule)
    folder = save(options(tmp_path), {"A": None, "B": rule}, {"fake_B": batch_of(array, rule)})
    back = read_array(str(folder / "images" / f"a_fake_B.{container}"))
    assert back.dtype == array.dtype
    assert np.abs(back.astype(float) - array.astype(float)).max() <= 1e-7 * (high - low)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_each_label_is_in_the_values_of_its_own_domain(tmp_path, direction):
    domains = {"A": HU, "B": SPECTRA}
    letters = "AB" if direction == "AtoB" else "BA"
    images = {letter: batch_of(random_array(domains[letter]), domains[letter]) for letter in "AB"}
    visuals = {
        f"{kind}_{label}": images[folder]
        for label, folder in zip("AB", letters, strict=True)
        for kind in ("real", "fake", "rec")
    }
    folder = save(options(tmp_path, direction=direction), domains, visuals)
    for label, domain in zip("AB", letters, strict=True):
        for kind in ("real", "fake", "rec"):
            [file] = (folder / "images").glob(f"*_{kind}_{label}.tif")
            page = tifffile.TiffFile(file).pages[0]
            assert page.dtype == domains[domain].dtype
            assert page.samplesperpixel == domains[domain].channels
            assert (folder / "previews" / f"{file.stem}.png").is_file()
    # The file says what the images of a label hold.
    assert load(folder) == {label: domains[x] for label, x in zip("AB", letters, strict=True)}


def test_8_bit_pictures_are_written_as_ever(tmp_path):
    image = torch.rand(1, 1, 16, 20) * 2 - 1
    visuals = {"real_A": image, "fake_B": image}
    plain = save(options(tmp_path), {"A": None, "B": None}, visuals)
    names = {file.name for file in (plain / "images").iterdir()}
    assert names == {"a_real_A.png", "a_fake_B.png"}
    assert not (plain / "previews").exists() and not (plain / "values.json").exists()
    expected = (image[0, 0] + 1).mul(127.5).round().numpy().astype(np.uint8)
    with Image.open(plain / "images" / "a_fake_B.png") as file:
        assert (np.asarray(file) == expected[..., None].repeat(3, 2)).all()
    mixed = save(options(tmp_path, name="mixed"), {"A": HU, "B": None}, visuals)
    before = (plain / "images" / "a_fake_B.png").read_bytes()
    assert (mixed / "images" / "a_fake_B.png").read_bytes() == before
    tif = save(options(tmp_path, name="tif", format="tif"), {"A": None, "B": None}, visuals)
    assert (tifffile.imread(tif / "images" / "a_fake_B.tif") == expected).all()


def test_pixels_without_data_come_out_as_nodata(tmp_path):
    other = Values(0, 1, "float32", 2, nodata=math.nan)
    array = random_array(HU)
    array[2:5, 3:9] = -2000
    unit = HU.to_unit(array)
    valid = torch.from_numpy(unit.valid)[None, None]
    visuals = {
        "real_A": batch_of(array, HU),
        "fake_B": torch.zeros(1, 2, 16, 20),
        "real_B": torch.zeros(1, 2, 16, 20),
    }
    folder = save(options(tmp_path), {"A": HU, "B": other}, visuals, {"A_mask": valid}) / "images"
    assert (tifffile.imread(folder / "a_real_A.tif") == array[..., 0]).all()
    fake = tifffile.imread(folder / "a_fake_B.tif")
    assert (np.isnan(fake).all(-1) == ~unit.valid).all()
    assert not np.isnan(tifffile.imread(folder / "b_real_B.tif")).any()
    tags = tifffile.TiffFile(folder / "a_fake_B.tif").pages[0].tags
    assert tags[42113].value == "nan"
    preview = np.asarray(Image.open(folder.parent / "previews" / "a_fake_B.png"))
    assert (preview[3, 4] == (120, 92, 160)).all()  # violet


def test_a_domain_without_a_value_for_no_data_gets_its_lowest(tmp_path, capsys):
    rule = Values(5, 255, "uint8", 1, nodata=-9999)  # uint8 cannot hold it
    mask = torch.ones(1, 1, 16, 20, dtype=torch.bool)
    mask[..., :4, :] = False
    visuals = {"fake_B": torch.ones(1, 1, 16, 20)}
    folder = save(options(tmp_path), {"A": HU, "B": rule}, visuals, {"A_mask": mask})
    assert "no value for pixels without data" in capsys.readouterr().out
    fake = tifffile.imread(folder / "images" / "a_fake_B.tif")
    assert (fake[:4] == 5).all() and (fake[4:] == 255).all()


def test_the_mask_of_the_one_folder_of_model_test(tmp_path):
    """With --direction BtoA, its images are of folder B, though its batches call them A."""
    mask = torch.ones(1, 1, 16, 20, dtype=torch.bool)
    mask[..., :4, :] = False
    opt = options(tmp_path, direction="BtoA", model="test", dataset_mode="single")
    folder = save(opt, {"A": HU, "B": None}, {"fake": torch.ones(1, 1, 16, 20)}, {"A_mask": mask})
    [file] = (folder / "images").iterdir()
    fake = tifffile.imread(file)
    assert fake.dtype == np.int16 and (fake[:4] == -2000).all() and (fake[4:] == 3071).all()
    with Image.open(folder / "previews" / f"{file.stem}.png") as preview:
        assert (np.asarray(preview)[:4] == (120, 92, 160)).all()  # violet


@pytest.mark.parametrize("given, saved", [("png", "fake_B"), ("jpg", "fake_A"), ("webp", None)])
def test_formats_that_lose_values_are_refused_before_anything_is_written(tmp_path, given, saved):
    opt = options(tmp_path, format=given, save=[saved] if saved else None)
    with pytest.raises(UserError, match=rf"--format {given}: domain .*choose one of tif, npy"):
        Results(opt, {"A": HU, "B": SPECTRA})
    assert not list(tmp_path.iterdir())
    Results(
        options(tmp_path, format="jpg", save=["fake_B"]), {"A": HU, "B": None}
    )  # A is not saved


def test_stretching_would_change_values(tmp_path):
    with pytest.raises(UsageError, match="--aspect_ratio 2: .*domain A"):
        Results(options(tmp_path, aspect_ratio=2.0), {"A": HU, "B": None})


def test_the_page_shows_previews_and_links_to_the_files(tmp_path):
    opt = options(tmp_path)
    visuals = {"real_A": torch.zeros(1, 1, 16, 20), "fake_B": torch.zeros(1, 5, 16, 20)}
    folder = save(opt, {"A": HU, "B": SPECTRA}, visuals)
    page = (folder / "index.html").read_text()
    assert '<a href="images/a_fake_B.tif"><img src="previews/a_fake_B.png"' in page
    assert '<a download href="images/a_fake_B.tif">.tif file</a>' in page
    assert "-1024..3071 (int16)" in page
    assert json.loads((folder / "values.json").read_text())["A"]["dtype"] == "int16"


def test_a_shared_page_holds_the_previews(tmp_path):
    visuals = {"real_A": torch.zeros(1, 1, 16, 20), "fake_B": torch.zeros(1, 5, 16, 20)}
    folder = save(options(tmp_path, format="npy"), {"A": HU, "B": SPECTRA}, visuals)
    page = SharedPage(folder).fit(10**7, lambda: None).decode()
    assert page.count('src="data:image/png') == 2
    assert "could not be read" not in page and "<a download" not in page


def test_values_that_are_not_numbers(tmp_path, capsys):
    image = torch.zeros(1, 1, 16, 20)
    image[..., 0, 0] = math.nan
    folder = save(options(tmp_path), {"A": HU, "B": SPECTRA}, {"fake_A": image}) / "images"
    assert "not numbers (NaN)" in capsys.readouterr().out
    assert tifffile.imread(folder / "b_fake_A.tif")[0, :2].tolist() == [-2000, 1024]

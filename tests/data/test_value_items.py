"""Items of datasets whose files hold other values than 8-bit pictures, and the rules for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rasters import PLAIN, both, channels, make_folder, ramp, values, write, write_pages
from samples import dataset, options

from data import create_dataset
from data.listing import remarks
from util.errors import UserError
from util.values import Values

pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

CASES = [  # type, what the files hold, kind of file, range
    ("float32", (0, 1), "tif", (0, 1)),
    ("float32", (-1, 1), "npy", (-1, 1)),
    ("int16", (-1024, 3071), "tif", (-1024, 3071)),
    ("uint16", (0, 4095), "png", (0, 4095)),
    ("uint16", (0, 255), "png", (0, 255)),
    ("uint16", (0, 65535), "png", None),
    ("uint32", (0, 255), "tif", (0, 255)),
    ("uint32", (0, 2**32 - 1), "tif", (0, 2**32 - 1)),
    ("float16", (0, 1), "npz", (0, 1)),
    ("float64", (-5, 5), "tif", (-5, 5)),
    ("uint8", (0, 100), "png", (0, 100)),
]


@pytest.mark.parametrize("dtype, held, kind, limits", CASES)
@pytest.mark.parametrize("bands", [1, 2, 5])
def test_each_value_becomes_its_place_in_the_range(dtype, held, kind, limits, bands, tmp_path):
    if kind == "png" and bands == 5:
        kind = "tif"
    array = ramp(dtype, *held, bands)
    root = both(tmp_path, [array], kind)
    made = dataset("unaligned", root, **PLAIN, **channels(bands), **values(*limits or ()))
    item = made[0]
    low, high = limits or held
    wanted = (array.astype(np.float64) - low) / (high - low) * 2 - 1
    for domain in "AB":
        assert item[domain].dtype == torch.float32
        assert np.abs(item[domain].numpy() - wanted.transpose(2, 0, 1)).max() < 1e-6
        assert item[f"{domain}_clipped"] == 0 and f"{domain}_mask" not in item
        rule = made.values[domain]
        assert (rule.low, rule.high, rule.dtype, rule.channels) == (low, high, dtype, bands)


def test_each_domain_has_its_own_rule_whatever_the_direction(tmp_path):
    make_folder(tmp_path / "trainA", "tif", [ramp("int16", -1000, 1000)])
    make_folder(tmp_path / "trainB", "npy", [ramp("float32", 0, 1, 5)])
    own = values(-1000, 1000, letter="_A") | values(0, 1, letter="_B")
    for direction, nc in (("AtoB", (1, 5)), ("BtoA", (5, 1))):
        made = dataset(
            "unaligned", tmp_path, **PLAIN, **own,
            direction=direction, input_nc=nc[0], output_nc=nc[1],
        )  # fmt: skip
        assert made.values == {
            "A": Values(-1000, 1000, "int16", 1, container="tif"),
            "B": Values(0, 1, "float32", 5, container="npy"),
        }
        item = made[0]
        assert (item["A"].shape[0], item["B"].shape[0]) == (1, 5)


def test_8_bit_pictures_stay_bytes_also_with_their_own_range(tmp_path):
    root = both(tmp_path, [ramp("uint8", 0, 255, 3)], "png")
    for given in ({}, values(0, 255)):
        made = dataset("unaligned", root, **PLAIN, **given)
        assert made.pixels(0)["A"].dtype == torch.uint8
        assert made.values == {"A": None, "B": None}


@pytest.mark.parametrize("preprocess", ["crop", "resize_and_crop", "scale_width_and_crop"])
def test_floats_are_cropped_and_mirrored_as_bytes_are(preprocess, tmp_path):
    """The same draws, and up to the two roundings of a resize in 8 bits the same values."""
    noise = np.random.default_rng(0).integers(60, 190, (30, 40, 3), dtype=np.uint8)
    root = both(tmp_path, [noise], "png")
    settings = {"preprocess": preprocess, "seed": 3, "serial_batches": True}
    seen = []
    for more in ({}, {"bands_A": [1, 2, 3], "bands_B": [1, 2, 3]}):
        loader = create_dataset(options(dataroot=str(root), **settings, **more))
        seen.append([batch for _ in range(4) for batch in loader])
    for as_bytes, as_floats in zip(*seen, strict=True):
        for domain in "AB":
            apart = (as_bytes[domain] - as_floats[domain]).abs().max()
            assert apart < (1e-6 if preprocess == "crop" else 1.5 / 127.5)


def test_resizing_leaves_missing_data_out(tmp_path):
    """A constant image stays constant beside pixels without data, and the mask follows it."""
    array = np.full((40, 48, 2), 500, np.int16)
    array[:, :20] = -9999
    root = both(tmp_path, [array])
    sizes = {"preprocess": "resize_and_crop", "load_size": 24, "crop_size": 24}
    item = dataset(
        "unaligned", root, **PLAIN | sizes, **channels(2), **values(0, 1000), nodata="-9999"
    )[0]
    mask = item["A_mask"]
    assert mask.dtype == torch.bool and mask.shape == (1, 24, 24)
    assert (~mask[0, :, :10]).all() and mask[0, :, 10:].all()
    assert item["A"][:, mask[0]].abs().max() < 1e-6
    assert (item["A"][:, ~mask[0]] == -1).all() and item["A_clipped"] == 0


def test_nan_is_an_error_or_no_data(tmp_path):
    array = ramp("float32", 0, 1)
    array[3, 4] = np.nan
    root = both(tmp_path, [array])
    settings = PLAIN | channels(1) | values(0, 1)
    with pytest.raises(UserError, match=r"trainA/0\.tif.*NaN"):
        dataset("unaligned", root, **settings)[0]
    mask = dataset("unaligned", root, **settings, nodata="nan")[0]["A_mask"]
    assert (~mask).sum() == 1 and not mask[0, 3, 4]


def test_a_choice_of_bands(tmp_path):
    array = ramp("uint16", 0, 65535, 13)
    root = both(tmp_path, [array])
    made = dataset("unaligned", root, **PLAIN, bands_A=[4, 3, 2], bands_B=[13, 13, 1])
    item = made[0]
    place = torch.from_numpy(array.astype(np.float64) / 65535 * 2 - 1).float().permute(2, 0, 1)
    assert torch.allclose(item["A"], place[[3, 2, 1]], atol=1e-6)
    assert torch.allclose(item["B"], place[[12, 12, 0]], atol=1e-6)


def test_bands_of_8_bit_pictures(tmp_path):
    array = ramp("uint8", 0, 255, 3)
    root = both(tmp_path, [array], "png")
    item = dataset("unaligned", root, **PLAIN, **channels(1), bands_A=[3], bands_B=[1])[0]
    assert np.abs((item["A"].numpy() + 1) * 127.5 - array[..., 2]).max() < 1e-4
    assert np.abs((item["B"].numpy() + 1) * 127.5 - array[..., 0]).max() < 1e-4


def test_an_unspecified_fourth_band_is_used(tmp_path):
    array = ramp("uint8", 0, 255, 4)
    extra = {"photometric": "rgb", "extrasamples": ["unspecified"]}
    root = both(tmp_path, [array], "tif", **extra)
    item = dataset("unaligned", root, **PLAIN, **channels(4))[0]
    assert np.abs((item["A"].numpy() + 1) * 127.5 - array.transpose(2, 0, 1)).max() < 1e-4


def test_pages_are_bands_if_they_are_chosen(tmp_path):
    array = ramp("float32", 0, 1, 5)
    for domain in "AB":
        write_pages(tmp_path / f"train{domain}" / "x.tif", array)
    settings = PLAIN | channels(5) | values(0, 1)
    with pytest.raises(UserError, match="several pages.* --bands_A 1 2 3 4 5 and --input_nc 5"):
        dataset("unaligned", tmp_path, **settings)
    every = [1, 2, 3, 4, 5]
    item = dataset("unaligned", tmp_path, **settings, bands_A=every, bands_B=every)[0]
    assert np.allclose(item["A"].numpy(), array.transpose(2, 0, 1) * 2 - 1, atol=1e-6)


def test_clipped_values_are_counted_and_said_once(tmp_path, capfd):
    array = ramp("float32", 0, 1)
    array[:2] = 7
    root = both(tmp_path, [array, ramp("float32", 0, 1)])
    settings = PLAIN | channels(1) | values(0, 1) | {"num_threads": 1, "batch_size": 2}
    loader = create_dataset(options(dataroot=str(root), **settings))
    for _ in range(2):
        [batch] = loader
        assert "A_clipped" not in batch
    loader.close()
    out = capfd.readouterr().out
    assert out.count("Domain A: 48 values in 1 of 2 images were outside of 0..1") == 1


def test_what_the_files_declare_to_be_no_data_is_proposed(tmp_path):
    extra = {"extratags": [(42113, "s", 0, "-9999")]}
    root = both(tmp_path, [ramp("float32", 0, 1)], **extra)
    remarks.clear()
    dataset("unaligned", root, **PLAIN, **channels(1), **values(0, 1))
    assert any("give --nodata -9999" in line for line in remarks)
    assert any("trainA: float32, 1 band, 0..1 becomes -1..1" in line for line in remarks)


def test_pairs_of_one_file(tmp_path):
    a, b = ramp("int16", -1000, 0, 2), ramp("int16", 0, 1000, 2)
    for kind in ("tif", "npy"):
        root = tmp_path / kind
        write(root / "train" / f"x.{kind}", np.concatenate([a, b], axis=1))
        own = values(-1000, 0, letter="_A") | values(0, 1000, letter="_B")
        made = dataset("aligned", root, **PLAIN, **channels(2), **own)
        item = made[0]
        assert np.allclose(item["A"].numpy(), (a / 500 + 1).transpose(2, 0, 1), atol=1e-6)
        assert np.allclose(item["B"].numpy(), (b / 500 - 1).transpose(2, 0, 1), atol=1e-6)
        assert [made.values[domain].low for domain in "AB"] == [-1000, 0]


def test_pairs_of_an_odd_width_have_halves_of_one_size(tmp_path):
    write(tmp_path / "train" / "x.npy", ramp("int16", 0, 99, 1, (41, 20)))
    item = dataset("aligned", tmp_path, **PLAIN, **channels(1), **values(0, 99))[0]
    assert item["A"].shape == item["B"].shape == (1, 20, 20)


def test_pairs_get_the_same_crop_and_flip(tmp_path):
    array = ramp("int16", -1000, 1000)
    write(tmp_path / "train" / "x.tif", np.concatenate([array, array], axis=1))
    settings = {"preprocess": "resize_and_crop", **channels(1), **values(-1000, 1000)}
    made = dataset("aligned", tmp_path, **settings)
    for _ in range(4):
        item = made[0]
        assert item["A"].shape == (1, 16, 16) and torch.equal(item["A"], item["B"])


def test_one_folder_for_one_direction(tmp_path):
    make_folder(tmp_path, "npy", [ramp("float32", 0, 1, 2)])
    for direction, own in (("AtoB", "A"), ("BtoA", "B")):
        given = values(0, 1, letter=f"_{own}")
        made = dataset(
            "single", tmp_path, **PLAIN, **channels(2), **given, direction=direction, isTrain=False
        )
        assert made.values[own].dtype == "float32"
        assert made[0]["A"].shape == (2, 20, 24) and made[0]["A_clipped"] == 0


def test_a_transform_for_8_bit_images_is_refused(tmp_path):
    root = both(tmp_path, [ramp("float32", 0, 1)])
    made = dataset("unaligned", root, **PLAIN, **channels(1), **values(0, 1))
    made.transform_A = np.asarray
    with pytest.raises(UserError, match="need the transform of get_transform"):
        made[0]


def test_validation_images_do_not_change_the_rules_of_the_training(tmp_path):
    """Validation images of another depth get a rule of their own."""
    root = both(tmp_path, [ramp("uint8", 0, 255, 3)], "png")
    training = dataset("unaligned", root, **PLAIN)
    for domain in "AB":
        make_folder(tmp_path / f"val{domain}", "tif", [ramp("uint16", 0, 65535, 3)])
    opt = {"isTrain": False, "phase": "val", "domain_values": training.values}
    validation = dataset("unaligned", root, **PLAIN, **opt)
    assert validation.values["A"] is not None and training.values == {"A": None, "B": None}

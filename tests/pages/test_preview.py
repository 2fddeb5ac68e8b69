"""The mapping of images with any number of bands and any values to what pages show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.rasters.shown import read_shown
from util import images
from util.image.preview import NODATA, Preview, choose, mapping, percentiles, preview
from util.values import Values

RULES = {"A": Values(0, 1, "float32", 13, nodata=-1.0), "B": Values(-1024, 3071, "int16", 1)}


def levels(channels: int) -> np.ndarray:
    """An image (2, 2, C) whose band i has the level 10 i, apart from rounding."""
    return np.broadcast_to(np.arange(1, channels + 1) / 12.75 - 1, (2, 2, channels))


@pytest.mark.parametrize(
    ("channels", "bands", "pixel", "words"),
    [
        (1, (), [10, 10, 10], "band 1 as gray"),
        (2, (), [10, 20, 10], "bands 1 and 2 as magenta and green"),
        (3, (), [10, 20, 30], "bands 1, 2 and 3 as red, green and blue"),
        (5, (), [10, 20, 30], "bands 1, 2 and 3 as red, green and blue"),
        (13, (13,), [130, 130, 130], "band 13 as gray"),
        (13, (8, 4), [80, 40, 80], "bands 8 and 4 as magenta and green"),
        (13, (8, 4, 3), [80, 40, 30], "bands 8, 4 and 3 as red, green and blue"),
        (1, (8, 4, 3), [10, 10, 10], "band 1 as gray"),  # it does not have them
    ],
)
def test_bands(channels: int, bands: tuple, pixel: list, words: str) -> None:
    shown = preview(levels(channels), bands)
    assert shown.dtype == np.uint8 and shown.shape == (2, 2, 3)
    assert shown[0, 0].tolist() == pixel
    assert mapping(channels, bands) == words
    assert len(choose(channels, bands)) == len(set(pixel))


def test_pixels_without_data_are_violet_and_the_rest_is_clipped() -> None:
    unit = np.array([[[np.nan], [np.inf], [-np.inf], [-9], [1.5], [0]]])
    valid = np.array([[True, True, True, True, True, False]])
    assert preview(unit, valid=valid)[0].tolist() == [
        [*NODATA], [255] * 3, [0] * 3, [0] * 3, [255] * 3, [*NODATA],
    ]  # fmt: skip


def test_percentiles_of_each_band() -> None:
    ramp = np.linspace(-0.5, 0.5, 101)[None, :, None]
    unit = np.concatenate([ramp, ramp / 10, ramp * 0], -1)
    limits = percentiles(unit)
    assert np.allclose(limits, [[-0.48, 0.48], [-0.048, 0.048], [-1, 1]])
    shown = preview(unit, limits=limits)[0]
    assert shown[[2, 50, 98], 0].tolist() == shown[[2, 50, 98], 1].tolist() == [0, 128, 255]
    assert set(shown[:, 2]) == {128}
    valid = np.arange(101)[None] < 51
    assert np.allclose(percentiles(unit, valid)[0], [-0.49, -0.01])
    assert percentiles(unit, valid & False).tolist() == [[-1, 1]] * 3


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 13])
def test_images_of_a_run_with_values(channels: int) -> None:
    how = Preview(domains=RULES)
    batch = torch.from_numpy(levels(channels).transpose(2, 0, 1).copy())[None]
    mask = torch.tensor([[True, False], [True, True]])[None, None]
    visuals = {"real_A": batch, "fake_B": batch[:, :1], "real_B": batch[:, :1]}
    shown = images.show_images(visuals, 0, lambda _: None, how, {"A": mask})
    assert {image.shape for image in shown.values()} == {(2, 2, 3)}
    assert shown["real_A"][0, 0, :2].tolist() == [10, 20 if channels > 1 else 10]
    assert tuple(shown["real_A"][0, 1]) == tuple(shown["fake_B"][0, 1]) == NODATA
    assert tuple(shown["real_B"][0, 1]) == (10, 10, 10)


def test_translations_are_shown_by_the_percentiles_of_the_real_image() -> None:
    real, fake = torch.linspace(0, 0.1, 256).view(1, 1, 16, 16), torch.full((1, 1, 16, 16), 0.05)
    how = Preview(spread="percentiles", domains=RULES)
    shown = images.show_images({"fake_B": fake, "real_B": real}, how=how)
    assert set(shown["fake_B"].ravel()) <= {127, 128} and shown["real_B"].std() > 60
    alone = images.show_images({"fake_B": fake}, how=how)["fake_B"]
    assert set(alone.ravel()) == {134}  # a single value has no spread: the range is shown
    assert set(images.show_images({"fake_B": fake}, how=Preview())["fake_B"].ravel()) == {134}


def test_8_bit_images_with_chosen_bands() -> None:
    batch = torch.tensor([10.0, 20, 30, 40]).div(127.5).sub(1).view(1, 4, 1, 1)
    plain = images.show_images({"x": batch})["x"]
    assert plain[0, 0].tolist() == [10, 20, 30, 40]
    lines: list[str] = []
    shown = images.show_images({"x": batch}, 0, lines.append, Preview((4, 3, 2)))["x"]
    assert shown[0, 0].tolist() == [40, 30, 20] and "bands 4, 3 and 2" in lines[0]
    shown = images.show_images({"x": batch[:, :3]}, 0, lines.append, Preview((4, 3, 2)))["x"]
    assert shown[0, 0].tolist() == [10, 20, 30] and "--show_bands is not used" in lines[1]


def test_facts_for_pages() -> None:
    facts = Preview((4, 3, 2), domains=RULES).facts()
    assert facts["Images of B"] == "-1024..3071 (int16) as black to white"
    assert "bands 4, 3 and 2 as red, green and blue, violet: no data" in facts["Images of A"]
    assert (
        "percentile 2 to 98" in Preview(spread="percentiles", domains=RULES).facts()["Images of B"]
    )
    assert Preview().facts() == {}


def test_files_of_any_values_for_sheets(tmp_path: Path) -> None:
    """A file is shown by its preview, if it is a result, else by the percentiles of its bands."""
    folder = tmp_path / "images" / "sub"
    folder.mkdir(parents=True)
    ramp = np.linspace(-500, 500, 101, dtype=np.float32).reshape(1, -1)
    np.save(folder / "x.npy", ramp)
    shown = np.asarray(read_shown(str(folder / "x.npy")))
    assert shown[0, [0, 50, 100], 0].tolist() == [0, 128, 255]
    (tmp_path / "previews" / "sub").mkdir(parents=True)
    Image.new("RGB", (101, 1), "red").save(tmp_path / "previews" / "sub" / "x.png")
    assert read_shown(str(folder / "x.npy")).getpixel((0, 0)) == (255, 0, 0)
    assert read_shown(str(tmp_path / "previews" / "sub" / "x.png")).size == (101, 1)

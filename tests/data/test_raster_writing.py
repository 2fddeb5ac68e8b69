"""Arrays of any type come back from the files that are written of them, with their tags."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import tifffile
from PIL import Image

from util.errors import UserError
from util.image.raster_tags import RasterTags
from util.image.raster_writing import check_format, encode_raster, formats_of, save_raster
from util.values import Values

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")


def random_array(dtype: str, channels: int) -> np.ndarray:
    """(7, 9, C) with the extreme values of its type among others."""
    rng = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        array = rng.normal(0, 100, (7, 9, channels))
    else:
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, (7, 9, channels), endpoint=True, dtype=dtype)
        array.flat[:2] = limits.min, limits.max
    return array.astype(dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_every_type_comes_back_from_tiff_and_numpy_files(channels):
    for dtype in TYPES:
        array = random_array(dtype, channels)
        expected = array[..., 0] if channels == 1 else array
        for read, kind in ((tifffile.imread, "tif"), (np.load, "npy")):
            back = read(io.BytesIO(encode_raster(array, kind)))
            assert back.dtype == array.dtype and back.shape == expected.shape
            assert (back == expected).all()


@pytest.mark.parametrize(
    "dtype, channels, photometric, extra",
    [
        ("uint8", 1, "MINISBLACK", 0),
        ("uint16", 2, "MINISBLACK", 1),
        ("uint8", 3, "RGB", 0),
        ("uint16", 3, "RGB", 0),
        ("float32", 3, "MINISBLACK", 2),
        ("uint8", 4, "RGB", 1),
        ("int16", 13, "MINISBLACK", 12),
    ],
)
def test_what_a_tiff_says_of_its_bands(dtype, channels, photometric, extra):
    content = encode_raster(random_array(dtype, channels), "tif")
    page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    assert page.photometric.name == photometric
    assert page.planarconfig == 1 and page.compression.name == "ADOBE_DEFLATE"
    assert [kind.name for kind in page.extrasamples] == ["UNSPECIFIED"] * extra


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_pngs_are_exact(tmp_path, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    array = random_array("uint16", channels)
    save_raster(array, tmp_path / "new" / "a.png")
    back = imagecodecs.png_decode((tmp_path / "new" / "a.png").read_bytes())
    assert back.dtype == np.uint16 and (back.reshape(array.shape) == array).all()


def test_pngs_that_pillow_reads_are_exact(tmp_path):
    modes = {("uint8", 1): "L", ("uint8", 2): "LA", ("uint8", 3): "RGB", ("uint8", 4): "RGBA"}
    for (dtype, channels), mode in {**modes, ("uint16", 1): "I;16"}.items():
        array = random_array(dtype, channels)
        save_raster(array, tmp_path / "a.png", tags=RasterTags(resolution=(300.0, 150.0, 2)))
        with Image.open(tmp_path / "a.png") as image:
            assert image.mode == mode
            assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-4)
            assert (np.asarray(image).reshape(array.shape) == array).all()


def test_16_bit_colours_are_those_that_pillow_reduces():
    """Pillow decodes 16-bit RGB to its upper 8 bits, and checks the sums of all chunks."""
    array = random_array("uint16", 3)
    with Image.open(io.BytesIO(encode_raster(array, "png"))) as image:
        image.load()
        assert (np.asarray(image) == array >> 8).all()


@pytest.mark.parametrize("nodata, text", [(-9999, "-9999"), (math.nan, "nan"), (0.5, "0.5")])
def test_pixels_without_data_are_declared(nodata, text):
    content = encode_raster(random_array("float32", 2), "tif", nodata)
    assert tifffile.TiffFile(io.BytesIO(content)).pages[0].tags[42113].value == text


@pytest.mark.parametrize(
    "rule, accepted",
    [
        (None, "png jpg webp tif npy"),
        (Values(0, 65535, "uint16", 1), "tif npy png"),
        (Values(0, 65535, "uint16", 5), "tif npy"),
        (Values(-1000, 1000, "int16", 1), "tif npy"),
        (Values(0, 1, "float32", 3), "tif npy"),
        (Values(0, 200, "uint8", 3), "tif npy png jpg webp"),
        (Values(0, 200, "uint8", 3, nodata=0), "tif npy png"),
        (Values(0, 255, "uint8", 2), "tif npy png"),
    ],
)
def test_formats_that_lose_values_are_refused(rule, accepted):
    assert " ".join(formats_of(rule)) == accepted
    for name in ("png", "jpg", "webp", "tif", "npy"):
        if name in accepted:
            check_format(name, rule, f"--format {name}", "domain B")
        else:
            with pytest.raises(
                UserError, match=f"^--format {name}: domain B .*{accepted.split()[-1]}"
            ):
                check_format(name, rule, f"--format {name}", "domain B")


def test_errors_of_writing_name_the_file(tmp_path):
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*a\.tif: "):
        save_raster(random_array("int16", 1), tmp_path / "a.tif")
    (tmp_path / "b.npy").symlink_to(tmp_path / "c.npy")
    with pytest.raises(UserError, match=r"b\.npy: it is a link"):
        save_raster(random_array("int16", 1), tmp_path / "b.npy")


AREA = (1, 1, 0, 1, 1025, 0, 1, 1)  # the key directory of a GeoTIFF whose pixels are areas
POINT = (1, 1, 0, 1, 1025, 0, 1, 2)
UTM = {"scale": (10.0, 20.0, 0.0), "tiepoints": (0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0)}


def corner(tags: RasterTags) -> tuple[float, float]:
    """The map's x and y of column 0 and row 0, from the scale and the tiepoint."""
    column, row, _, x, y, _ = tags.tiepoints
    return x - column * tags.scale[0], y + row * tags.scale[1]


def test_the_place_of_a_crop_and_of_a_resized_image():
    """GDAL gives the same places for these tags; it is not needed for the test."""
    area, point = (RasterTags(**UTM, keys={34735: keys}) for keys in (AREA, POINT))
    assert area.moved((1, 1), (5, 3)).scale == (10, 20, 0)
    assert corner(area.moved((1, 1), (5, 3))) == (500050, 4600000 - 60)
    assert corner(point.moved((1, 1), (5, 3))) == (500050, 4600000 - 60)
    half = area.moved((0.5, 0.5), (4, 0))
    assert half.scale == (20, 40, 0) and corner(half) == (500080, 4600000)
    # the centre of the first pixel moves by half a pixel when two become one
    assert corner(point.moved((0.5, 0.5), (0, 0))) == (500005, 4600000 - 10)


def test_the_place_by_a_matrix_and_by_several_points():
    matrix = (10.0, 2.0, 0.0, 500000.0, 3.0, -10.0, 0.0, 4600000.0, *(0.0,) * 7, 1.0)
    moved = RasterTags(matrix=matrix).moved((2, 0.5), (6, 2)).matrix
    assert moved[:2] == (5, 4) and moved[4:6] == (1.5, -20)
    assert moved[3] == 500000 + 10 * 3 + 2 * 4 and moved[7] == 4600000 + 3 * 3 - 10 * 4
    points = RasterTags(tiepoints=(0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 8.0, 8.0, 0.0, 9.0, 9.0, 0.0))
    assert points.moved((0.5, 0.5), (1, 1)).tiepoints[6:8] == (3, 3)


def test_resolution_and_the_tags_that_a_result_keeps(tmp_path):
    items = '<Item name="UNIT">m</Item><Item name="BAND" sample="0">red</Item>'
    statistics = '<Item name="STATISTICS_MAXIMUM" sample="0">3</Item>'
    metadata = f"<GDALMetadata>{items}{statistics}</GDALMetadata>"
    tags = RasterTags(**UTM, keys={34735: AREA}, metadata=metadata, resolution=(300.0, 300.0, 2))
    assert tags.moved((0.5, 0.25), (0, 0)).resolution == (150, 75, 2)
    assert tags.for_result(same_bands=True).metadata == f"<GDALMetadata>{items}</GDALMetadata>"
    assert "BAND" not in tags.for_result(same_bands=False).metadata
    only_bands = RasterTags(metadata=f"<GDALMetadata>{statistics}</GDALMetadata>")
    assert not only_bands.for_result(same_bands=True)
    save_raster(random_array("float32", 1), tmp_path / "a.tif", tags=tags)
    page = tifffile.TiffFile(tmp_path / "a.tif").pages[0]
    written = {tag.code: tag.value for tag in page.tags}
    assert written[33550] == UTM["scale"] and written[33922] == UTM["tiepoints"]
    assert written[34735] == AREA and written[42112] == metadata
    assert (written[282], written[296]) == ((300, 1), 2)

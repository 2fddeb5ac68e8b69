"""Listing the images of a folder, and reading images of every kind."""

import itertools
import os
import struct
import zlib

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from data.image_file import read_image
from data.listing import image_paths, is_image_file
from util.errors import UserError
from util.image.writing import save_image


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def read(path, *args, **options):
    image = read_image(str(path), *args, **options)
    assert image.mode == {2: "LA", 4: "RGBA"}.get(args[0] if args else 3, "RGB")
    return np.asarray(image)


# Kinds of images


@pytest.mark.parametrize("extension", ["png", "bmp", "ppm", "tif", "TIFF", "webp"])
def test_lossless_formats(extension, pixels, tmp_path):
    path = tmp_path / f"x.{extension}"
    Image.fromarray(pixels).save(path, **({"lossless": True} if extension == "webp" else {}))
    assert (read(path) == pixels).all()


def test_jpeg(pixels, tmp_path):
    picture(tmp_path / "x.png")
    Image.open(tmp_path / "x.png").save(tmp_path / "x.JPEG", quality=98, subsampling=0)
    assert np.abs(read(tmp_path / "x.JPEG").astype(int) - read(tmp_path / "x.png")).mean() < 1.5


def test_gray_is_repeated(pixels, tmp_path):
    gray = pixels[..., 0]
    Image.fromarray(gray).save(tmp_path / "8.png")
    Image.fromarray((gray > 99).astype(np.uint8) * 255).convert("1").save(tmp_path / "1.png")
    assert (read(tmp_path / "8.png") == gray[..., None]).all()
    assert (read(tmp_path / "1.png") == np.where(gray > 99, 255, 0)[..., None]).all()


@pytest.mark.parametrize("transparency", [None, 3, b"\0\x80\xff"])
def test_palette(transparency, tmp_path):
    indices, colours = (
        np.arange(60, dtype=np.uint8).reshape(6, 10) % 8,
        np.arange(24, dtype=np.uint8).reshape(8, 3) * 10,
    )
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.tobytes())
    image.putdata(indices.flatten().tolist())
    image.save(
        tmp_path / "x.png", **({} if transparency is None else {"transparency": transparency})
    )
    assert Image.open(tmp_path / "x.png").mode == "P"
    assert (read(tmp_path / "x.png") == colours[indices]).all()


@pytest.mark.parametrize("extension", ["tif", "jpg"])
def test_cmyk(extension, tmp_path):
    for ink, colour in (
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ):
        Image.new("CMYK", (8, 8), ink).save(tmp_path / f"x.{extension}")
        assert np.abs(read(tmp_path / f"x.{extension}").astype(int) - colour).max() <= 3


def test_alpha_is_dropped_or_kept(pixels, tmp_path):
    alpha = np.arange(60, dtype=np.uint8).reshape(6, 10) * 4
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([pixels[..., 0], alpha])).save(tmp_path / "la.png")
    assert Image.open(tmp_path / "la.png").mode == "LA"
    for channels in (1, 3):  # colours under full transparency stay; gray is made later
        assert (read(tmp_path / "rgba.png", channels) == pixels).all()
        assert (read(tmp_path / "la.png", channels) == pixels[..., :1]).all()
    assert (read(tmp_path / "rgba.png", 4) == np.dstack([pixels, alpha])).all()
    assert (read(tmp_path / "la.png", 4) == np.dstack([*[pixels[..., 0]] * 3, alpha])).all()
    assert (read(tmp_path / "la.png", 2) == np.dstack([pixels[..., 0], alpha])).all()
    assert (read(tmp_path / "rgba.png", 2)[..., 1] == alpha).all()
    Image.fromarray(pixels).save(tmp_path / "rgb.png")
    assert (read(tmp_path / "rgb.png", 4) == np.dstack([pixels, np.full((6, 10), 255)])).all()
    with pytest.raises(UserError, match="5"):
        read_image(str(tmp_path / "rgb.png"), 5)


@pytest.mark.parametrize(
    ("name", "channels"), [("x.jpg", 3), ("x.JPEG", 3), ("x.png", 4), ("x.webp", 4)]
)
def test_saving_alpha(name, channels, tmp_path):
    """JPEG cannot store alpha."""
    save_image(np.full((6, 10, 4), 200, np.uint8), tmp_path / name)
    saved = np.asarray(Image.open(tmp_path / name))
    assert saved.shape == (6, 10, channels) and np.abs(saved.astype(int) - 200).max() <= 2


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_sixteen_bits_are_scaled(extension, tmp_path):
    deep = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    Image.fromarray(deep).save(tmp_path / f"x.{extension}")
    made = read(tmp_path / f"x.{extension}")
    assert np.abs(made[..., 0] - deep / 257).max() <= 1
    assert made.min() == 0 and made.max() == 255


def test_sixteen_bit_colour(tmp_path):
    """Made by hand: Pillow does not write such files."""
    deep = np.random.default_rng(0).integers(0, 65536, (4, 5, 3)).astype(">u2")

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    (tmp_path / "x.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert np.abs(read(tmp_path / "x.png") - deep / 257).max() <= 1


TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.rot90(np.fliplr(a)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.flipud(a)),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_orientation(orientation, pixels, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for extension in ("png", "jpg"):
        Image.fromarray(pixels).save(tmp_path / f"x.{extension}", exif=exif)
        plain = np.asarray(Image.open(tmp_path / f"x.{extension}"))
        assert (read(tmp_path / f"x.{extension}", exif=False) == plain).all()
        assert (read(tmp_path / f"x.{extension}") == TURNS[orientation](plain)).all()


@pytest.mark.parametrize(
    "note", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x05", b"Exif\0\0"]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_is_ignored(note, pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=note)
    assert read(tmp_path / "x.jpg").shape == (6, 10, 3)


# Files that cannot be read


def test_errors_are_one_line_that_names_the_file(tmp_path):
    whole = picture(tmp_path / "whole.png", size=(200, 200)).read_bytes()
    Image.open(tmp_path / "whole.png").save(tmp_path / "whole.jpg")
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.png").write_bytes(whole[:20])
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:1500])
    (tmp_path / "text.png").write_text("no image\n")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        whole[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + whole[33:]
    )
    for name in (
        "half.png",
        "head.png",
        "half.jpg",
        "text.png",
        "empty.png",
        "folder.jpg",
        "link.png",
        "loop.png",
        "bomb.png",
        "none.png",
    ):
        with pytest.raises(UserError) as error:
            read_image(str(tmp_path / name))
        message = str(error.value)
        assert str(tmp_path / name) in message and "\n" not in message
        assert len(message) > len(f"cannot read the image {tmp_path / name}: ")


# Folders


def test_which_files_are_images():
    for name in (
        "a.jpg",
        "a.JPG",
        "a.Jpeg",
        "a.png",
        "a.ppm",
        "a.bmp",
        "a.tif",
        "a.tiff",
        "a.webp",
        "a.b.PNG",
    ):
        assert is_image_file(name)
    for name in ("a.txt", "png", "a.png.part", "a.gif", "a.npy", "Thumbs.db"):
        assert not is_image_file(name)


def test_all_images_of_a_folder_sorted(tmp_path):
    names = ("b.png", "a.JPG", "10.png", "9.png", "sub/c.webp", "sub.jpg/d.bmp", "sub/deeper/e.tif")
    for name in (*names, "notes.txt"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f.png").touch()
    (tmp_path / "x" / "linked").symlink_to(tmp_path / "elsewhere")
    wanted = sorted(str(tmp_path / "x" / name) for name in (*names, "linked/f.png"))
    assert image_paths(str(tmp_path / "x")) == wanted
    for limit, length in itertools.chain(
        ((n, n) for n in range(1, 9)), ((100, 8), (float("inf"), 8))
    ):
        assert image_paths(str(tmp_path / "x"), limit) == wanted[:length]


def message(folder):
    with pytest.raises(UserError) as error:
        image_paths(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_and_empty_folders(tmp_path):
    for name in (
        "one/trainA",
        "one/testA",
        "two/trainA",
        "two/trainB",
        "upper/TrainA",
        "trainB/x",
        "empty/trainA",
        "outer/horses/trainA",
    ):
        (tmp_path / name).mkdir(parents=True)
    assert "has no folder trainB; it has testA/, trainA/" in message(tmp_path / "one" / "trainB")
    assert "unpaired images, for models such as cycle_gan" in message(tmp_path / "two" / "train")
    assert "trainA" in message(tmp_path / "nowhere" / "trainA")
    assert "rename TrainA/ to trainA" in message(tmp_path / "upper" / "trainA")
    assert f"--dataroot {tmp_path / 'outer' / 'horses'}?" in message(tmp_path / "outer" / "trainA")
    assert f"--dataroot {tmp_path}?" in message(tmp_path / "trainB" / "trainA")
    text = message(tmp_path / "empty" / "trainA")
    assert str(tmp_path / "empty" / "trainA") in text and "no images" in text and "jpg" in text
    os.remove(picture(tmp_path / "empty" / "trainA" / "x.png"))
    (tmp_path / "empty" / "trainA" / "x.txt").touch()
    assert "no images" in message(tmp_path / "empty" / "trainA")


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "trainA").touch()
    assert "rename trainA to trainA" not in message(tmp_path / "trainA")


def test_a_dataset_may_be_called_training(tmp_path):
    (tmp_path / "training_data" / "images").mkdir(parents=True)
    assert "its parent" not in message(tmp_path / "training_data" / "trainA")

"""Files are refused if not all their values, bands and pages would be read, and if too large."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_EPOCH, ROOT, TINY, Programs, picture, pictures
from PIL import EpsImagePlugin, Image
from test_bad_data import header
from tiff import write_tiff

from data.image_file import check_values, evenly_spread, limit_pixels, open_image, read_image
from util.errors import UserError

RNG = np.random.default_rng(0)


def integers(kind: str, *shape: int, highest: int = 120) -> np.ndarray:
    return RNG.integers(0, highest, shape or (20, 30)).astype(kind)


REFUSED = {
    "float32": ([integers("f4")], {}, "floating-point"),
    "signed16": ([integers("i2")], {}, "signed"),
    "signed8": ([integers("i1")], {}, "signed"),
    "signed32": ([integers("i4")], {}, "signed"),
    "unsigned32": ([integers("u4")], {}, "32-bit"),
    "float64": ([integers("f8")], {}, "not supported"),
    "float16": ([integers("f2")], {}, "not supported"),
    "white_is_zero": ([integers("u2", highest=60000)], {262: [0]}, "0 is white"),
    "unspecified": ([integers("u1", 20, 30, 4)], {338: [0]}, "4 bands"),
    "unspecified16": ([integers("u2", 20, 30, 4, highest=60000)], {338: [0]}, "4 bands"),
    "alpha_and_more": ([integers("u1", 20, 30, 5)], {338: [2, 0]}, "5 bands"),
    "thirteen": ([integers("u1", 20, 30, 13)], {262: [1], 338: [0] * 12}, "at most 4"),
    "pages": ([integers("u1"), integers("u1")], {}, "several pages"),
    "larger_pages": ([integers("u1"), integers("u1", 40, 60)], {}, "several pages"),
}


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, channels: int, tmp_path: Path) -> None:
    arrays, tags, words = REFUSED[kind]
    path = write_tiff(tmp_path / "x.tif", *arrays, tags=tags)
    with pytest.raises(UserError, match=words) as error:
        read_image(str(path), channels)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_accepted(tmp_path: Path) -> None:
    """Declared alpha, overviews and masks are no extra bands or pages."""
    pixels = integers("u1", 20, 30, 4)
    path = write_tiff(tmp_path / "alpha.tif", pixels, tags={338: [2]})
    assert (np.asarray(read_image(str(path), 4)) == pixels).all()
    rgb, small = pixels[..., :3].copy(), pixels[::2, ::2, :3].copy()
    for kind in (1, 4, 5):
        path = write_tiff(tmp_path / f"{kind}.tif", rgb, small, small, later={254: [kind]})
        assert (np.asarray(read_image(str(path))) == rgb).all()
    path = write_tiff(tmp_path / "third.tif", rgb, small, rgb, later={254: [0]})
    with pytest.raises(UserError, match="several pages"):
        read_image(str(path))


def bmp32(path: Path) -> None:
    """Write a 2x2 BMP with 32 bits per pixel, of which Pillow reads 24."""
    head = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 32, 0, 16, 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + head + bytes(16))


def test_invented_alpha_is_said(run: Programs, tmp_path: Path) -> None:
    """With 2 and 4 channels, images without alpha are counted, by check_data, too."""
    colours = Image.fromarray(integers("u1", 40, 40, 3))
    for mode in ("RGB", "L", "P", "1"):
        colours.convert(mode).save(tmp_path / f"{mode}.png")
    colours.convert("CMYK").save(tmp_path / "CMYK.jpg")
    bmp32(tmp_path / "32.bmp")
    for i, mode in enumerate(("RGBA", "LA", "P", "RGB")):
        more = {"P": {"transparency": 0}, "RGB": {"transparency": (1, 2, 3)}}.get(mode, {})
        (tmp_path / "alpha").mkdir(exist_ok=True)
        colours.convert(mode).save(tmp_path / "alpha" / f"{i}.png", **more)
    for folder, names in (("trainA", "*/*.png"), ("trainB", "*.*")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for path in list(tmp_path.glob(names)):
            shutil.copy(path, tmp_path / "data" / folder)
    args = ("--dataroot", tmp_path / "data", *TINY, *ONE_EPOCH, "--output_nc", "4")
    line = "trainB: 6 of 6 images without alpha, which are taken as opaque (255)"
    for more in (("--input_nc", "4"), ("--input_nc", "2"), ()):
        result = run.check(*args, *more)
        assert result.out.count("without alpha") == 1 and line in result.out
    assert run.train(*args, "--name", "x", *ONE_EPOCH).ok().out.count(line) == 1


@pytest.mark.parametrize("extension", ["png", "webp", "tif"])
def test_animations_and_pages(extension: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(integers("u1", 8, 9, 3)) for _ in range(3)]
    path = tmp_path / f"x.{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(UserError, match="several pages"):
        read_image(str(path))
    frames[0].save(path, save_all=True, lossless=True)
    assert read_image(str(path)).size == (9, 8)


def test_training_and_check_data_refuse(run: Programs, tmp_path: Path) -> None:
    pictures(tmp_path / "data" / "trainB", ["b.png"])
    path = write_tiff(tmp_path / "data" / "trainA" / "hu.tif", integers("f4"))
    args = ("--dataroot", tmp_path / "data", *TINY, *ONE_EPOCH)
    checked = run.check(*args)
    assert checked.status == 1
    assert "float32 in 1 band" in checked.out and "--value_range_A 0" in checked.out
    run.train(*args, "--name", "x").refused(1, path, "float32", "--value_range_A 0")


# A folder of images with 16 bits


def deep(path: Path, highest: int) -> Path:
    """Write a 16-bit image (grayscale), whose largest value is ``highest``."""
    array = np.linspace(0, highest, 600).astype(np.uint16).reshape(20, 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_twelve_bits_in_sixteen(name: str, tmp_path: Path) -> None:
    low, high = (str(deep(tmp_path / folder / name, v)) for folder, v in (("a", 4095), ("b", 4096)))
    with pytest.raises(UserError, match="0..65535.*no value of the 2 images .* above 4095"):
        check_values([low, low], "trainA")
    check_values([low, high], "trainA")
    check_values([str(picture(tmp_path / "8.png"))], "trainA")


@pytest.mark.parametrize("kind", ["rgb.tif", "rgba.tif", "rgb.ppm"])
def test_colours_of_sixteen_bits(kind: str, tmp_path: Path) -> None:
    """Of 16-bit colours Pillow gives 8 bits, but values up to 4095 are refused there, too."""
    for highest, refused in ((4095, True), (4352, False)):
        array = np.full((20, 30, 4), 65535, np.uint16)
        array[..., :3] = np.linspace(0, highest, 1800).reshape(20, 30, 3)
        path = tmp_path / kind
        if kind.endswith("ppm"):
            path.write_bytes(b"P6 30 20 65535\n" + array[..., :3].astype(">u2").tobytes())
        elif kind == "rgb.tif":
            write_tiff(path, array[..., :3].copy())
        else:
            write_tiff(path, array, tags={338: [2]})
        if refused:
            with pytest.raises(UserError, match="4095"):
                check_values([str(path)], "trainA")
        else:
            check_values([str(path)], "trainA")


def test_fifty_evenly_spread() -> None:
    paths = [str(i) for i in range(1000)]
    assert evenly_spread(paths, 50) == paths[::20]
    assert evenly_spread(paths[:70], 50)[-1] == "68" and len(evenly_spread(paths[:70], 50)) == 50
    assert evenly_spread(paths[:7], 50) == paths[:7]


def test_programs_say_that_twelve_bits_are_almost_black(run: Programs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for domain in "AB":
        deep(data / f"train{domain}" / "x.png", 4095)
    args = ("--dataroot", data, *TINY, *ONE_EPOCH, "--load_size", "34", "--crop_size", "32")
    run.train(*args, "--name", "x").refused(1, data / "trainA", "--input_nc 1")
    checked = run.check(*args)
    assert checked.status == 1 and "give --value_range_A 0 4095" in checked.out
    assert not (run.runs / "x" / "latest_net_G_A.pth").exists()
    args += ("--input_nc", "1", "--output_nc", "1")
    for result in (run.train(*args, "--name", "y").ok(), run.check(*args)):
        for domain in "AB":
            warning = f"warning: train{domain}: 16 bits are read as 0..65535, but no value"
            assert warning in result.err and f"--value_range_{domain} 0 4095" in result.err
    from scripts import evaluate

    folders = ("--fake", data / "trainA", "--real", data / "trainB")
    run.call(evaluate.main, "evaluate.py", *folders).refused(1, "trainB", "--value_range 0 4095")


# Size, and formats


def test_too_little_memory_to_resize(
    run: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is named. Pillow raises the same error for one of a single column or row."""

    def resize(*args: object) -> None:
        raise MemoryError

    for domain in "AB":
        pictures(tmp_path / "data" / f"train{domain}", ["1.png"])
    monkeypatch.setattr(Image.Image, "resize", resize)
    args = ("--dataroot", tmp_path / "data", "--name", "x", *TINY, *ONE_EPOCH)
    run.train(*args).refused(1, f"cannot use the image {tmp_path / 'data'}/train", "memory")


@pytest.fixture
def pixel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore Pillow's limit after the test."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.mark.usefixtures("pixel_limit")
def test_max_pixels(tmp_path: Path) -> None:
    """Larger images are refused without talk of an attack, and read with a larger limit."""
    for size in ((13000, 13000), (15000, 14000), (60000, 60000)):
        path = tmp_path / "x.png"
        path.write_bytes(header(*size))
        limit_pixels(10**8)
        with (
            pytest.raises(UserError, match="x.png: .*100000000 pixels.*--max_pixels") as error,
            open_image(str(path)),
        ):
            pass
        assert "attack" not in str(error.value)
        limit_pixels(size[0] * size[1])
        with open_image(str(path)) as image:
            assert image.size == size


@pytest.mark.usefixtures("pixel_limit")
def test_every_program_has_the_limit(
    run: Programs, aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of 80x40 are refused with --max_pixels 3199; workers have the limit, too."""
    monkeypatch.syspath_prepend(ROOT / "datasets")
    import combine_A_and_B

    from scripts import evaluate, sheet

    low, enough = ("--max_pixels", "3199"), ("--max_pixels", "3200")
    train = ("--dataroot", aligned, "--dataset_mode", "aligned", "--model", "pix2pix")
    train += (*TINY, *ONE_EPOCH, "--netG", "resnet_6blocks", "--name", "x")
    run.train(*train, *low, "--num_threads", "1").refused(1, "3199 pixels", "--max_pixels")
    assert run.check(*train, *low).out.count("3199 pixels") >= 2
    run.train(*train, *enough, "--name", "y").ok()
    test = ("--dataroot", aligned, "--name", "y", "--gpu_ids", "-1")
    run.test(*test, *low).refused(1, "3199 pixels")
    run.test(*test, *enough).ok()
    folders = ("--fake", aligned / "test", "--real", aligned / "test")
    run.call(evaluate.main, "evaluate.py", *folders, *low).refused(1, "3199 pixels")
    run.call(evaluate.main, "evaluate.py", *low, *folders, *folders, *enough).ok()
    pictures(tmp_path / "see" / "a", ["1_fake.png"], size=(80, 40))
    shown = ("--images", tmp_path / "see" / "a", "--labels", "fake", "--output", tmp_path / "s.png")
    run.call(sheet.main, "sheet.py", *shown, *low).refused(1, "3199 pixels")
    shutil.copytree(aligned, tmp_path / "B")
    join = ("--fold_A", aligned, "--fold_B", tmp_path / "B", "--fold_AB", tmp_path / "AB")
    assert "3199 pixels" in run.call(combine_A_and_B.main, "combine.py", *join, *low).err


def test_no_postscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EPS file named .png is not run."""
    interpreter = tmp_path / "bin" / "gs"
    interpreter.parent.mkdir()
    interpreter.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/ran\n")
    interpreter.chmod(0o755)
    monkeypatch.setenv("PATH", f"{interpreter.parent}:/usr/bin:/bin")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None, raising=False)
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(UserError, match="it is not a JPEG, .* image"):
        read_image(str(path))
    assert not (tmp_path / "ran").exists()


def test_all_files_are_opened_with_formats() -> None:
    """Outside of data/image_file.py nothing opens an image without naming its formats."""
    folders = [path for path in ROOT.iterdir() if path.name not in ("tests", ".venv")]
    sources = [*ROOT.glob("*.py"), *(file for path in folders for file in path.rglob("*.py"))]
    calls = [
        (path.name, call)
        for path in sources
        for call in re.findall(r"Image\.open\(.*", path.read_text())
        if "formats=" not in call
    ]
    assert len(sources) > 100 and calls == []

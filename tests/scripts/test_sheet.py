"""scripts/sheet.py: rows and columns, titles, insets, files and refusals."""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs, picture, pictures
from PIL import Image, ImageFont

from scripts import sheet
from scripts.figures import letters
from scripts.figures import pixels as drawing
from scripts.figures.insets import Box, Picture
from scripts.figures.sheets import Style, arrange

STREAM = rb"obj\n<<((?:(?!endobj).)*?)>>\s*stream\r?\n(.*?)\r?\nendstream"  # of a PDF


def paint(path: Path, colour: str, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def draw(run: Programs, *args: str) -> list[list[str]]:
    """Make a sheet of 10-pixel images, and return the name of the colour of each."""
    names = {(255, 0, 0): "red", (0, 128, 0): "green", (0, 0, 255): "blue", (0, 0, 0): "black"}
    small = ("--size", "10", "--row_titles", "--output", "s.png")
    done = run.call(sheet.main, "sheet.py", *args, *small).ok()
    image = np.asarray(Image.open(run.folder / "s.png"))
    rows = [image.shape[0] - 5 - 14 * row for row in range(int(done.out.split(" x ")[0]))]
    return [
        [names[tuple(map(int, image[y, x]))] for x in range(5, image.shape[1], 14)] for y in rows
    ][::-1]


def test_sheet_of_labels_and_models(run: Programs) -> None:
    for model, colour in ("a", "green"), ("b", "blue"):
        for stem in "1", "sub/2":
            paint(run.folder / model / "images" / f"{stem}_real_A.png", "red")
            paint(
                run.folder / model / "images" / f"{stem}_fake_B.png",
                colour if stem == "1" else "black",
            )
    labels = ("--labels", "real_A", "fake_B")
    assert draw(run, "--images", "a/images", *labels) == [["red", "green"], ["red", "black"]]
    models = ("--images", "a/images", "b/images", "--rows", "1", "--titles", "x", "y", "z")
    assert draw(run, *models, *labels) == [["red", "green", "blue"]]
    assert draw(run, "--images", "a/images", *labels, "--every", "2") == [["red", "green"]]


def test_abbreviations_and_names_with_an_at_sign(run: Programs) -> None:
    paint(run.folder / "@run/images/1_fake_B.png", "red")
    assert draw(run, "--im", "@run/images", "--label", "fake_B") == [["red"]]


def test_sheet_takes_the_newest_of_two_formats(run: Programs) -> None:
    for age, (name, colour) in enumerate({"1": "green", "2": "blue"}.items()):
        for ending, seconds in {"bmp": 10, "png": 10 + 20 * age - 10}.items():
            path = run.folder / f"images/{name}_fake_B.{ending}"
            paint(path, colour if ending == "bmp" else "red")
            os.utime(path, (seconds, seconds))
    assert draw(run, "--images", "images", "--labels", "fake_B") == [["green"], ["red"]]
    flags = ("--images", "images", "--labels", "fake_B", "--output", "s.png")
    error = run.call(sheet.main, "sheet.py", *flags).ok().err
    assert error.count("\n") == 1 and "the same stem, in all 2 stems; the newest" in error


def test_sheet_of_epochs(run: Programs) -> None:
    """An epoch without a panel image shows the image of the epoch before."""
    for name, colour in {
        "epoch001_panel0_real_A": "red",
        "epoch001_panel0_fake_B": "green",
        "epoch003_panel0_fake_B": "blue",
        "epoch001_fake_B": "black",
        "epoch001_real_A": "black",
    }.items():
        paint(run.folder / "web" / f"{name}.png", colour)
    labels = ("--images", "web", "--labels", "real_A", "fake_B", "--epochs")
    assert draw(run, *labels) == [["red", "green", "blue"]]
    assert draw(run, *labels, "1", "2", "9") == [["red", "green", "green", "blue"]]
    for path in (run.folder / "web").glob("*panel*"):
        path.unlink()
    assert draw(run, *labels) == [["black", "black"]]


def test_eight_rows_unless_asked_for_more(run: Programs) -> None:
    """They are evenly spaced, and a line says how many images there are."""
    pictures(run.folder / "images", [f"{i:03d}_fake_B.png" for i in range(119)], size=(8, 8))
    words = ("sheet.py", "--images", "images", "--labels", "fake_B", "--output", "s.png")
    done = run.call(sheet.main, *words).ok()
    assert "8 x 1 image: s.png\n8 of 119 images, evenly spaced (--every 1: all;" in done.out
    with Image.open(run.folder / "s.png") as image:
        assert image.height < 8 * 140
    args = sheet.build_parser().parse_args([*words[1:], "--images", str(run.folder / "images")])
    columns = sheet.folder_columns(args)
    assert sheet.select(columns, args) == [f"{i * 119 // 8:03d}" for i in range(8)]
    args.every = 1
    assert len(sheet.select(columns, args)) == 119
    for flags, rows in ((("--every", "10"), 12), (("--rows", "007", "001"), 2)):
        out = run.call(sheet.main, *words, *flags, "--size", "9").ok().out
        assert f"{rows} x 1 image" in out and " of 119" not in out


def parts_of(files: list[str], style: Style, title: str = "fake_B", name: str = "0001") -> list:
    return arrange([files], [title] * len(files), [name], [None], style).parts


def test_titles_grow_with_the_images(run: Programs) -> None:
    file = str(picture(run.folder / "1.png"))
    sizes = []
    for size in (32, 128, 512):
        column, row, image = parts_of([file], Style(size))
        sizes.append(column.size)
        assert column.size == row.size and row.upright and not column.upright
        assert column.box.top + column.box.height <= image.box.top  # above, and on the left
        assert row.box.left + row.box.width < image.box.left == column.box.left
    assert sizes == [10, 14, 57]
    heights = [letters.text_mask("fake_B", size).height for size in sizes]
    assert heights[2] > 4 * heights[0]
    made = arrange([[file]], ["a title"], ["row"], [None], Style(128))
    pixels = np.asarray(drawing.paint(made).convert("L"))
    left, top = made.parts[-1].box[:2]
    assert (pixels[: top - 4] < 100).sum() > 20 < (pixels[top:, : left - 4] < 100).sum()


def test_long_titles_shrink_and_are_cut(run: Programs) -> None:
    file = str(picture(run.folder / "1.png"))
    longer = "CycleGAN with identity"
    title, row, _ = parts_of([file], Style(128), longer, longer)
    assert title.text == row.text == longer and 10 <= title.size < 14 > row.size
    title = parts_of([file], Style(128), longer * 9000)[0]
    assert title.text.endswith("...") and title.size == 10
    assert letters.text_width(title.text, 10) <= 128


def test_letters_of_other_fonts(
    run: Programs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Greek letters come from matplotlib's font, and Pillow 10.0 has one bitmap font."""
    if letters.matplotlib_font():
        box, alpha = letters.text_mask("\uffff", 20), letters.text_mask("α", 20)
        assert alpha.getbbox() != box.getbbox()
    letters.matplotlib_font.cache_clear()
    letters.font_of.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    letters.text_mask("λ", 20)
    letters.text_mask("→", 30)
    assert capsys.readouterr().err.count("pip install matplotlib") == 1
    letters.font_of.cache_clear()

    old = getattr(ImageFont, "load_default_imagefont", ImageFont.load_default)()
    monkeypatch.setattr(ImageFont, "load_default", lambda: old)
    assert letters.text_mask("fake λ", 44).height == 44
    assert letters.text_width("fake", 44) == pytest.approx(4 * letters.text_width("fake", 11))
    letters.font_of.cache_clear()
    letters.matplotlib_font.cache_clear()


def test_insets(run: Programs) -> None:
    """The region has a frame, and is enlarged in the corner that is farthest from it."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[8:24, 4:20] = (255, 0, 0)
    pixels[8:16, 4:12] = (0, 0, 255)
    Image.fromarray(pixels).save(run.folder / "1_real_A.png")
    Image.fromarray(pixels).resize((128, 128), 0).save(run.folder / "1_fake_B.png")
    words = ("--images", ".", "--labels", "real_A", "fake_B", "--zoom", "4,8,16,16")
    small = ("--size", "64", "--row_titles", "--output", "s.png")
    run.call(sheet.main, "sheet.py", *words, *small).ok()
    image = np.asarray(Image.open(run.folder / "s.png"))[-64:]
    assert image.shape == (64, 64 + 4 + 64, 3)
    for left in (0, 68):  # the second image is twice as large, and so is the region in it
        cell = image[:, left : left + 64].astype(int)
        side = 27  # 0.42 of the image
        inset = cell[-side:, -side:]
        assert (inset[side // 4, side // 4] == (0, 0, 255)).all()
        assert (inset[-side // 4, -side // 4] == (255, 0, 0)).all()
        frame = (abs(cell - (213, 94, 0)).max(2) == 0).sum()
        assert frame == 4 * (side - 1) + 4 * 15  # one pixel around the region and the inset
    boxes = [Box(40, 2, 16, 8), Box(0, 60, 20, 4)]
    files = [[str(run.folder / "1_real_A.png")]] * 2
    parts = arrange(files, [""], ["", ""], list(boxes), Style(64)).parts
    insets = [part.box for part in parts if isinstance(part, Picture)][1::2]
    assert [(box.left, box.top) for box in insets] == [(0, 64 - 13), (64 - 27, 68)]
    assert [box.width / box.height for box in insets] == pytest.approx([2, 5], rel=0.1)


def test_pdf(run: Programs) -> None:
    """Images keep exactly their pixels, and titles are text."""
    pytest.importorskip("matplotlib")
    file = picture(run.folder / "images/1_fake_B.png", size=(50, 40))
    words = ("--images", "images", "--labels", "fake_B", "--size", "100", "--zoom", "0,0,8,8")
    run.call(sheet.main, "sheet.py", *words, "--output", "s.pdf").ok()
    content = (run.folder / "s.pdf").read_bytes()
    sizes = re.findall(rb"/Height (\d+)|/Width (\d+)", content)
    assert sorted(int(a or b) for a, b in sizes) == [8, 8, 40, 50]
    streams = [(head, body) for head, body in re.findall(STREAM, content, re.S) if body[:1] == b"x"]
    assert any(b" Tf" in text for text in (zlib.decompress(body) for _, body in streams))
    (pixels,) = [body for head, body in streams if b"/Width 50" in head]
    assert np.array_equal(as_png(pixels, 50, 40)[::-1], np.asarray(Image.open(file)))
    width = 50 * 100 / 40 + round(11 * 1.3) + 4
    box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+)", content)
    assert box and float(box[1]) == pytest.approx(width * 72 / 100, abs=0.5)


def as_png(pixels: bytes, width: int, height: int) -> np.ndarray:
    """Return an RGB image of a PDF, (H, W, 3), which has the compression and filters of PNG."""
    shape = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", shape), (b"IDAT", pixels), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(kind + data))
        content += struct.pack(">I", len(data)) + kind + data + check
    return np.asarray(Image.open(io.BytesIO(content)))


def test_pdf_without_matplotlib(run: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(run.folder / "images/1_fake_B.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = ("--images", "images", "--labels", "fake_B", "--output", "s.pdf")
    run.call(sheet.main, "sheet.py", *words).refused(1, "--output s.pdf", "pip install matplotlib")


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        ("--labels fake_C", 1, "no image named STEM_fake_C"),
        ("--labels fake_B --rows 7", 1, "column fake_B has no image '7'; it has 1"),
        ("--labels fake_B --size 0", 2, "--size"),
        ("--labels fake_B --titles a b", 2, "--titles: 2 for 1"),
        ("--labels fake_B --row_titles a b", 2, "--row_titles: 2 for 1 row"),
        ("--labels fake_B --rows 1 --every 2", 2, "--every: not with --rows"),
        ("--labels fake_B --zoom 0,0,8,8 0,0,8,8", 2, "--zoom: 2 regions for 1 row"),
        ("--labels fake_B --zoom 30,0,11,8", 2, "--zoom 30,0,11,8: is outside of the row of"),
        ("--labels fake_B --zoom 0,0,30,8", 2, "40x40 pixels; at most 16 pixels wide and high"),
        ("--labels fake_B --zoom 1,2,3", 2, "--zoom 1,2,3: should be LEFT,TOP,WIDTH,HEIGHT"),
        ("--labels fake_B --zoom 0,0,0,3", 2, "should be a region at least 1 pixel wide"),
        ("--labels fake_B --epochs", 1, "epochNNN_fake_B.png"),
        ("--labels fake_B --output x.txt", 2, "--output x.txt"),
    ],
)
def test_sheet_refuses(run: Programs, args: str, status: int, words: str) -> None:
    picture(run.folder / "images" / "1_fake_B.png")
    run.call(
        sheet.main, "sheet.py", "--images", "images", "--output", "s.png", *args.split()
    ).refused(status, words)

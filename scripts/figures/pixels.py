"""A sheet as an image."""

from __future__ import annotations

from PIL import Image, ImageDraw

from scripts.figures.drawing import MARK
from scripts.figures.insets import Frame, Picture
from scripts.figures.letters import text_mask
from scripts.figures.sheets import Sheet, Style, Text, arrange


def draw(rows: list[list[str]], titles: list[str], size: int, unit: int = 0) -> Image.Image:
    """Return a sheet of the image files of each row, with titles of columns only.

    Args:
        size: height of the images in pixels.
        unit: height in pixels to which text and gaps are in proportion; 0: ``size``.
    """
    names, zooms = [""] * len(rows), [None for _ in rows]
    return paint(arrange(rows, titles, names, [*zooms], Style(size, unit)))


def paint(sheet: Sheet) -> Image.Image:
    """Return the sheet as an image, black text on white."""
    page = Image.new("RGB", (sheet.width, sheet.height), "white")
    for part in sheet.parts:
        if isinstance(part, Picture):
            page.paste(part.image, (part.box.left, part.box.top))
        elif isinstance(part, Frame):
            left, top, width, height = part.box
            edges = (left, top, left + width - 1, top + height - 1)
            ImageDraw.Draw(page).rectangle(edges, outline=MARK, width=part.thickness)
        else:
            write(page, part)
    return page


def write(page: Image.Image, part: Text) -> None:
    """Write a line of text in the middle of its box."""
    mask = text_mask(part.text, part.size)
    if part.upright:
        mask = mask.transpose(Image.Transpose.ROTATE_90)
    left = part.box.left + (part.box.width - mask.width) // 2
    top = part.box.top + (part.box.height - mask.height) // 2
    page.paste("black", (left, top), mask)

"""The layout of a sheet of images: where images, titles and insets are."""

from __future__ import annotations

from typing import NamedTuple

from data.rasters.shown import read_shown
from scripts.figures.insets import Box, Frame, Picture, inset, moved
from scripts.figures.letters import text_width
from util.errors import UserError

MAX_PIXELS = 200_000_000  # of a sheet
GAP = 4  # pixels between images of 128 pixels
SMALLEST_FONT = 10  # pixels
TEXT = 9  # height of an image, divided by the height of its title


class Text(NamedTuple):
    """A line of text in the middle of ``box``; ``upright``: turned, to be read from below."""

    box: Box
    text: str
    size: int
    upright: bool = False


class Sheet(NamedTuple):
    """A sheet: its size in pixels, and its parts in the order in which they are drawn."""

    width: int
    height: int
    parts: list[Picture | Frame | Text]


class Style(NamedTuple):
    """How a sheet is drawn.

    Attributes:
        size: height of the images in pixels.
        unit: height in pixels to which text and gaps are in proportion; 0: ``size``.
        keep: True if images keep their own pixels, which is possible in a PDF.
        letters: factor of the width of text, compared with Pillow's font.
    """

    size: int
    unit: int = 0
    keep: bool = False
    letters: float = 1.0

    @property
    def gap(self) -> int:
        return max(GAP, round((self.unit or self.size) * GAP / 128))

    @property
    def font(self) -> int:
        return max(SMALLEST_FONT, round((self.unit or self.size) / TEXT))

    def fits(self, text: str, width: int, size: int) -> bool:
        """True if a line of text is at most ``width`` pixels wide; each letter has at least one."""
        return len(text) <= width and self.letters * text_width(text, size) <= width

    def cut(self, text: str, width: int, size: int) -> str:
        """Return a text, shortened until it is at most ``width`` pixels wide."""
        if self.fits(text, width, size):
            return text
        text = text[:width]
        while text and not self.fits(f"{text}...", width, size):
            text = text[:-1]
        return f"{text}..." if text else ""


def arrange(
    files: list[list[str]],
    titles: list[str],
    row_titles: list[str],
    zooms: list[Box | None],
    style: Style,
) -> Sheet:
    """Arrange images at one height, each column as wide as its widest image, below their titles.

    Args:
        files: of each row.
        titles: of the columns; they may have several lines.
        row_titles: on the left of each row, in one line; "" for none.
        zooms: for each row the region of its first image that an inset enlarges, or None. In the
            other images of the row, it is the same share of the image.

    Raises:
        UserError: the images, or all of them beside each other, are larger than ``MAX_PIXELS``.
        UsageError: a region is outside of an image, or too large to be enlarged.
    """
    size, gap = style.size, style.gap
    cells = load(files, zooms, style)
    widths = [max(row[i][0].box.width for row in cells) for i in range(len(titles))]
    font, lines = fit(titles, widths, style)
    side_font, side_lines = fit(row_titles, [size] * len(row_titles), style)
    line = round(font * 1.3)
    head = line * max(map(len, lines)) + (gap if any(map(any, lines)) else 0)
    side = round(side_font * 1.3) + gap if any(row_titles) else 0
    width = side + sum(widths) + gap * (len(widths) - 1)
    height = head + (size + gap) * len(files) - gap
    check_pixels(width * height, "it")
    parts: list[Picture | Frame | Text] = []
    lefts = [side + sum(widths[:i]) + gap * i for i in range(len(widths))]
    for left, width_of_column, texts in zip(lefts, widths, lines, strict=True):
        for i, text in enumerate(texts):
            top = head - gap - line * (len(texts) - i)  # the last line is beside the image
            parts.append(Text(Box(left, top, width_of_column, line), text, font))
    for j, (row, texts) in enumerate(zip(cells, side_lines, strict=True)):
        top = head + (size + gap) * j
        for text in texts:
            parts.append(Text(Box(0, top, side - gap, size), text, side_font, upright=True))
        for left, width_of_column, cell in zip(lefts, widths, row, strict=True):
            middle = left + (width_of_column - cell[0].box.width) // 2
            parts += [part._replace(box=moved(part.box, middle, top)) for part in cell]
    return Sheet(width, height, parts)


def load(
    files: list[list[str]], zooms: list[Box | None], style: Style
) -> list[list[list[Picture | Frame]]]:
    """Return the parts of each image of each row, as if the image were at the top left."""
    pixels, cells = 0, list[list[list[Picture | Frame]]]()
    for row, zoom in zip(files, zooms, strict=True):
        first: tuple[int, int] | None = None
        cells.append([])
        for file in row:
            image = read_shown(file)
            first = first or image.size
            width = max(1, round(style.size * image.width / image.height))
            pixels += image.width * image.height if style.keep else width * style.size
            check_pixels(max(pixels, width * style.size), file)
            box = Box(0, 0, width, style.size)
            parts: list[Picture | Frame] = [Picture(box, image)]
            if zoom:
                parts += inset(image, zoom, first, box, file)
            cells[-1].append(parts if style.keep else [part.scaled() for part in parts])
    return cells


def check_pixels(pixels: int, what: str) -> None:
    """Raise a UserError if the sheet is larger than ``MAX_PIXELS`` with ``what``."""
    if pixels > MAX_PIXELS:
        raise UserError(
            f"the sheet is larger than {MAX_PIXELS / 1e6:.0f} million pixels with {what}; give a "
            "smaller --size, or fewer images by --rows or --every"
        )


def fit(titles: list[str], widths: list[int], style: Style) -> tuple[int, list[list[str]]]:
    """Return one font size for all titles, and their lines, shortened where even that is too wide.

    The size falls to 60 % of that of ``style`` at most.
    """
    lines = [title.splitlines() for title in titles]
    pairs = [(text, width) for texts, width in zip(lines, widths, strict=True) for text in texts]
    least = max(SMALLEST_FONT, round(0.6 * style.font))
    size = style.font
    while size > least and not all(style.fits(text, width, size) for text, width in pairs):
        size -= 1
    return size, [
        [style.cut(text, width, size) for text in texts]
        for texts, width in zip(lines, widths, strict=True)
    ]

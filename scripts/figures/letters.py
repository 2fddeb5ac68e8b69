"""Text in the font that comes with Pillow, in any size."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from util.console import warn

BITMAP_HEIGHT = 11  # pixels: the one size of the font of Pillow 10.0
LATIN = 256  # letters that are in Pillow's font


def drawable(text: str) -> str:
    """Return a line of text without line ends, and with bytes that are no text escaped."""
    return " ".join(text.encode(errors="backslashreplace").decode().split())


@cache
def matplotlib_font() -> str:
    """Return the file of matplotlib's font, which has Greek letters; warn and "" without it."""
    try:
        from matplotlib import get_data_path
    except ImportError:
        warn("letters such as λ and → need matplotlib's font: pip install matplotlib")
        return ""
    return f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf"


@cache
def font_of(size: int, latin: bool) -> Any:
    """Return a font; None if there is only the bitmap font of Pillow 10.0.

    Args:
        latin: True if the text has no letters but those of Pillow's font.
    """
    if not latin and (file := matplotlib_font()):
        return ImageFont.truetype(file, size)
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):  # Pillow 10.0, or a Pillow without FreeType
        return None


def prepared(text: str, size: int) -> tuple[str, Any, float]:
    """Return a line of text, its font, and the factor by which the drawn text is enlarged."""
    text = drawable(text)
    font = font_of(size, all(ord(letter) < LATIN for letter in text))
    if font:
        return text, font, 1
    text = text.encode("latin-1", "replace").decode("latin-1")
    return text, ImageFont.load_default(), size / BITMAP_HEIGHT


def text_width(text: str, size: int) -> float:
    """Return the width of a line of text in pixels."""
    text, font, scale = prepared(text, size)
    return float(font.getlength(text)) * scale


def text_mask(text: str, size: int) -> Image.Image:
    """Return a line of text as an image of mode L, white on black."""
    text, font, scale = prepared(text, size)
    height = sum(font.getmetrics()) if hasattr(font, "getmetrics") else BITMAP_HEIGHT
    mask = Image.new("L", (max(1, math.ceil(font.getlength(text))), height))
    ImageDraw.Draw(mask).text((0, 0), text, 255, font=font)
    return mask.resize((max(1, round(mask.width * scale)), round(mask.height * scale)))

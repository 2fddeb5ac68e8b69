"""Insets: a region of an image, enlarged in a corner of the same image."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import NamedTuple

from PIL import Image

from util.errors import UsageError

SHARE = 0.42  # longer side of an inset, as a share of the shorter side of its image


class Box(NamedTuple):
    """A rectangle in pixels, from the left and from the top."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return ",".join(map(str, self))


class Picture(NamedTuple):
    """An image, drawn to fill ``box``; ``nearest``: enlarged without smoothing its pixels."""

    box: Box
    image: Image.Image
    nearest: bool = False

    def scaled(self) -> Picture:
        """Return the picture with an image of the size of its box."""
        enlarged = self.box.width > self.image.width
        nearest = self.nearest and enlarged
        way = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
        return self._replace(image=self.image.resize((self.box.width, self.box.height), way))


class Frame(NamedTuple):
    """The outline of ``box``, on its inside."""

    box: Box
    thickness: int

    def scaled(self) -> Frame:
        return self


def moved(box: Box, right: int, down: int) -> Box:
    """Return a box that is moved by a number of pixels."""
    return box._replace(left=box.left + right, top=box.top + down)


def region(text: str) -> Box:
    """``LEFT,TOP,WIDTH,HEIGHT`` in pixels. Raises ArgumentTypeError for anything else."""
    try:
        box = Box(*map(int, text.split(",")))
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{text}: should be LEFT,TOP,WIDTH,HEIGHT in pixels") from None
    if min(box.left, box.top) < 0 or min(box.width, box.height) < 1:
        raise ArgumentTypeError(f"{text}: should be a region at least 1 pixel wide and high")
    return box


def inset(
    image: Image.Image, zoom: Box, first: tuple[int, int], box: Box, file: str
) -> list[Picture | Frame]:
    """Return the frame of the region, the enlarged region and its frame.

    The inset is in the corner that is farthest from the region.

    Args:
        zoom: the region, in pixels of the first image of the row.
        first: (width, height) of that image.
        box: where the image is drawn.
        file: of the image, for the error message.

    Raises:
        UsageError: the region is outside of the image, or too large to be enlarged.
    """
    source = in_image(zoom, first, image.size, file)
    x, y = box.width / image.width, box.height / image.height
    marked = Box(
        round(box.left + source.left * x),
        round(box.top + source.top * y),
        max(1, round(source.width * x)),
        max(1, round(source.height * y)),
    )
    side = SHARE * min(box.width, box.height)
    factor = side / max(marked.width, marked.height)
    if factor <= 1:
        most = int(SHARE * min(image.size))
        raise UsageError(
            f"--zoom {zoom}: the region is too large to be enlarged in {file}, which has "
            f"{image.width}x{image.height} pixels; at most {most} pixels wide and high"
        )
    width, height = round(marked.width * factor), round(marked.height * factor)
    middle = marked.left + marked.width / 2, marked.top + marked.height / 2
    left = box.width - width if middle[0] < box.width / 2 else 0
    top = box.height - height if middle[1] < box.height / 2 else 0
    place = Box(box.left + left, box.top + top, max(1, width), max(1, height))
    part = image.crop(
        (source.left, source.top, source.left + source.width, source.top + source.height)
    )
    thickness = max(1, round(box.height / 100))
    return [Frame(marked, thickness), Picture(place, part, nearest=True), Frame(place, thickness)]


def in_image(zoom: Box, first: tuple[int, int], size: tuple[int, int], file: str) -> Box:
    """Return a region of the first image of a row in an image of another size.

    Raises:
        UsageError: the region is outside of the first image, or has no pixel of the other.
    """
    if zoom.left + zoom.width > first[0] or zoom.top + zoom.height > first[1]:
        raise UsageError(
            f"--zoom {zoom}: is outside of the row of {file}, {first[0]}x{first[1]} pixels"
        )
    x, y = size[0] / first[0], size[1] / first[1]
    left, top = round(zoom.left * x), round(zoom.top * y)
    right, bottom = round((zoom.left + zoom.width) * x), round((zoom.top + zoom.height) * y)
    if right <= left or bottom <= top:
        raise UsageError(f"--zoom {zoom}: {file} is so small that it has no pixel there")
    return Box(left, top, right - left, bottom - top)

"""Open and decode image files; refuse those that would not be read completely and correctly."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
from PIL import Image, ImageOps, TiffTags, UnidentifiedImageError

from data.orientation import orientation, prepare, turned_sideways
from util.errors import UsageError, UserError, reason_of
from util.words import amount

# The formats of IMG_EXTENSIONS, and GIF, because GIFs from the web often have another extension.
# Nothing else is opened: for some formats (PostScript), Pillow runs other programs.
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
# The number of bands of a TIFF that Pillow reads, by mode
BANDS = {"1": 1, "L": 1, "P": 1, "I": 1, "I;16": 1, "I;16B": 1, "LA": 2, "La": 2, "PA": 2}
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
BANDS |= {"RGB": 3, "RGBX": 3, "YCbCr": 3, "LAB": 3, "RGBA": 4, "RGBa": 4, "CMYK": 4}
TooLarge = (Image.DecompressionBombError, Image.DecompressionBombWarning)
LOW = 4095  # the largest value of 12 bits; see check_values
ACCEPTED = "images should have 8 bits or 16 unsigned bits per channel"
MIXED = "it has 16 bits per channel and other images of its folder 8; save all in one type"
TAG = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NOT_A_PAGE = 1 | 4  # bits of NewSubfileType: a smaller copy (overview, thumbnail), a mask

# Without a handler, Python prints Pillow's log messages on damaged files besides our own error
logging.getLogger("PIL").addHandler(logging.NullHandler())


def limit_pixels(max_pixels: int | None) -> None:
    """Set ``--max_pixels`` for this process.

    The limit is Pillow's own, so it also holds where a custom dataset opens images itself.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)


@contextlib.contextmanager
def open_image(path: str, complete: bool = True) -> Iterator[Image.Image]:
    """A context manager that opens an image file; its pixels are decoded on first use.

    Args:
        complete: refuse a file that Pillow would not read completely and correctly.

    Raises:
        UserError: names the file and why it cannot be read. Errors inside the ``with`` block, such
            as those of decoding, become a UserError, too.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would block forever
        raise UserError(f"cannot read the image {path}: it is not a file")
    try:
        with Image.open(path, formats=FORMATS) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombWarning
            checks = (value_problem, band_problem, page_problem) if complete else ()
            if problem := next(filter(None, (check(image) for check in checks)), ""):
                raise UserError(problem)
            prepare(image)
            yield image
    except UsageError:
        raise
    except TooLarge:
        reason = too_large()
    except UnidentifiedImageError:
        reason = _not_an_image(path)
    except MemoryError:
        reason = "there is not enough memory to decode it"
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        reason = reason_of(error)
    else:
        return
    raise UserError(f"cannot read the image {path}: {reason}")


def too_large() -> str:
    """Return the message for an image with more pixels than ``--max_pixels``."""
    return f"it has more than {Image.MAX_IMAGE_PIXELS} pixels; to read it, raise --max_pixels"


def _not_an_image(path: str) -> str:
    """The reason why Pillow cannot identify a file."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start in TIFF_STARTS:
        return f"this kind of TIFF is not supported; {ACCEPTED}, and at most 4 channels"
    return f"it is not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image"


def _tag(image: Image.Image, name: str, default: Any) -> Any:
    """Return a tag of an opened TIFF; other images have none."""
    return getattr(image, "tag_v2", {}).get(TAG[name], default)


def value_problem(image: Image.Image) -> str:
    """Return why the values of an image cannot be used as they are, or "".

    This function decides which values are accepted. An image that was not opened from a TIFF has
    no tags, so only its mode and format are checked.
    """
    kinds, bits = _tag(image, "SampleFormat", (1,)), max(_tag(image, "BitsPerSample", (8,)))
    if image.mode == "F" or 3 in kinds:
        return f"it holds floating-point values; {ACCEPTED}"
    if 2 in kinds:
        return f"it holds signed values; {ACCEPTED}"
    if bits > 16 or (image.mode == "I" and image.format not in ("TIFF", "PNG", "PPM")):
        return f"it holds 32-bit values; {ACCEPTED}"
    if 8 < bits < 16:
        return f"it holds {bits}-bit values; {ACCEPTED}"
    if bits == 16 and _tag(image, "PhotometricInterpretation", 1) == 0:
        return "it holds 16 bits of which 0 is white; save it with 0 as black"
    return ""


def band_problem(image: Image.Image) -> str:
    """Return why not all bands of a TIFF would be read, or ""."""
    if image.mode in ("LA", "La", "PA") and _tag(image, "PlanarConfiguration", 1) == 2:
        return "it holds gray and alpha apart, of which only gray would be read; interleave them"
    bands = _tag(image, "SamplesPerPixel", 1)
    readable = BANDS.get(image.mode, 4)
    if bands <= readable:
        return ""
    return (
        f"it holds {bands} bands, of which only {readable} would be read; save it with these, or "
        "declare a band after red, green and blue as alpha"
    )


def has_alpha(image: Image.Image) -> bool:
    """True if an image has an alpha channel, or colours that are transparent."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    return image.mode in ALPHA or palette == "RGBA" or "transparency" in image.info


def page_problem(image: Image.Image) -> str:
    """Return why a file is refused for having several pages or frames, or "".

    Overviews, thumbnails and masks of a TIFF do not count as pages, nor do the extra images that
    phones store in a JPEG (which Pillow then calls an MPO).
    """
    if image.format == "TIFF":
        several = _has_second_page(image)
    else:
        several = image.format != "MPO" and getattr(image, "is_animated", False)
    return "it holds several pages; save each as a file of its own" if several else ""


def _has_second_page(image: Image.Image) -> bool:
    """True if a page of a TIFF besides the first is more than an overview or a mask."""
    found = False
    try:
        for page in count(1):
            image.seek(page)
            if found := not _tag(image, "NewSubfileType", 0) & NOT_A_PAGE:
                break
    except EOFError:  # there are no more pages
        pass
    except Exception as error:  # Pillow's decoders raise almost anything
        raise UserError("a page after the first is damaged") from error
    image.seek(0)
    image.getexif()  # now, because Pillow 10.0 cannot after decoding such a file
    return found


def bits_per_channel(image: Image.Image) -> int:
    """Return 8 or 16 for an opened image file whose pixels are not decoded yet."""
    if image.mode.startswith("I"):
        return 16
    # Pillow reduces 16-bit colours to 8 bits; only its arguments for the decoder show the 16
    tiles = getattr(image, "tile", ())
    decoding = tiles[0][3] if tiles else ""
    if image.format == "PPM":
        return 16 if isinstance(decoding, tuple) and max(decoding[1:], default=0) > 255 else 8
    deep = image.format == "PNG" and ";16" in str(decoding)
    return 16 if deep or max(_tag(image, "BitsPerSample", (8,))) == 16 else 8


def evenly_spread(paths: Sequence[str], at_most: int) -> list[str]:
    """Return ``at_most`` evenly spaced ``paths``, or all if there are fewer."""
    number = min(at_most, len(paths))
    return [paths[i * len(paths) // number] for i in range(number)]


def check_values(paths: Sequence[str], source: str) -> bool:
    """Refuse 16-bit images that use at most 12 bits, judging by 50 evenly spread images.

    16-bit images are read as 0..65535. If no value is above 4095, the files were meant for a
    smaller range, and would become almost black.

    Args:
        source: the folder or file that ``paths`` come from.

    Returns: True if there are 16-bit images among the 50.

    Raises:
        UserError: there are 16-bit images among the 50, and none has a value above 4095; names
            ``source``.
    """
    looked_at = 0
    for path in evenly_spread(paths, 50):
        # An unreadable image is reported, with its cause, when it is read
        with contextlib.suppress(UserError), open_image(path) as image:
            if bits_per_channel(image) == 16:
                looked_at += 1
                if highest_value(image) > LOW:
                    return True
    if looked_at:
        raise UserError(f"{source}: {too_low(looked_at)}")
    return False


def too_low(looked_at: int) -> str:
    """Return the message for 16-bit images without a value above ``LOW``."""
    return (
        f"16 bits are read as 0..65535, but no value of the {amount(looked_at, 'image')} looked "
        f"at is above {LOW}, and black images would result; scale the values to 0..65535, or save "
        "8 bits"
    )


def highest_value(image: Image.Image) -> int:
    """Return the largest value of a 16-bit image, without its alpha; a bound for colours.

    Pillow reduces 16-bit colours to 8 bits: it keeps the upper 8 bits, but rounds those of a PPM.
    From the largest 8-bit value, the result is the largest 16-bit value that is reduced to it, or
    for a PPM the smallest.
    """
    array = np.asarray(image)
    if image.mode.startswith("I"):
        return int(array.max())
    level = int(array[..., :-1].max() if image.mode in ("LA", "RGBA") else array.max())
    return 257 * level - 128 if image.format == "PPM" else 256 * level + 255


def as_mode(image: Image.Image, channels: int, exif: bool = True) -> Image.Image:
    """Convert an image of any mode to one with 8 bits per channel.

    Args:
        channels: 1 and 3 give RGB (``get_transform`` later makes 1 gray), 2 gray and alpha, 4 RGB
            and alpha. Palettes and CMYK are converted, 16 bits are scaled to 8. Without alpha, an
            image is opaque (255); see :func:`data.base_dataset.count_opaque`.
        exif: turn the image upright by its EXIF orientation.

    Raises:
        UsageError: images cannot have this number of channels.
        UserError: the values or bands are not supported; see :func:`value_problem`.
    """
    if channels not in (1, 2, 3, 4):
        raise UsageError(f"--input_nc and --output_nc: images have 1 to 4 channels, not {channels}")
    if problem := value_problem(image) or band_problem(image):
        raise UserError(f"the image cannot be used: {problem}")
    if exif and orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them at 255 instead of scaling
        image = Image.fromarray((np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if channels in (1, 3):
        return image if image.mode == "RGB" else image.convert("RGB")
    return image.convert("RGBA") if channels == 4 else image.convert("RGBA").convert("LA")


def read_image(
    path: str,
    channels: int = 3,
    exif: bool = True,
    draft: tuple[int, int] | None = None,
    n_side_by_side: int = 1,
    reduce: bool = True,
) -> Image.Image:
    """Decode an image file; see :func:`as_mode` for ``channels`` and ``exif``.

    Args:
        draft: (width, height) that suffices. Much larger JPEGs are decoded at 1/2, 1/4 or 1/8 of
            their size, which is fast but not exact.
        n_side_by_side: number of images side by side in the file. ``draft`` is ignored where it
            could mix pixels of neighbours.
        reduce: scale 16 bits to 8; False refuses them.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    with open_image(path) as image:
        if not reduce and bits_per_channel(image) == 16:
            raise UserError(MIXED)
        if draft and (n_side_by_side == 1 or image.width % (8 * n_side_by_side) == 0):
            image.draft(None, draft[::-1] if exif and turned_sideways(image) else draft)
        image.load()
        return as_mode(image, channels, exif)

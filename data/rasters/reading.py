"""Reading the values of an image file exactly, as an array of the file's own type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.image_file import as_mode, open_image
from data.listing import ARRAYS
from data.orientation import orientation
from data.rasters.header import (
    MIN_IS_WHITE,
    Header,
    array_file,
    describe,
    errors_of,
    header_of,
    tiff_pages,
)
from util.errors import UserError, needs
from util.values import Values

TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation -> to upright
    2: np.fliplr,
    3: lambda array: np.rot90(array, 2),
    4: np.flipud,
    5: lambda array: np.rot90(np.fliplr(array)),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: np.rot90(np.flipud(array)),
    8: np.rot90,
}


def read_array(path: str, npz_key: str | None = None, exif: bool = True) -> np.ndarray:
    """Return all bands of an image file as an array (H, W, C) of the file's own type.

    16-bit PNGs of colours and some compressions of TIFFs need the package imagecodecs, other TIFFs
    than those of 8 bits need tifffile. Where white is the lowest value of a TIFF, values are turned
    round, so that black is 0. Palettes and CMYK of 8 bits become RGB.

    Args:
        npz_key: name of the array in a ``.npz`` file with several.
        exif: turn the image upright by its EXIF orientation.

    Raises:
        UserError: names the file and why it cannot be read.
    """
    if path.lower().endswith(ARRAYS):
        with array_file(path, npz_key) as array:
            header_of(array, "npy")  # refuses types that are no values
            return native(array)
    header = describe(path, npz_key)
    array, turn = READERS[header.reader](path, header)
    return native(TURNS[turn](array) if exif and turn in TURNS else array)


def native(array: np.ndarray) -> np.ndarray:
    """Return a contiguous copy of an array in the byte order of this computer."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def read_picture(path: str, channels: int, exif: bool = True) -> np.ndarray:
    """Return an image of 8 bits as uint8 (H, W, C), converted as on the 8-bit path.

    Args:
        channels: 1 converts to gray, 2 to gray and alpha, 3 to RGB, 4 to RGB and alpha.
    """
    with open_image(path) as image:
        image.load()
        picture = as_mode(image, channels, exif)
        array = np.asarray(picture.convert("L") if channels == 1 else picture)
    return array if array.ndim == 3 else array[..., None]


def array_for(path: str, rule: Values, npz_key: str | None = None, exif: bool = True) -> np.ndarray:
    """Return all bands of a file; pictures of 8 bits are converted as on the 8-bit path.

    They have the channels of the rule then, unless bands are chosen.
    """
    if rule.converts_pictures and describe(path, npz_key).is_bytes:
        return native(read_picture(path, rule.channels, exif))
    return read_array(path, npz_key, exif)


# Each reader returns the array (H, W, C) as stored, and the EXIF orientation


def _read_bytes(path: str, header: Header) -> tuple[np.ndarray, int]:
    with open_image(path) as image:
        turn = orientation(image)
    return read_picture(path, header.channels, exif=False), turn


def _read_png(path: str, header: Header) -> tuple[np.ndarray, int]:
    """Read a PNG of 16 bits; Pillow reads gray ones exactly, but reduces colours to 8 bits."""
    with open_image(path) as image:
        array, turn = np.asarray(image), orientation(image)
    if header.channels == 1:
        return array.astype(np.uint16)[..., None], turn
    with needs(f"{path}: a PNG with 16 bits per colour", "imagecodecs"):
        import imagecodecs  # not at the top: an optional package
    with errors_of(path):
        array = np.asarray(imagecodecs.png_decode(Path(path).read_bytes()))
        if array.dtype != np.uint16 or array.shape[2:] != (header.channels,):
            raise UserError(f"its {header.channels} bands were read as {array.shape}")
        return array, turn


def _read_ppm(path: str, header: Header) -> tuple[np.ndarray, int]:
    """Read a binary PPM or PGM of 16 bits, with the values that it holds."""
    with open_image(path) as image:
        [(kind, _, start, _)] = vars(image)["tile"]  # of the decoder: kind, area, offset
    with errors_of(path):
        if kind == "ppm_plain":
            raise UserError("16 bits as text are not supported; save it in binary form")
        width, height = header.size
        count = width * height * header.channels
        data = np.frombuffer(Path(path).read_bytes(), ">u2", count, start)
        return data.reshape(height, width, header.channels), 1


def _read_tiff(path: str, header: Header) -> tuple[np.ndarray, int]:
    """Read a TIFF by tifffile; each page of several is a band."""
    with tiff_pages(path) as pages:
        bands = []
        for page in pages:
            array = page.asarray(maxworkers=1)  # the loader has processes of its own
            if page.photometric == MIN_IS_WHITE:
                array = array.dtype.type(2 ** int(page.bitspersample) - 1) - array
            if array.ndim == 2:
                array = array[..., None]
            bands.append(np.moveaxis(array, 0, 2) if page.axes.startswith("S") else array)
        array = np.concatenate(bands, axis=2) if len(bands) > 1 else bands[0]
        if array.shape != (header.size[1], header.size[0], header.channels):
            raise UserError(f"its pixels have the shape {array.shape}")
        return array, header.orientation


READERS: dict[str, Callable[[str, Header], tuple[np.ndarray, int]]] = {
    "pillow": _read_bytes,
    "png": _read_png,
    "ppm": _read_ppm,
    "tiff": _read_tiff,
}

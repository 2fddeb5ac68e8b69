"""The header of an image file, without its pixels: type, bands, size, and what can read it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from data.image_file import (
    NOT_A_PAGE,
    TIFF_STARTS,
    band_problem,
    bits_per_channel,
    has_alpha,
    open_image,
    page_problem,
    too_large,
    value_problem,
)
from data.listing import ARRAYS
from data.orientation import orientation_of_tiff, stored_size, turned_sideways
from util.errors import UserError, needs, reason_of
from util.image.raster_tags import GDAL_NODATA

TYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32",
    "float64",
)  # fmt: skip
# Photometric interpretations of a TIFF whose samples are values as they are
MIN_IS_WHITE, MIN_IS_BLACK, RGB, SEPARATED, CIELAB, LINEAR_RAW = 0, 1, 2, 5, 8, 34892
SUPPORTED = (MIN_IS_WHITE, MIN_IS_BLACK, RGB, SEPARATED, CIELAB, LINEAR_RAW)
# NumPy parses headers with ``ast``, which fails in several threads in Python 3.11 (gh-106905)
ONE_AT_A_TIME = threading.Lock()
PNG_BANDS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the type of colour in the file's header


class Header(NamedTuple):
    """A description of what a file holds.

    Attributes:
        dtype: NumPy's name of the type of its values.
        channels: its bands; pages of a TIFF are bands.
        size: (width, height) as stored, before a turn by ``orientation``.
        reader: what reads its values: "pillow" (8 bits, at most 4 bands), "png" (16 bits), "ppm",
            "tiff" or "numpy".
        container: the kind of file for results of this kind: "png", "tif" or "npy".
        pages: of a TIFF, without overviews and masks.
        orientation: the tag of a TIFF, 1 to 8; 1: upright, and for all other files.
        nodata: the value that the file itself declares to be no data (a tag of GDAL), or "".
    """

    dtype: str
    channels: int
    size: tuple[int, int]
    reader: str
    container: str
    pages: int = 1
    orientation: int = 1
    nodata: str = ""

    @property
    def is_bytes(self) -> bool:
        """True if the 8-bit path reads everything that the file holds."""
        return self.reader == "pillow"


def describe(path: str, npz_key: str | None = None) -> Header:
    """Return what a file holds.

    Args:
        npz_key: name of the array in a ``.npz`` file with several.

    Raises:
        UserError: names the file and why it cannot be read.
    """
    if path.lower().endswith(ARRAYS):
        with array_file(path, npz_key) as array:
            return header_of(array, "npy")
    header = None
    if not is_tiff(path):
        with open_image(path, complete=False) as image:
            return _of_picture(image)
    with _quiet(), open_image(path, complete=False) as image:
        if not (value_problem(image) or band_problem(image) or page_problem(image)):
            header = _of_picture(image)
    return header if header and header.is_bytes else _of_tiff(path)


def upright_size(path: str, npz_key: str | None = None, exif: bool = True) -> tuple[int, int]:
    """Return (width, height) of an image, upright by its EXIF orientation if ``exif``.

    Raises UserError: names the file and why it cannot be read.
    """
    if is_tiff(path) or path.lower().endswith(ARRAYS):
        found = describe(path, npz_key)
        size, turned = found.size, found.orientation >= 5
        if not found.is_bytes or is_tiff(path):
            return size[::-1] if turned and (exif or found.is_bytes) else size
    with open_image(path) as image:
        return image.size[::-1] if exif and turned_sideways(image) else image.size


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ignore Pillow's errors and warnings inside, because tifffile reads the file next."""
    with warnings.catch_warnings(), contextlib.suppress(UserError):
        warnings.simplefilter("ignore")
        yield


def is_tiff(path: str) -> bool:
    """True if a file starts as a TIFF does; False if it cannot be read."""
    if not os.path.isfile(path):  # reading a pipe would block forever
        return False
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(4) in TIFF_STARTS
    return False


def header_of(array: np.ndarray, container: str = "tif") -> Header:
    """Return the header of an array (H, W, C). Raises UserError: its type is not supported."""
    dtype = array.dtype.name
    if dtype not in TYPES:
        raise UserError(f"it holds values of type {dtype}; supported are {', '.join(TYPES)}")
    height, width, channels = array.shape
    return Header(dtype, channels, (width, height), "numpy", container)


def _of_picture(image: Image.Image) -> Header:
    """Return the header of what Pillow has opened.

    Raises UserError: it holds several pages or frames, or values that nothing here reads.
    """
    if problem := page_problem(image) or value_problem(image):
        raise UserError(problem)
    bands = {"1": 1, "L": 1, "LA": 2, "La": 2, "RGBA": 4, "RGBa": 4}
    channels = bands.get(image.mode, 4 if has_alpha(image) else 3)
    if bits_per_channel(image) == 8:
        turn = orientation_of_tiff(image)
        return Header("uint8", channels, stored_size(image), "pillow", "png", orientation=turn)
    reader = {"PPM": "ppm", "TIFF": "tiff"}.get(image.format or "", "png")
    if image.format == "PNG":  # Pillow opens gray with alpha as RGBA
        with open(image.filename, "rb") as file:  # type: ignore[attr-defined]
            channels = PNG_BANDS.get(file.read(26)[25], channels)
    elif image.mode.startswith("I"):
        channels = 1
    return Header("uint16", channels, image.size, reader, "png")


@contextlib.contextmanager
def array_file(
    path: str, npz_key: str | None = None, any_size: bool = False
) -> Iterator[np.ndarray]:
    """A context manager that gives the array (H, W, C) of a ``.npy`` or ``.npz`` file.

    The array has two axes, or three. The bands are the last axis, or the first if that is shorter
    than both others. Pickles are never read. A ``.npy`` file is mapped into memory, not read.

    Args:
        any_size: ignore ``--max_pixels``.

    Raises:
        UserError: names the file and why it cannot be read.
    """
    with errors_of(path):
        if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would block forever
            raise UserError("it is not a file")
        with ONE_AT_A_TIME:
            if path.lower().endswith(".npy"):
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            else:
                with np.load(path, allow_pickle=False) as archive:
                    array = archive[_key(archive.files, npz_key)]
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise UserError(
                f"its array has the shape {array.shape}; it should be (height, width), (height, "
                "width, bands) or (bands, height, width)"
            )
        if array.ndim == 2:
            array = array[..., None]
        elif array.shape[0] < min(array.shape[1:]):
            array = array.transpose(1, 2, 0)
        if not any_size:
            check_size((array.shape[1], array.shape[0]))
        yield array


def _key(names: list[str], npz_key: str | None) -> str:
    """Return the name of the array to read. Raises UserError: it is not clear or missing."""
    if npz_key is None and len(names) == 1:
        return names[0]
    if npz_key in names:
        return str(npz_key)
    missing = f"has no array {npz_key}; it has" if npz_key else "holds several arrays:"
    raise UserError(f"it {missing} {', '.join(names) or 'none'}; give --npz_key NAME")


def check_size(size: tuple[int, int]) -> None:
    """Raise UserError if an image of ``size`` has more pixels than ``--max_pixels``."""
    if Image.MAX_IMAGE_PIXELS and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        raise UserError(too_large())


@contextlib.contextmanager
def any_size() -> Iterator[None]:
    """Lift ``--max_pixels`` inside, where only headers are read; not for several threads."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Turn any error of a reader inside into a UserError that names the file."""
    try:
        yield
    except UserError as error:
        reason = str(error).removeprefix(f"cannot read the image {path}: ")
    except MemoryError:
        reason = "there is not enough memory to decode it"
    except Exception as error:  # readers raise almost anything on damaged files
        reason = reason_of(error)
        if "imagecodecs" in reason:
            reason = f"its compression needs a package: pip install imagecodecs ({reason})"
    else:
        return
    raise UserError(f"cannot read the image {path}: {reason}")


class _Complaints(logging.Handler):
    """Collects the messages of tifffile, which logs what it leaves out of a damaged file."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def tiff_pages(path: str) -> Iterator[list[Any]]:
    """A context manager that gives tifffile's pages that hold data: no overviews, no masks.

    Raises:
        UserError: names the file and why it cannot be read; also for an error inside.
    """
    with needs(f"{path}: this kind of TIFF", "tifffile"):
        import tifffile  # not at the top: an optional package
    complaints, log = _Complaints(), logging.getLogger("tifffile")
    propagate, log.propagate = log.propagate, False
    log.addHandler(complaints)
    try:
        with errors_of(path), tifffile.TiffFile(path) as file:
            pages = [page for page in file.pages if not page.subfiletype & NOT_A_PAGE]
            if complaints.messages:
                raise UserError(f"it is damaged ({complaints.messages[0]})")
            yield pages or list(file.pages[:1])
            if complaints.messages:
                raise UserError(f"it is damaged ({complaints.messages[0]})")
    finally:
        log.removeHandler(complaints)
        log.propagate = propagate


def _of_tiff(path: str) -> Header:
    """Return the header of any TIFF, by tifffile."""
    with tiff_pages(path) as pages:
        first = pages[0]
        size = first.imagewidth, first.imagelength
        check_size(size)
        if first.dtype is None or first.dtype.name not in TYPES:
            raise UserError(f"{first.bitspersample}-bit values of this kind are not supported")
        if first.photometric not in SUPPORTED or first.imagedepth > 1:
            kind = getattr(first.photometric, "name", first.photometric)
            raise UserError(f"this kind of TIFF is not supported (photometric {kind})")
        if first.photometric == MIN_IS_WHITE and first.dtype.kind != "u":
            raise UserError(
                f"it holds {first.dtype.name} values of which the lowest is white; save it with "
                "the lowest as black"
            )
        kinds = {(p.imagewidth, p.imagelength, p.dtype, p.samplesperpixel) for p in pages}
        if len(pages) > 1 and (len(kinds) > 1 or first.samplesperpixel > 1):
            raise UserError("it holds several pages; save each as a file of its own")
        tags = first.tags
        turn = tags["Orientation"].value if "Orientation" in tags else 1
        nodata = str(tags[GDAL_NODATA].value).strip("\0 ") if GDAL_NODATA in tags else ""
        channels = first.samplesperpixel * len(pages)
        name = first.dtype.name
        return Header(name, channels, size, "tiff", "tif", len(pages), turn, nodata)

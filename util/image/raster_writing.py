"""Writing arrays of any type to PNG, TIFF and NumPy files, without a change of any value."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from util.errors import UserError, needs
from util.image.raster_tags import GDAL_NODATA, RasterTags
from util.image.writing import encoded, write_file
from util.values import Values

KINDS = {".png": "png", ".tif": "tif", ".tiff": "tif", ".npy": "npy"}  # by the ending of a file
EIGHT_BITS = ("png", "jpg", "webp")  # the formats of 8-bit images, with one or three channels
RASTERS = ("tif", "npy", "png")
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> color type: gray, gray and alpha, RGB, RGBA
METRE = 0.0254  # an inch in metres


def formats_of(rule: Values | None) -> tuple[str, ...]:
    """Return the formats that hold the images of a domain without a loss, the best first.

    JPEG and WebP count for 8-bit images, as they always have.

    Args:
        rule: None stands for images with 8 bits per channel.
    """
    if rule is None:
        return (*EIGHT_BITS, "tif", "npy")
    if rule.dtype not in ("uint8", "uint16") or rule.channels > 4:
        return ("tif", "npy")
    lossy = rule.dtype == "uint8" and rule.channels in (1, 3) and rule.nodata is None
    return RASTERS + EIGHT_BITS[1:] * lossy


def check_format(given: str, rule: Values | None, flag: str, images: str) -> None:
    """Check that a format can be written, and holds the images of a domain without a loss.

    Args:
        given: one of the formats of :func:`formats_of`.
        flag: the option that asks for the format, for the message.
        images: what is written, for the message, e.g. "domain B".

    Raises:
        UserError: names ``flag``, and the formats that are accepted.
    """
    if rule is not None and given not in formats_of(rule):
        content = f"{rule.dtype} values in {rule.channels} band{'s' * (rule.channels > 1)}"
        nodata = "" if rule.nodata is None else " and pixels without data"
        accepted = ", ".join(formats_of(rule))
        raise UserError(
            f"{flag}: {images} holds {content}{nodata}, and {given} would lose some of that; "
            f"choose one of {accepted}"
        )
    if given == "tif":
        with needs(flag, "tifffile"):
            import tifffile  # noqa: F401


def save_raster(
    array: np.ndarray,
    path: Path,
    nodata: float | None = None,
    tags: RasterTags | None = None,
) -> None:
    """Write an array to a .png, .tif, .tiff or .npy file; creates missing folders.

    Args:
        array: (H, W, C) of any real type. A PNG takes uint8 and uint16 with 1 to 4 channels.
        nodata: the value of pixels without data, which a TIFF records.
        tags: where the image lies and how large its pixels are; see :class:`RasterTags`. A PNG
            takes the resolution, a NumPy file nothing.

    Raises:
        UserError: the file cannot be written, or is a link to another one; or tifffile is missing.
        ValueError: the format does not hold such an array.
    """
    kind = KINDS[path.suffix.lower()]
    write_file(path, lambda: encode_raster(array, kind, nodata, tags))


def encode_raster(
    array: np.ndarray, kind: str, nodata: float | None = None, tags: RasterTags | None = None
) -> bytes:
    """Return the content of a file of the kind "png", "tif" or "npy"; see :func:`save_raster`."""
    if kind == "png":
        return _png(array, tags)
    if kind == "tif":
        return _tif(array, nodata, tags)
    content = io.BytesIO()
    np.save(content, _without_single_channel(array), allow_pickle=False)
    return content.getvalue()


def _without_single_channel(array: np.ndarray) -> np.ndarray:
    """Return (H, W) instead of (H, W, 1)."""
    return np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array)


def _png(array: np.ndarray, tags: RasterTags | None) -> bytes:
    """Pillow writes 8 bits; of 16 bits it could only write gray."""
    if array.dtype not in (np.uint8, np.uint16) or array.shape[2] not in PNG_COLOURS:
        raise ValueError(f"PNG has no place for {array.dtype} {array.shape}")
    dpi = tags.dpi if tags else None
    if array.dtype == np.uint8:
        picture = Image.fromarray(_without_single_channel(array))
        return encoded(picture, Path("image.png"), **({"dpi": dpi} if dpi else {}))
    height, width, channels = array.shape
    rows = np.ascontiguousarray(array.astype(">u2")).view(np.uint8).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)  # each row minus the one above
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">2I5B", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if dpi:
        per_metre = [round(value / METRE) for value in dpi]
        chunks.append((b"pHYs", struct.pack(">2IB", *per_metre, 1)))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def _tif(array: np.ndarray, nodata: float | None, tags: RasterTags | None) -> bytes:
    with needs("writing TIFF", "tifffile"):
        import tifffile
    content = io.BytesIO()
    settings = tif_settings(array.dtype, array.shape[2], nodata, tags)
    tifffile.imwrite(content, _without_single_channel(array), compression="zlib", **settings)
    return content.getvalue()


def tif_settings(
    dtype: np.dtype, bands: int, nodata: float | None, tags: RasterTags | None
) -> dict[str, Any]:
    """Return what ``tifffile`` needs to describe an image (H, W, C); see :func:`save_raster`.

    Three bands of unsigned 8 or 16 bits are RGB, four of 8 bits RGB and one more. All others count
    as bands without a colour. No band is declared as alpha, because it may hold anything.
    """
    is_colour = dtype in (np.uint8, np.uint16) and bands == 3
    is_colour |= dtype == np.uint8 and bands == 4
    settings: dict[str, Any] = {"photometric": "rgb" if is_colour else "minisblack"}
    if bands > 1:
        extra = bands - 3 if is_colour else bands - 1
        settings |= {"planarconfig": "contig", "extrasamples": ["unspecified"] * extra or None}
    extratags = list(tags.extratags) if tags else []
    if nodata is not None:
        extratags.append((GDAL_NODATA, "s", 0, nodata_text(nodata), True))
    if tags and tags.resolution:
        x, y, unit = tags.resolution
        settings |= {"resolution": (x, y), "resolutionunit": unit}
    return settings | {"metadata": None, "software": False, "extratags": extratags}


def nodata_text(nodata: float) -> str:
    """Return the value as GDAL writes it: whole numbers without a fraction, "nan" for NaN."""
    if math.isnan(nodata):
        return "nan"
    return str(int(nodata)) if float(nodata).is_integer() else repr(float(nodata))

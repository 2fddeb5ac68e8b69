"""Memory maps and windows in Python that are translated in tiles, into files without a name."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from data.image_file import as_mode
from data.rasters.folder import choose
from data.rasters.rules import misfit
from data.windows.arrays import ArraySource
from data.windows.opening import outside
from data.windows.protocols import WindowSource
from models.translation.given_images import (
    as_picture,
    check_picture,
    checked_floats,
    described,
    floats_from_unit,
    floats_to_unit,
)
from models.translation.output_files import to_file, to_picture
from models.translation.tiling.engine import Tiled
from models.translation.value_images import ValueImages
from util.errors import UserError
from util.values import UnitImage, Values
from util.words import amount

LABEL = "the translation"
GIGABYTE = 10**9


def empty_map(shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Return a memory map of zeros in a file of the folder for temporary files.

    The file has no name, and its room is free when the map is no longer used.

    Raises UserError: there is no room for it.
    """
    size = math.prod(shape) * dtype.itemsize
    try:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):  # writing a map to a full disk kills the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "w+", shape=shape)  # type: ignore[call-overload]
    except OSError as error:
        room = f"no room for the result, {size / GIGABYTE:.3g} GB, in {tempfile.gettempdir()}"
        raise UserError(f"{room} (TMPDIR): {error.strerror}") from None


class Conversion(NamedTuple):
    """How windows (h, w, C) become values in [-1, 1], and the windows of a result values again."""

    to_unit: Callable[[np.ndarray], UnitImage]
    from_unit: Callable[[np.ndarray, np.ndarray | None], np.ndarray]


class MapSource:
    """A :class:`WindowSource` of an array of any values.

    Attributes:
        clipped, read_values: how many of the values read so far, some of them repeatedly, were
            outside of the range and set to its ends, and how many there were.
    """

    def __init__(self, array: np.ndarray, conversion: Conversion, masked: bool) -> None:
        """Args: masked: some pixels may hold no data."""
        self.array = array if array.ndim == 3 else array[..., None]
        self.conversion, self.masked = conversion, masked
        self.height, self.width = self.array.shape[:2]
        self.clipped = self.read_values = 0
        self.channels = self._unit(0, 0, 1, 1).pixels.shape[2]

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a window as float32 (height, width, C) in [-1, 1]; -1 where there is no data."""
        unit = self._unit(top, left, height, width)
        self.clipped += unit.clipped
        self.read_values += unit.pixels.size
        return unit.pixels

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Return where a window holds data, as bool (height, width); None: everywhere."""
        return self._unit(top, left, height, width).valid if self.masked else None

    def _unit(self, top: int, left: int, height: int, width: int) -> UnitImage:
        window = self.array[top : top + height, left : left + width]
        return self.conversion.to_unit(np.asarray(window))


class MapSink:
    """A :class:`WindowSink` that fills a memory map.

    Attributes:
        array: (H, W, C) in the values of the result.
        mask: bool (H, W), False where there is no data; None: it is not kept, or all pixels do.
    """

    resumed = False

    def __init__(
        self, shape: tuple[int, int, int], conversion: Conversion, masked: bool = False
    ) -> None:
        """Args: masked: keep where the image holds data."""
        self.conversion, self.masked = conversion, masked
        example = conversion.from_unit(np.zeros((1, 1, shape[2]), np.float32), None)
        self.array = empty_map((*shape[:2], example.shape[2]), example.dtype)
        self.mask: np.memmap | None = None

    def write(self, top: int, left: int, image: np.ndarray, valid: np.ndarray | None) -> None:
        """Write a window; see :class:`WindowSink`."""
        rows, columns = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        self.array[rows, columns] = self.conversion.from_unit(image, valid)
        if not self.masked or valid is None:
            return
        if self.mask is None:
            self.mask = empty_map(self.array.shape[:2], np.dtype(bool))
            self.mask[:] = True
        self.mask[rows, columns] = valid

    def flush(self) -> None:
        """Do nothing: nobody resumes a file without a name."""

    def close(self) -> None:
        """Do nothing: the map is the image."""


def translate_windows(tiled: Tiled, source: Any, channels: int) -> ArraySource:
    """Translate a :class:`WindowSource`; the result is one, too.

    Args:
        channels: of the images that the network takes.

    Raises UserError: the source has another number of channels, or cannot be read.
    """
    if source.channels != channels:
        raise UserError(f"windows should have {channels} channels, not {source.channels}")
    same = Conversion(lambda x: UnitImage(x, None, 0), lambda x, valid: x)
    sink = _filled(tiled, source, same, masked=True)
    return ArraySource(sink.array, sink.mask)


def translate_map(
    tiled: Tiled,
    values: ValueImages,
    channels: int,
    array: np.ndarray,
    value_range: tuple[float, float] | None,
) -> np.ndarray:
    """Translate a memory map (H, W) or (H, W, C); the result is one, too.

    Args:
        values: the rules of the run.
        channels: of the images that the network takes.
        value_range: of floats, see ``Translator.__call__``.

    Raises UserError: the array is of another type or shape, or its values do not fit.
    """
    if array.ndim not in (2, 3) or not array.size:
        raise UserError(f"an array should be (H, W) or (H, W, C), not {described(array)}")
    masked = False
    if value_range is not None:
        conversion = of_floats(array, channels, value_range)
    elif values.source or values.target:
        conversion = of_values(array, channels, values)
        masked = values.source is not None and values.source.nodata is not None
    else:
        check_picture(array)
        conversion = of_pictures(channels, values)
    source = MapSource(array, conversion, masked)
    result = _filled(tiled, source, conversion).array
    if source.clipped and values.source:
        values.note(outside(source.clipped, source.read_values, values.source))
    is_plane = result.shape[2] == 1 and array.ndim == 2
    return result[..., 0] if is_plane else result


def _filled(
    tiled: Tiled, source: WindowSource, conversion: Conversion, masked: bool = False
) -> MapSink:
    size = tiled.output_size(source.height, source.width)
    channels = tiled.graph.channels(source.channels)[-1]
    sink = MapSink((*size, channels), conversion, masked)
    tiled.translate(source, sink)
    return sink


def of_floats(array: np.ndarray, channels: int, value_range: tuple[float, float]) -> Conversion:
    """Return the conversion of floats. Raises UserError: the channels or the values do not fit."""
    if array.dtype.kind != "f":
        raise UserError(f"value_range is for arrays of floats, not for {described(array)}")
    repeats = checked_floats(array, channels)

    def to_unit(window: np.ndarray) -> UnitImage:
        unit = floats_to_unit(window, value_range).astype(np.float32)
        return UnitImage(np.repeat(unit, repeats, axis=2), None, 0)

    def from_unit(unit: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        return floats_from_unit(unit, value_range, array.dtype)

    return Conversion(to_unit, from_unit)


def of_values(array: np.ndarray, channels: int, values: ValueImages) -> Conversion:
    """Return the conversion of values of the run. Raises UserError: the array does not fit."""
    pictures, rule, target = of_pictures(channels, values), values.source, values.target
    if rule is None:
        check_picture(array)
    if rule and (problem := misfit(array.dtype.name, rule)):
        raise UserError(f"the image cannot be used: it {problem}")

    def to_unit(window: np.ndarray) -> UnitImage:
        assert rule is not None
        bands = choose(window, rule.bands)
        if bands.shape[2] != rule.channels:
            found = amount(bands.shape[2], "band")
            raise UserError(
                f"the image cannot be used: it holds {found}, and the rule is for {rule.channels}"
            )
        return rule.to_unit(bands)

    def from_unit(unit: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        assert isinstance(target, Values)
        return to_file("a translation", unit, target, valid, values.note)

    return Conversion(
        to_unit if rule else pictures.to_unit, from_unit if target else pictures.from_unit
    )


def of_pictures(channels: int, values: ValueImages) -> Conversion:
    """Return the conversion of 8-bit pictures."""

    def to_unit(window: np.ndarray) -> UnitImage:
        picture = as_picture(
            np.ascontiguousarray(window[..., 0] if window.shape[2] == 1 else window)
        )
        picture = as_mode(picture, channels, exif=False)
        pixels = np.asarray(picture.convert("L") if channels == 1 else picture)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return UnitImage(pixels.astype(np.float32) / np.float32(127.5) - np.float32(1), None, 0)

    def from_unit(unit: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        return to_picture(LABEL, unit, values.note)

    return Conversion(to_unit, from_unit)

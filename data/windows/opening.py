"""Image files from which windows are read, in the values of a run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

import numpy as np

from data.rasters.folder import choose
from data.rasters.header import Header, any_size, array_file, describe, header_of, is_tiff
from data.rasters.inputs import check_inputs, joined, joined_header
from data.rasters.reading import TURNS, native, read_array
from data.rasters.rules import misfit
from data.windows.pictures import Picture
from data.windows.tiff import NotWindowed, TiffWindows, Window
from util.errors import UserError, culprit
from util.values import UnitImage, Values
from util.words import amount

LOOKED_AT, SIDE = 5, 256  # windows of an image in each direction, and their height and width

Reader = Callable[[Window], np.ndarray]  # gives (h, w, C) in the type of the file


class _File:
    """A file from which upright windows are read in its own type.

    Attributes:
        height, width: of the upright image.
    """

    def __init__(
        self, path: str, bands: tuple[int, ...] | None, channels: int | None, exif: bool
    ) -> None:
        """Read the header, whatever ``--max_pixels`` says.

        Args:
            bands: which of them, counted from 1; None: all.
            channels: to which 8-bit pictures are converted; None: those of the file.
            exif: turn the image upright by its EXIF orientation.

        Raises UserError: see :class:`FileSource`.
        """
        self.path = path
        with any_size():
            self.header, turn, self.reader = _open(path, bands, channels)
        self.stored_width, self.stored_height = self.header.size
        exif |= self.header.is_bytes  # Pillow turns a TIFF whatever is asked for
        self.turn = turn if exif and turn in TURNS else 1
        self.width, self.height = self.header.size[:: -1 if self.turn >= 5 else 1]

    def read(self, window: Window) -> np.ndarray:
        """Return a window of the upright image, in the type of the file."""
        top, left, height, width = window
        if self.turn >= 5:
            top, left, height, width = left, top, width, height
        if self.turn in (3, 4, 6, 7):  # the first row is the last of the file
            top = self.stored_height - top - height
        if self.turn in (2, 3, 7, 8):  # the first column is the last of the file
            left = self.stored_width - left - width
        array = self.reader(Window(top, left, height, width))
        return TURNS[self.turn](array) if self.turn in TURNS else array


class _Inputs:
    """The files of an image with several inputs, whose bands are joined in all windows."""

    def __init__(self, paths: Sequence[str], exif: bool) -> None:
        """Raises UserError: see :class:`FileSource`."""
        files = self.files = [_File(path, None, None, exif) for path in paths]
        check_inputs({x.path: ((x.height, x.width), x.header.dtype) for x in files})
        self.header = joined_header({x.path: x.header for x in files})
        self.height, self.width = files[0].height, files[0].width

    def read(self, window: Window) -> np.ndarray:
        """Return a window with the bands of all files."""
        return np.concatenate([file.read(window) for file in self.files], axis=2)


class FileSource:
    """A :class:`data.windows.protocols.WindowSource` of a TIFF or ``.npy`` file, or of several.

    Its values are those that the whole file has on the ordinary path, bit by bit. ``--max_pixels``
    does not apply.

    Attributes:
        clipped, read_values: how many of the values read so far, some of them repeatedly, were
            outside of the range and set to its ends, and how many there were.
    """

    def __init__(
        self,
        path: str,
        rule: Values | None,
        channels: int,
        exif: bool = True,
        partners: Sequence[str] = (),
    ) -> None:
        """Read the header.

        Args:
            rule: of the file's values; None: 8-bit pictures, as on the 8-bit path.
            channels: the number of an 8-bit picture that the network takes.
            exif: turn the image upright by its EXIF orientation.
            partners: the files of the further inputs of the image, whose bands are joined.

        Raises:
            NotWindowed: names the file, which is of a kind that can only be decoded whole.
            UserError: names the file and why it cannot be read, or does not suit the rule; or
                names two inputs that differ in size or type.
        """
        self.path, self.rule = path, rule
        self.bands = rule.bands if rule and partners else None  # to be chosen from those read
        self.channels = rule.channels if rule else channels
        self.clipped = self.read_values = 0
        self.lock = threading.Lock()
        self.file: _File | _Inputs
        if partners:
            self.file = _Inputs((path, *partners), exif)
        else:
            bands = rule.bands if rule else None
            self.file = _File(path, bands, None if bands else self.channels, exif)
        self.width, self.height = self.file.width, self.file.height
        with culprit(f"cannot use the image {path}"):
            _check(self.file.header, rule)

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a window as float32 (height, width, C) in [-1, 1]; -1 where there is no data.

        Raises UserError: names the file, which is damaged or holds values that are not numbers.
        """
        array = self._stored(top, left, height, width)
        if self.rule is None:
            return array.astype(np.float32) / np.float32(127.5) - np.float32(1)
        unit = self._to_unit(array, self.rule)
        with self.lock:
            self.clipped += unit.clipped
            self.read_values += array.size
        return unit.pixels

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Return where a window holds data, as bool (height, width); None: everywhere.

        Raises UserError: as for :meth:`read`.
        """
        if self.rule is None or self.rule.nodata is None:
            return None
        return self._to_unit(self._stored(top, left, height, width), self.rule).valid

    def _to_unit(self, array: np.ndarray, rule: Values) -> UnitImage:
        with culprit(f"cannot use the image {self.path}"):
            return rule.to_unit(array)

    def _stored(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a window in the type of the file."""
        return choose(self.file.read(Window(top, left, height, width)), self.bands)

    def remark(self) -> str:
        """Return a line about the values that were clipped, or ""."""
        if not (self.clipped and self.rule):
            return ""
        return f"{self.path}: {outside(self.clipped, self.read_values, self.rule)}"


def outside(clipped: int, read_values: int, rule: Values) -> str:
    """Return a line about the values of the windows read that were outside of the range."""
    return (
        f"{clipped} of {read_values} values read, some of them several times, are outside of "
        f"{rule.limits} and were set to its ends"
    )


def sample_windows(
    path: str, partners: Sequence[str] = (), npz_key: str | None = None, exif: bool = True
) -> np.ndarray:
    """Return windows of a large image, evenly spread, below each other; small ones are read whole.

    Args:
        partners, exif: see :class:`FileSource`.

    Returns: (H, W, C) of the type of the file.

    Raises:
        UserError: names the file and why it cannot be read.
    """
    paths = (path, *partners)
    try:
        image = _Inputs(paths, exif)
    except NotWindowed:
        return joined({name: read_array(name, npz_key, exif) for name in paths})
    high, wide = min(image.height, SIDE), min(image.width, SIDE)
    rows, columns = (
        np.linspace(0, side, LOOKED_AT, dtype=int)
        for side in (image.height - high, image.width - wide)
    )
    places = {Window(int(row), int(column), high, wide) for row in rows for column in columns}
    return np.concatenate([image.read(place) for place in sorted(places)])


def _check(header: Header, rule: Values | None) -> None:
    """Raise UserError if a file does not suit the rule."""
    if rule is None:
        if not header.is_bytes:
            raise UserError("it is no 8-bit picture, and there is no rule for its values")
        return
    if problem := misfit(header.dtype, rule):
        raise UserError(f"it {problem}")
    bands = header.channels
    if rule.bands and max(rule.bands) > bands:
        choose(np.empty((1, 1, bands)), rule.bands)
    converts = header.is_bytes and rule.converts_pictures
    if not rule.bands and not converts and bands != rule.channels:
        raise UserError(f"it holds {amount(bands, 'band')}, and the rule is for {rule.channels}")


def _open(
    path: str, bands: tuple[int, ...] | None, channels: int | None
) -> tuple[Header, int, Reader]:
    """Return the header of a file, its orientation, and what reads windows as stored."""
    if path.lower().endswith(".npy"):
        with array_file(path, any_size=True) as array:
            header = header_of(array, "npy")
        return header, 1, lambda window: _of_array(path, window, bands)
    if not is_tiff(path):
        if not os.path.isfile(path):
            describe(path)  # raises what is wrong
        kind = path.rpartition(".")[2].lower()
        reason = "it is no TIFF" if kind in ("tif", "tiff") else f"{kind} files are decoded whole"
        raise NotWindowed(f"{path} has no windows: {reason}")
    header = describe(path)
    try:
        if not header.is_bytes:
            tiff = TiffWindows(path)
            return header, header.orientation, lambda window: tiff.read_values(window, bands)
        picture = Picture(path)
    except NotWindowed as error:
        raise NotWindowed(f"{path} has no windows: {error}") from None
    wanted = channels or header.channels
    return header, header.orientation, lambda window: choose(picture.read(window, wanted), bands)


def _of_array(path: str, window: Window, bands: tuple[int, ...] | None) -> np.ndarray:
    top, left, height, width = window
    with array_file(path, any_size=True) as array:
        return native(choose(array[top : top + height, left : left + width], bands))

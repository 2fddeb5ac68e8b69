"""Results that are written and read window by window, with the values and tags of whole results."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from data.windows.opening import FileSource
from data.windows.protocols import WindowSink, WindowSource
from models.translation.output_files import to_file, to_picture
from util.image.raster_tags import RasterTags
from util.image.window_writing import WindowFile
from util.values import Values

LABEL = "a translation"
SIDE = 512  # of the windows in which an image is copied


class FileSink:
    """A :class:`data.windows.protocols.WindowSink` that fills a TIFF or a ``.npy`` file.

    Attributes:
        resumed: True if the file holds the windows of a process that was stopped.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        rule: Values | None,
        tags: RasterTags | None = None,
        note: Callable[[str], None] = print,
        resume: bool = False,
        label: str = LABEL,
    ) -> None:
        """Create ``path``, as ``NAME.part`` until it is whole; see :class:`WindowFile`.

        Args:
            shape: (H, W, C), with the channels of the network.
            rule: of the result's values; None: 8-bit pictures.
            note: prints a line, the same line once.
            resume: keep what an unfinished file of the same kind holds.
            label: of the image, for messages.

        Raises:
            UserError: it cannot be written, another process writes it, or the disk is too full.
        """
        self.rule, self.note, self.label = rule, note, label
        dtype, nodata = (np.dtype(rule.dtype), rule.fill) if rule else (np.dtype(np.uint8), None)
        self.file = WindowFile(path, shape, dtype, nodata, tags, resume)
        self.resumed = self.file.resumed

    def write(self, top: int, left: int, image: np.ndarray, valid: np.ndarray | None) -> None:
        """Write a window, float32 (h, w, C) in [-1, 1].

        Args:
            valid: bool (h, w), False where there is no data; None: all pixels hold data.

        Raises:
            UserError: it cannot be written, for example because the disk is full. The windows
                before it stay.
        """
        self.file.write(top, left, self._array(image, valid))

    def _array(self, image: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
        if self.rule:
            return to_file(self.label, image, self.rule, valid, self.note)
        return to_picture(self.label, image, self.note)[..., : image.shape[2]]

    def flush(self) -> None:
        """Force the windows written so far onto the disk. Raises UserError: that is impossible."""
        self.file.flush()

    def close(self) -> None:
        """Give the file its name. Raises UserError: it cannot be written."""
        self.file.close()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self.file.discard()


class WrittenResult:
    """A :class:`WindowSource` of a file of results.

    It holds data where the image does that the result was made from.
    """

    def __init__(self, path: str, rule: Values | None, channels: int, real: WindowSource) -> None:
        """Args: rule: of the file's values; None: an 8-bit picture."""
        rule = rule or Values(0, 255, "uint8", channels)
        # A network may give the very value that means no data, and may give NaN
        rule = replace(rule, bands=None, inputs=1, nodata=math.nan)
        self.file, self.real = FileSource(path, rule, channels), real
        self.height, self.width, self.channels = self.file.height, self.file.width, channels
        self.read = self.file.read

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Return where a window holds data; see :class:`WindowSource`."""
        same = (self.height, self.width) == (self.real.height, self.real.width)
        return self.real.valid(top, left, height, width) if same else None


def copy(image: WindowSource, sink: WindowSink) -> None:
    """Copy an image, window by window, and close the sink."""
    for top, left in product(range(0, image.height, SIDE), range(0, image.width, SIDE)):
        place = top, left, min(SIDE, image.height - top), min(SIDE, image.width - left)
        sink.write(top, left, image.read(*place), image.valid(*place))
    sink.close()

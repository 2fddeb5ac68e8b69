"""Results that are written window by window: the values and tags are those of whole results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.translation.output_files import to_file, to_picture
from util.image.raster_tags import RasterTags
from util.image.window_writing import WindowFile
from util.values import Values

LABEL = "a translation"


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
    ) -> None:
        """Create ``path``, as ``NAME.part`` until it is whole; see :class:`WindowFile`.

        Args:
            shape: (H, W, C), with the channels of the network.
            rule: of the result's values; None: 8-bit pictures.
            note: prints a line, the same line once.
            resume: keep what an unfinished file of the same kind holds.

        Raises:
            UserError: it cannot be written, another process writes it, or the disk is too full.
        """
        self.rule, self.note = rule, note
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
            return to_file(LABEL, image, self.rule, valid, self.note)
        return to_picture(LABEL, image, self.note)[..., : image.shape[2]]

    def flush(self) -> None:
        """Force the windows written so far onto the disk. Raises UserError: that is impossible."""
        self.file.flush()

    def close(self) -> None:
        """Give the file its name. Raises UserError: it cannot be written."""
        self.file.close()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self.file.discard()

"""Windows of an 8-bit TIFF with the pixels that Pillow reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from data.image_file import as_mode, open_image
from data.rasters.header import MIN_IS_WHITE
from data.windows.tiff import NotWindowed, TiffWindows, Window

BANDS = {"1": 1, "L": 1, "P": 1, "LA": 2, "La": 2, "PA": 2, "RGB": 3, "RGBX": 4, "RGBA": 4}
BANDS |= {"RGBa": 4, "CMYK": 4}
GRAY = ("1", "L")
OLD_JPEG, JPEG, YCBCR = 6, 7, 6  # compressions, and a photometric interpretation


class Picture:
    """An 8-bit TIFF, converted as on the 8-bit path."""

    def __init__(self, path: str) -> None:
        """Read the header.

        Raises:
            NotWindowed: Pillow reads the file in a way that windows do not.
            UserError: names the file and why it cannot be read.
        """
        self.tiff = TiffWindows(path)
        with open_image(path) as image:
            self.mode = image.mode
            self.palette: Any = image.palette and image.palette.getdata()
        converted = self.tiff.photometric == YCBCR and self.tiff.compression != JPEG
        if converted or self.tiff.compression == OLD_JPEG:
            raise NotWindowed("its colors are decoded whole")
        if BANDS.get(self.mode) != self.tiff.in_page:
            raise NotWindowed(f"its bands ({self.mode}) are decoded whole")

    def read(self, window: Window, channels: int) -> np.ndarray:
        """Return a window as uint8 (h, w, C), not turned.

        Args:
            channels: 1 converts to gray, 2 to gray and alpha, 3 to RGB, 4 to RGB and alpha.

        Raises UserError: names the file, which is damaged.
        """
        values = self.tiff.read(window)
        if self.mode in GRAY:
            values = values.astype(np.uint8) * np.uint8(255 // (2**self.tiff.bits - 1))
            if self.tiff.photometric == MIN_IS_WHITE:
                values = 255 - values
        mode = "L" if self.mode in GRAY else self.mode
        raw = "RGBa" if mode == "RGBA" and self.tiff.is_premultiplied else mode
        size = window.width, window.height
        image = Image.frombytes(mode, size, values.tobytes(), "raw", raw)
        if self.palette:
            image.putpalette(self.palette[1], self.palette[0])
        picture = as_mode(image, channels, exif=False)
        array = np.asarray(picture.convert("L") if channels == 1 else picture)
        return array if array.ndim == 3 else array[..., None]

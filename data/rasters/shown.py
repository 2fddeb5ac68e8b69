"""Image files of any values as pictures, for sheets and the like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data.image_file import read_image
from data.listing import ARRAYS
from data.rasters.header import describe
from data.rasters.reading import read_array
from util.image.preview import percentiles, preview

PREVIEWS = "previews"  # beside the folder of images on a page of results


def read_shown(path: str) -> Image.Image:
    """Return an image file as an RGB picture, as the pages show it.

    An image of results is shown by its preview. Any other file that is more than an 8-bit picture
    is shown from the 2nd to the 98th percentile of each band, see :mod:`util.image.preview`.

    Raises UserError: names the file and why it cannot be read.
    """
    if not path.lower().endswith((".tif", ".tiff", ".png", *ARRAYS)) or describe(path).is_bytes:
        return read_image(path)
    if shown := preview_of(path):
        return read_image(shown)
    values = read_array(path).astype(np.float64)
    return Image.fromarray(preview(values, limits=percentiles(values)))


def preview_of(path: str) -> str:
    """Return the path of the preview of an image of results that the page has; else ""."""
    file = Path(path)
    for folder in file.parents:
        if folder.name == "images":
            shown = folder.parent / PREVIEWS / file.relative_to(folder).with_suffix(".png")
            if shown.is_file():
                return str(shown)
    return ""

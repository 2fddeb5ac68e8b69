"""The EXIF orientation of images, and the same tag of a TIFF, which Pillow obeys by itself."""

from __future__ import annotations

from PIL import ExifTags, Image

WIDTH, LENGTH = 256, 257  # tags of a TIFF
TAG = ExifTags.Base.Orientation


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be obeyed, 1 (upright) to 8.

    It is 1 for a TIFF: Pillow turns it upright when it decodes it, whatever ``--no_exif`` says.
    """
    return 1 if image.format == "TIFF" else image.getexif().get(TAG, 1)


def turned_sideways(image: Image.Image) -> bool:
    """True if the orientation of :func:`orientation` exchanges width and height."""
    return orientation(image) >= 5


def orientation_of_tiff(image: Image.Image) -> int:
    """Return the orientation of a TIFF, 1 (upright) to 8; 1 for other images."""
    found = getattr(image, "tag_v2", {}).get(TAG, 1)
    return found if found in range(1, 9) else 1


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) of an opened file as stored, before any turn.

    Newer versions of Pillow exchange the sides of a TIFF when they open it, older ones do later.
    """
    tags = getattr(image, "tag_v2", {})
    return (tags[WIDTH], tags[LENGTH]) if image.format == "TIFF" else image.size


def prepare(image: Image.Image) -> None:
    """Make Pillow decode a TIFF on its side correctly.

    From a file with a name, Pillow maps pixels without compression into memory as if they were
    upright, so that rows and columns are mixed up.
    """
    if orientation_of_tiff(image) >= 5:
        image.filename = ""  # type: ignore[attr-defined]

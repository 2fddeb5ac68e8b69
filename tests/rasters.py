"""Image files of every kind of values, for tests; tifffile and imagecodecs write most of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (24, 20)  # (width, height)
# Options of a dataset whose items are its files as they are, in order
PLAIN = {"preprocess": "none", "no_flip": True, "serial_batches": True, "load_size": 24}


def ramp(dtype: str, low: float, high: float, channels: int = 1, size=SIZE) -> np.ndarray:
    """An array (H, W, C) whose values cover ``low``..``high`` evenly, both included."""
    width, height = size
    values = np.linspace(low, high, width * height * channels).reshape(height, width, channels)
    return (values.round() if np.dtype(dtype).kind in "iu" else values).astype(dtype)


def write_tif(path: Path, array: np.ndarray, **settings: Any) -> Path:
    """Write (H, W, C) as a TIFF of one page; ``settings`` are those of ``tifffile.imwrite``."""
    import tifffile

    settings = {"photometric": "minisblack"} | settings
    if settings.get("planarconfig") == "separate":
        array = array.transpose(2, 0, 1)
    elif array.shape[2] == 1:
        array = array[..., 0]
    else:
        settings.setdefault("planarconfig", "contig")
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, **settings)
    return path


def write_pages(path: Path, array: np.ndarray, **settings: Any) -> Path:
    """Write each band of (H, W, C) as a page of a TIFF."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array.transpose(2, 0, 1), photometric="minisblack", **settings)
    return path


def write_png(path: Path, array: np.ndarray) -> Path:
    """Write uint8 or uint16 (H, W, C) as a PNG with all its bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if array.dtype == np.uint16 and array.shape[2] > 1:
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(array))
    else:
        Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(path)
    return path


def write_npy(path: Path, array: np.ndarray) -> Path:
    """Write (H, W, C) as ``.npy``, or as ``.npz`` with the one array "image"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, image=array)
    else:
        np.save(path, array)
    return path


def write(path: Path, array: np.ndarray, **settings: Any) -> Path:
    """Write (H, W, C) as the kind of file that the extension of ``path`` names."""
    writers: dict[str, Callable[..., Path]] = {
        ".png": write_png,
        ".npy": write_npy,
        ".npz": write_npy,
    }
    return writers.get(path.suffix, write_tif)(path, array, **settings)


def make_folder(
    folder: Path, kind: str, arrays: list[np.ndarray], **settings: Any
) -> list[np.ndarray]:
    """Write ``arrays`` as ``0.KIND``, ``1.KIND``, ... into ``folder``; returns them."""
    for number, array in enumerate(arrays):
        write(folder / f"{number}.{kind}", array, **settings)
    return arrays


def hounsfield(number: int, size=SIZE) -> np.ndarray:
    """An int16 image (H, W, 1) like a CT slice: air, soft tissue and a bright ring."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x - width / 2 - number % 3, y - height / 2) / min(size)
    values = np.where(radius < 0.4, 40 + 10 * np.sin(x + number), -1000)
    return np.where(abs(radius - 0.35) < 0.05, 1200, values).astype(np.int16)[..., None]


def values(*limits: float, letter: str = "") -> dict:
    """The option ``value_range`` or, with a letter such as "_A", that of a folder."""
    return {f"value_range{letter}": list(limits)} if limits else {}


def both(root: Path, arrays: list[np.ndarray], kind: str = "tif", **settings: Any) -> Path:
    """Write ``arrays`` as files into trainA and trainB of ``root``, and return it."""
    for domain in "AB":
        make_folder(root / f"train{domain}", kind, arrays, **settings)
    return root


def channels(number: int) -> dict:
    """The options for networks of ``number`` bands on both sides."""
    return {"input_nc": number, "output_nc": number}

"""TIFF files of kinds that Pillow does not write."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def directory(array: np.ndarray, pixels: int, at: int, last: bool, tags: dict) -> bytes:
    """The directory of an array (H, W) or (H, W, C), for position ``at`` of the file."""
    height, width, channels = np.atleast_3d(array).shape
    values = {
        256: [width],
        257: [height],
        258: [8 * array.dtype.itemsize] * channels,
        259: [1],
        262: [2 if channels > 2 else 1],
        273: [pixels],
        277: [channels],
        278: [height],
        279: [array.nbytes],
        339: [{"u": 1, "i": 2, "f": 3}[array.dtype.kind]] * channels,
    } | tags
    entries, more = b"", b""
    behind = at + 2 + 12 * len(values) + 4
    for tag, numbers in sorted(values.items()):
        data = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(data) > 4:
            data, more = struct.pack("<I", behind + len(more)), more + data
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + data
    following = 0 if last else behind + len(more)
    return struct.pack("<H", len(values)) + entries + struct.pack("<I", following) + more


def write_tiff(
    path: Path, *arrays: np.ndarray, tags: dict | None = None, later: dict | None = None
) -> Path:
    """Write each array as a page with ``tags``, and all pages but the first with ``later``, too."""
    data, starts = b"II*\0" + bytes(4), []
    for array in arrays:
        starts.append(len(data))
        data += array.astype(array.dtype.newbyteorder("<")).tobytes()
    data = data[:4] + struct.pack("<I", len(data)) + data[8:]
    for i, array in enumerate(arrays):
        extra = (tags or {}) | (later or {} if i else {})
        data += directory(array, starts[i], len(data), i == len(arrays) - 1, extra)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path

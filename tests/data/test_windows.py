"""Windows of images: each equals the same part of what the ordinary path reads."""

from __future__ import annotations

import numpy as np

from data.windows.arrays import ArraySink, ArraySource


def test_windows_in_memory():
    image = np.random.default_rng(0).uniform(-1, 1, (9, 7, 2)).astype(np.float32)
    mask = np.ones((9, 7), bool)
    mask[2, 3] = False
    source, sink = ArraySource(image, mask), ArraySink(image.shape)
    for top in range(0, 9, 4):
        for left in range(0, 7, 4):
            size = min(4, 9 - top), min(4, 7 - left)
            sink.write(top, left, source.read(top, left, *size), source.valid(top, left, *size))
    assert (sink.valid == mask).all()
    assert (sink.array[mask] == image[mask]).all() and (sink.array[2, 3] == -1).all()
    assert ArraySource(image).valid(0, 0, 9, 7) is None

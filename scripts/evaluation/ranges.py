"""The ranges of values that networks from outside want their images in."""

from __future__ import annotations

# Levels 0 to 255 minus the mean, divided by the scale; and whether as BGR (then the means are of B, G, R).
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...], bool]] = {
    "0..1": ((0, 0, 0), (255, 255, 255), False),
    "-1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), False),
    "0..255": ((0, 0, 0), (1, 1, 1), False),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False),
    "efficientnet": ((127, 127, 127), (128, 128, 128), False),
    "fcn8s": (
        (72.78044, 83.21195, 73.45286),
        (1, 1, 1),
        True,
    ),  # the paper's Caffe FCN; means of B, G, R
    "hed": ((104.00698793, 116.66876762, 122.67891434), (1, 1, 1), True),
}

"""Value ranges that external networks expect of their input images."""

from __future__ import annotations

# name: (mean, scale, BGR); an input is (level - mean) / scale with levels from 0 to 255. If BGR is
# True, the channels are reversed first and the means are those of B, G, R.
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...], bool]] = {
    "0..1": ((0, 0, 0), (255, 255, 255), False),
    "-1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), False),
    "0..255": ((0, 0, 0), (1, 1, 1), False),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False),
    "efficientnet": ((127, 127, 127), (128, 128, 128), False),
    # the Caffe FCN-8s that scores Cityscapes in the paper
    "fcn8s": ((72.78044, 83.21195, 73.45286), (1, 1, 1), True),
    "hed": ((104.00698793, 116.66876762, 122.67891434), (1, 1, 1), True),
}

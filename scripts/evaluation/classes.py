"""Classes of label maps: their colours and ids, and the pixels that are ignored."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.image_file import open_image, read_image
from util.image.metrics import Array, palette_labels

IGNORED = 255
LABEL_IDS = "_labelIds.png"


@dataclass(frozen=True)
class Classes:
    """The classes of a data set.

    Attributes:
        palette: colours of the C classes, (C, 3).
        void: colours of ignored pixels, (V, 3).
        ids: the number of each class in files named ``*_labelIds.png``.
    """

    palette: Array
    void: Array = field(default_factory=lambda: np.empty((0, 3), np.uint8))
    ids: tuple[int, ...] = ()

    def truth(self, path: str) -> Array:
        """Return the true class (H, W) of each pixel, ``IGNORED`` for ignored pixels.

        Files named ``*_labelIds.png`` hold ids. Others hold colours, of which the nearest one is
        taken because JPEG shifts colours.
        """
        if self.ids and path.endswith(LABEL_IDS):
            with open_image(path) as image:
                class_of_id = np.full(256, IGNORED, np.uint8)
                class_of_id[list(self.ids)] = np.arange(len(self.ids))
                return class_of_id[np.asarray(image.convert("L"))]
        colours = np.concatenate((self.palette, self.void))
        labels = palette_labels(np.asarray(read_image(path)), colours)
        return np.where(labels < len(self.palette), labels, IGNORED).astype(np.uint8)


# road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain,
# sky, person, rider, car, truck, bus, train, motorcycle, bicycle
COLOURS = (
    "128,64,128 244,35,232 70,70,70 102,102,156 190,153,153 "
    "153,153,153 250,170,30 220,220,0 107,142,35 152,251,152 "
    "70,130,180 220,20,60 255,0,0 0,0,142 0,0,70 "
    "0,60,100 0,80,100 0,0,230 119,11,32"
)
# unlabelled and static, dynamic, ground, parking, rail track, guard rail, bridge, tunnel, caravan,
# trailer. Pole group has the colour of pole, and licence plate the colour of car.
VOID = (
    "0,0,0 111,74,0 81,0,81 250,170,160 230,150,140 "
    "180,165,180 150,100,100 150,120,90 0,0,90 0,0,110"
)
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def _colours(text: str) -> Array:
    return np.array([colour.split(",") for colour in text.split()], np.uint8)


CITYSCAPES = Classes(_colours(COLOURS), _colours(VOID), IDS)

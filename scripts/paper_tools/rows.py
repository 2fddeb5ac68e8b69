"""The rows of the paper's comparison (section 5.1.2; Tables 1 to 3), as options of train.py.

Where the paper is silent, the options are those of the Lua code that made its tables; see
docs/baselines.md. Networks, image sizes and epochs are the same for all rows but CoGAN, and come
from the recipe of the data set.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One method of the comparison.

    Attributes:
        title: its name in the tables.
        options: its options of train.py.
        both: True if one training translates in both directions; else each takes one of its own.
        pairs: True if it trains on pairs.
        updates: number of steps of its training, if it has a schedule of its own.
    """

    title: str
    options: str
    both: bool = True
    pairs: bool = False
    updates: int = 0


# In the order of the paper's tables. CoGAN: as many updates as its authors' solver makes for images
# of 128x128; a batch of 64 images is that of its PyTorch code.
ROWS = {
    "cogan": Row("CoGAN", "--model cogan --batch_size 64", updates=50_000),
    "bigan": Row("BiGAN/ALI", "--model bigan"),
    "simgan": Row("SimGAN", "--model content_gan --content_loss pixel --lambda_A 10", both=False),
    "features": Row(
        "Feature loss + GAN",
        "--model content_gan --content_loss features --lambda_A 10",
        both=False,
    ),
    "cycle_gan": Row("CycleGAN", "--model cycle_gan --lambda_identity 0"),
    # "Same architecture and details as our method", so not the U-Net, batch norm, cross-entropy,
    # dropout and weight 100 of the pix2pix paper; the pool holds pairs of input and output.
    "pix2pix": Row(
        "pix2pix",
        "--model pix2pix --dataset_mode aligned --norm instance --gan_mode lsgan --pool_size 50 "
        "--lambda_L1 10 --no_dropout",
        both=False,
        pairs=True,
    ),
}

# Tables 2 and 3: per-pixel accuracy, per-class accuracy, class IOU on Cityscapes (A photos, B
# labels).
CITYSCAPES = {
    "BtoA": {
        "cogan": (0.40, 0.10, 0.06),
        "bigan": (0.19, 0.06, 0.02),
        "simgan": (0.20, 0.10, 0.04),
        "features": (0.06, 0.04, 0.01),
        "cycle_gan": (0.52, 0.17, 0.11),
        "pix2pix": (0.71, 0.25, 0.18),
    },
    "AtoB": {
        "cogan": (0.45, 0.11, 0.08),
        "bigan": (0.41, 0.13, 0.07),
        "simgan": (0.47, 0.11, 0.07),
        "features": (0.50, 0.10, 0.06),
        "cycle_gan": (0.58, 0.22, 0.16),
        "pix2pix": (0.85, 0.40, 0.32),
    },
}
# Table 1: % of results that people took for real, with its standard error, on maps (A photos, B
# maps). The paper has no number for pix2pix at this size.
MAPS = {
    "BtoA": {
        "cogan": (0.6, 0.5),
        "bigan": (2.1, 1.0),
        "simgan": (0.7, 0.5),
        "features": (1.2, 0.6),
        "cycle_gan": (26.8, 2.8),
    },
    "AtoB": {
        "cogan": (0.9, 0.5),
        "bigan": (1.9, 0.9),
        "simgan": (2.6, 1.1),
        "features": (0.3, 0.2),
        "cycle_gan": (23.2, 3.4),
    },
}

"""FID and KID of a validation, with the feature network of ``--features``.

The real images of a domain are compared with the translations into it, each file once. Features of
real images are computed in the first validation and kept. Values are the means of all domains.
"""

from __future__ import annotations

import time
from argparse import Namespace

import numpy as np
from PIL import Image

from util.errors import UserError
from util.image.distances import fid, kid_estimate, warn_small
from util.image.features import load_features
from util.image.metrics import Array
from util.image.preview import preview
from util.seeds import preserve_rng
from util.values import source_of

NAMES = ("fid", "kid")


class SetMetrics:
    """The features of the images of a validation.

    Attributes:
        seconds: time that this validation has spent here.
    """

    def __init__(self, opt: Namespace) -> None:
        """Load the network. Raises UserError: it or a package is missing, or it is damaged."""
        self.opt, self.seconds = opt, 0.0
        with preserve_rng():  # a network draws its weights before they are loaded
            self.network = load_features(
                opt.features,
                opt.inception_weights,
                opt.features_size,
                opt.features_range,
                opt.device,
            )
        self.features: dict[str, dict[str, np.ndarray]] = {}  # label -> source file -> features

    def begin(self) -> None:
        """Forget the translations of the last validation."""
        self.seconds = 0.0
        self.features = {k: known for k, known in self.features.items() if k.startswith("real_")}

    def add(self, label: str, levels: Array, batch: dict) -> None:
        """Compute the features of an image, unless those of its file are known.

        Args:
            label: real_X or fake_X; others are left out.
            levels: (H, W, C) from 0 to 255; uint8 for 8-bit pictures.

        Raises UserError: it has other channels, or the network cannot take it.
        """
        if not label.startswith(("real_", "fake_")):
            return
        start = time.monotonic()
        paths = batch.get(f"{source_of(label, self.opt.direction)}_paths") or batch["A_paths"]
        known = self.features.setdefault(label, {})
        if paths[0] not in known:
            known[paths[0]] = self.network(as_rgb(levels))
        self.seconds += time.monotonic() - start

    def distances(self) -> dict[str, float]:
        """Return the FID, and the KID times 1000.

        Raises UserError: a domain has fewer than two images, or features that are not finite.
        """
        start = time.monotonic()
        sets = {label: np.stack(list(known.values())) for label, known in self.features.items()}
        pairs = [
            (fake, sets[real])
            for label, fake in sets.items()
            if label.startswith("fake_") and (real := label.replace("fake_", "real_")) in sets
        ]
        values = {
            "fid": float(np.mean([fid(fake, real) for fake, real in pairs])),
            "kid": float(np.mean([1000 * kid_estimate(fake, real) for fake, real in pairs])),
        }
        self.seconds += time.monotonic() - start
        return values

    def require_enough(self, counts: list[int]) -> None:
        """Warn if FID or KID mean little for so few images; call this after the first :meth:`add`.

        Args:
            counts: the numbers of validation images of each side; [] if unknown.

        Raises UserError: a side has a single image.
        """
        if counts and min(counts) < 2:
            raise UserError(
                "--features: FID and KID need at least 2 validation images per side, not "
                f"{' and '.join(map(str, counts))}"
            )
        of_images = [image for known in self.features.values() for image in known.values()]
        if counts:
            warn_small(min(counts), max(counts), of_images[0].size)


def as_rgb(levels: Array) -> Image.Image:
    """Return levels (H, W, C) as a picture; images of any values are shown by their preview.

    Raises UserError: an 8-bit picture has other channels than gray or RGB.
    """
    if levels.dtype != np.uint8:
        return Image.fromarray(preview(levels / 127.5 - 1))
    if levels.shape[2] not in (1, 3):
        raise UserError(f"--features takes images of 1 or 3 channels, not {levels.shape[2]}")
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3))))

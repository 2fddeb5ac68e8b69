"""LPIPS, and the features of image files."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from data.image_file import read_image
from util import checkpoint
from util.console import Progress
from util.errors import explain, needs
from util.image.features import Features, run, to_batch


def features_of_files(
    network: Features,
    paths: list[str],
    progress: Progress,
    read: Callable[[str], Image.Image] = read_image,
) -> np.ndarray:
    """Return the features (n, d) of image files, which may differ in size.

    Args:
        read: returns the RGB image of a file.

    Raises UserError: an image cannot be read, or the network cannot take it.
    """
    features = []
    for path in paths:
        features.append(network(read(path)))
        progress.update()
    return np.stack(features)


@functools.cache
def load_lpips(
    backbone: str, weights: str | None = None
) -> Callable[[np.ndarray, np.ndarray], float]:
    """Load LPIPS 0.1 as a function of two uint8 images (H, W, 3).

    Args:
        backbone: ``alex``, ``vgg`` or ``squeeze``.
        weights: torchvision's file of the backbone; by default the package downloads it.

    Raises:
        UserError: the package or the weights are missing.
    """
    with needs("--lpips", "lpips"):
        from lpips import LPIPS
    message = f"--lpips {backbone}: no weights; give torchvision's file with --lpips_weights FILE"
    with explain(message), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = LPIPS(net=backbone, pnet_rand=bool(weights), verbose=False).eval()
        if weights:
            saved = checkpoint.load_state_dict(Path(weights))
            checkpoint.require_numbers(saved, f"the weights in {weights}")
            names = {key: f"features.{key.split('.', 1)[1]}" for key in network.net.state_dict()}
            network.net.load_state_dict({key: saved[name] for key, name in names.items()})

    def measure(image: np.ndarray, target: np.ndarray) -> float:
        a, b = (to_batch([Image.fromarray(x)], "-1..1") for x in (image, target))
        return float(run(lambda _: network(a, b), a, "--lpips"))

    return measure

"""Images in the values of a run's files: from arrays to the input of a network, and back."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from data.base_dataset import get_transform
from data.image_file import as_mode
from data.image_to_tensor import steps_of
from data.pipeline.clipped import Clipped
from data.rasters import wishes
from data.rasters.items import raster_entry, raster_of
from data.rasters.reading import array_for
from models.translation.output_files import to_file
from util import values
from util.errors import UserError, culprit
from util.option_defaults import ours
from util.values import DomainValues, domain_of


class ValueImages:
    """Converts images of a run by the rules of its values.

    Attributes:
        source: the rule of the images that are translated; None: 8-bit pictures.
        target: the rule of the translations; None: 8-bit pictures.
        domain: "A" or "B", the folder of the images that are translated.
        clipped: counts their values that were outside of the range.
    """

    def __init__(self, opt: Namespace, domains: DomainValues, note: Callable[[str], None]) -> None:
        """Args:
        domains: the rules of the folders A and B.
        note: reports a line about what a caller may not expect, the same line once.
        """
        self.opt, self.note, self.clipped = opt, note, Clipped()
        self.domain = domain_of("real", opt.direction)
        self.source = domains[self.domain]
        self.target = domains[domain_of("fake", opt.direction)]
        self.steps = steps_of(get_transform(opt))

    def array_of(self, image: Any) -> np.ndarray:
        """Return a path, a PIL image or an array as an array (H, W) or (H, W, C) of all its bands.

        PIL images and files with 8 bits are converted as on the 8-bit path.

        Raises UserError: it is none of these, or cannot be read.
        """
        assert self.source is not None
        exif, channels = not self.opt.no_exif, self.source.channels
        if isinstance(image, str | os.PathLike):
            return array_for(os.fspath(image), self.source, self.opt.npz_key, exif)
        if isinstance(image, Image.Image):
            if self.source.converts_pictures:
                image = as_mode(image, channels, exif)
                image = image.convert("L") if channels == 1 else image
            return np.asarray(image)
        if not isinstance(image, np.ndarray):
            raise UserError(
                f"an image should be a path, a PIL image or an array, not {type(image).__name__}"
            )
        return image

    def to_input(self, array: np.ndarray, path: str = "") -> tuple[torch.Tensor, np.ndarray | None]:
        """Return the input (1, C, h, w) of the network, resized and cropped as in a test.

        Args:
            array: (H, W) or (H, W, C) in the type and the values of the files, with all their
                bands.
            path: of the file that holds it, for messages; "" if there is none.

        Returns:
            The input, and where it holds data, as bool (h, w); None: everywhere.

        Raises:
            UserError: the array does not suit the rule.
        """
        assert self.source is not None
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3 or not array.size:
            raise UserError(f"an array should be (H, W) or (H, W, C), not {array.shape}")
        with culprit(f"cannot use the image {path}" if path else "the image cannot be used"):
            raster, clipped = raster_of(array, self.source)
        if clipped and not self.clipped.values[self.domain]:
            self.note(
                f"{clipped} of {array.size} values of an image are outside of {self.source.limits} "
                "and were set to its ends (said for the first such image only)"
            )
        self.clipped.take({f"{self.domain}_clipped": torch.tensor([clipped])})
        item = raster_entry("A", raster, clipped, self.source, self.steps)
        mask = item.get("A_mask")
        return item["A"][None], None if mask is None else mask[0].numpy()

    def to_values(self, result: torch.Tensor, valid: np.ndarray | None) -> np.ndarray:
        """Return an output (1, C, h, w) of the network as (h, w, C) in the type of its domain."""
        assert self.target is not None
        unit = result[0].detach().float().cpu().numpy().transpose(1, 2, 0)
        return to_file("a translation", unit, self.target, valid, self.note)


def rules_of_run(opt: Namespace) -> DomainValues:
    """Return the rules of the values of a run's folders, as ``opt`` names it.

    Raises UserError: an option of values is given, which only test.py and scripts/translate.py can
        change.
    """
    given = [name for name in wishes.OPTIONS if name in ours(opt).explicit_options]
    if given:
        raise UserError(
            f"--{', --'.join(given)}: load_generator takes the values of the run; for an array of "
            "floats, give the range with the image: translate(array, value_range=(LOW, HIGH))"
        )
    return values.load(Path(opt.checkpoints_dir) / opt.name)

"""A trained generator as a function, for scripts and notebooks."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from data.base_dataset import get_transform
from data.dataset_of_images import OPAQUE
from data.image_file import (
    LOW,
    as_mode,
    bits_per_channel,
    has_alpha,
    highest_value,
    too_low,
    value_problem,
)
from data.rasters.inputs import joined
from data.rasters.reading import read_array
from models.test_model import TestModel
from models.translation.given_images import (
    EXPECTED,
    NEEDS_RANGE,
    checked_floats,
    checked_range,
    described,
    floats_from_unit,
    floats_to_unit,
    picture_of,
)
from models.translation.tiling.memory_maps import translate_map, translate_windows
from models.translation.tiling.network import TiledNetwork, tile_networks
from models.translation.value_images import ValueImages, rules_of_run
from util.console import quiet, say
from util.errors import UserError, culprit, first_line
from util.images import show_images
from util.modules import batch_dependence
from util.option_defaults import ours, theirs
from util.seeds import LocalGenerators
from util.upsampling import require_upsampling
from util.values import DomainValues


class Translator:
    """Translates images, and returns the type that it is given.

    The pixels are those that ``test.py`` saves. Several threads may call it at the same time. A
    call changes neither the network nor the random number generators of the process.

    Attributes:
        opt: the options of the test.
        origin: the folder or archive of the run, for ``repr``.
        silent: print nothing; what the user should know is a Python warning, once.
        messages: what loading would have printed, if ``silent``.
    """

    def __init__(
        self, opt, silent: bool = False, domains: DomainValues | None = None, images: int = 1
    ) -> None:
        """Load the generator.

        Args:
            domains: the rules of the values of the folders A and B; None: those of the run.
            images: how many images are to be translated, for the time that ``--tile`` takes.

        Raises UserError: ``--model`` is given and not "test".
        """
        if opt.model != "test":
            raise UserError(
                f"--model {opt.model}: one generator translates, so leave this option out "
                "(--direction BtoA chooses the other generator)"
            )
        self.opt, self.silent = opt, silent
        self.messages: list[str] = []
        self.said: set[str] = set()
        self.values = ValueImages(opt, domains or rules_of_run(opt), self.note)
        self.model = TestModel(opt)
        require_upsampling(opt, self.model)
        self.model.setup(theirs(opt))
        self.origin = str(self.model.source.parent)
        if opt.eval:
            self.model.eval()
        for layer in self.model.netG.modules():
            if isinstance(layer, (nn.BatchNorm2d, nn.SyncBatchNorm)):
                layer.track_running_stats = False  # without --eval, a call would change statistics
        self.dependence = batch_dependence([self.model.netG])
        if ours(opt).tile:
            tile_networks(self.model, images, self._report, say)
        self.transform = get_transform(opt, grayscale=opt.input_nc == 1)

    def __repr__(self) -> str:
        opt, net = self.opt, self.model.netG
        sizes = {"resize": "load_size", "scale_width": "load_size", "crop": "crop_size"}
        used = dict.fromkeys(size for word, size in sizes.items() if word in opt.preprocess)
        settings = "".join(f", {size}={getattr(opt, size)}" for size in used)
        count = sum(weights.numel() for weights in net.parameters())
        millions = getattr(net, "parameter_count", count) / 1e6
        return (
            f"<Translator {opt.direction} of {self.origin} ({self.model.source.name}): "
            f"{opt.netG}, {millions:.3g} M parameters, {opt.input_nc} -> {opt.output_nc} channels, "
            f'preprocess="{opt.preprocess}"{settings}, on {opt.device}>'
        )

    def __call__(self, image: Any, value_range: tuple[float, float] | None = None) -> Any:
        """Translate an image, a batch of tensors, or a list of images.

        Args:
            image: one of
                - a PIL image of any mode, or the path of an image file: gives a PIL image;
                - an array of uint8, (H, W) or (H, W, C): gives uint8 (H, W, C);
                - an array of floats of the same shapes, with ``value_range``. It is not
                  preprocessed, and gives floats in that range;
                - a tensor (C, H, W) or (N, C, H, W) in [-1, 1], which is not preprocessed, either.
                  The images of a batch influence each other if batch statistics are in use; a
                  warning says so;
                - with ``tile=`` and ``preprocess="none"``, a memory map of such an array, or a
                  :class:`data.windows.protocols.WindowSource`: gives its own kind, in a file
                  without a name among the temporary files, and neither is in memory as a whole;
                - a list or a tuple of these: gives a list.
                In a run with images that are more than 8-bit pictures (``--value_range``), paths,
                PIL images and arrays hold the values of its files, with all their bands; arrays
                have their type. They give arrays of the type and the values of the other domain:
                (H, W) for a single band, if the input was no array (H, W, C), else (H, W, C). If
                the other domain has 8-bit pictures, they give what it says above.
            value_range: the values of black and white in arrays of floats, such as (0, 1).

        Raises:
            UserError: it is none of these, cannot be read, or has a wrong number of channels.
        """
        if value_range is not None:
            value_range = checked_range(value_range)
        if isinstance(image, list | tuple):
            results = []
            for index, item in enumerate(image):
                with culprit(f"image {index} of the list"):
                    results.append(self(item, value_range))
            return results
        with quiet() if self.silent else contextlib.nullcontext():
            if (windowed := self._translate_windowed(image, value_range)) is not None:
                return windowed
            holds_values = not isinstance(image, torch.Tensor) and value_range is None
            if holds_values and (self.values.source or self.values.target):
                return self._translate_values(image)
            if isinstance(image, np.ndarray) and image.dtype.kind == "f":
                return self._translate_floats(image, value_range)
            if value_range is not None:
                raise UserError(f"value_range is for arrays of floats, not for {described(image)}")
            if isinstance(image, torch.Tensor):
                return self._translate_tensor(image)
            result = self._translate_picture(picture_of(image))
            return np.asarray(result) if isinstance(image, np.ndarray) else result

    def _translate_windowed(self, image: Any, value_range: tuple[float, float] | None) -> Any:
        """Translate what need not fit into memory; None: ``image`` is of another kind.

        Raises UserError: it does not fit the network or the rule, or cannot be read.
        """
        network, is_source = self.model.netG, hasattr(image, "read") and hasattr(image, "channels")
        if not isinstance(network, TiledNetwork):
            if is_source:
                raise UserError("windows are translated in tiles: load_generator(..., tile=1024)")
        elif is_source:
            return translate_windows(network.tiled, image, self.opt.input_nc)
        elif isinstance(image, np.memmap) and self.opt.preprocess == "none":
            channels = self.opt.input_nc
            return translate_map(network.tiled, self.values, channels, image, value_range)
        return None

    def _translate_values(self, image: Any) -> Any:
        """Translate a path, a PIL image or an array in the values of the run's files.

        Raises UserError: it is none of these, cannot be read, or does not suit the rule.
        """
        is_array = isinstance(image, np.ndarray)
        if self.values.source is None:
            valid = None
            batch = self._input_of(picture_of(image))
        else:
            path = os.fspath(image) if isinstance(image, str | os.PathLike) else ""
            batch, valid = self.values.to_input(self.values.array_of(image), path)
        result = self._run(batch)
        if self.values.target is None:
            picture = show_images({"the translation": result})["the translation"]
            return picture if is_array else Image.fromarray(picture)
        array = self.values.to_values(result, valid)
        is_plane = array.shape[2] == 1 and not (is_array and image.ndim == 3)
        return array[..., 0] if is_plane else array

    def _translate_picture(self, picture: Image.Image) -> Image.Image:
        """Translate a PIL image. Raises UserError: it cannot be read or used."""
        result = self._run(self._input_of(picture))
        return Image.fromarray(show_images({"the translation": result})["the translation"])

    def _input_of(self, picture: Any) -> torch.Tensor:
        """Return the input (1, C, h, w) for a PIL image, resized and cropped as in a test.

        Raises UserError: it is none, or cannot be read or used.
        """
        if not isinstance(picture, Image.Image) or picture.mode == "F" or not all(picture.size):
            raise UserError(f"{EXPECTED}, not {described(picture)}")
        deep = not value_problem(picture) and bits_per_channel(picture) == 16
        try:
            picture.load()  # Image.open reads only the header
        except Exception as error:  # Pillow's decoders raise almost anything on damaged files
            raise UserError(f"cannot read the image: {first_line(error)}") from None
        if deep and highest_value(picture) <= LOW:
            raise UserError(f"the image cannot be used: {too_low(1)}")
        if self.opt.input_nc in (2, 4) and not has_alpha(picture):
            self.note(f"an image without alpha, {OPAQUE}")
        picture = as_mode(picture, self.opt.input_nc, exif=not self.opt.no_exif)
        return self.transform(picture)[None]

    def _translate_floats(
        self, array: np.ndarray, value_range: tuple[float, float] | None
    ) -> np.ndarray:
        """Translate (H, W) or (H, W, C); the result has the same type of number.

        Raises UserError: there is no range, values are far outside of it, or the channels differ.
        """
        channels = self.opt.input_nc
        if value_range is None:
            raise UserError(f"{described(array)} {NEEDS_RANGE}")
        repeats = checked_floats(array, channels)
        unit = floats_to_unit(array, value_range).astype(np.float32)
        unit = np.repeat(unit if unit.ndim == 3 else unit[..., None], repeats, axis=2)
        tensor = torch.from_numpy(unit.transpose(2, 0, 1).copy())
        result = self._run(tensor[None])[0].permute(1, 2, 0).numpy()
        result = floats_from_unit(result, value_range, array.dtype)
        return result[..., 0] if array.ndim == 2 and result.shape[2] == 1 else result

    def _translate_tensor(self, image: torch.Tensor) -> torch.Tensor:
        """Translate (C, H, W) or (N, C, H, W) in [-1, 1]; the result has the same type of number.

        Raises UserError: the tensor has another shape, or values far outside of this range.
        """
        channels = self.opt.input_nc
        usual = image.layout == torch.strided and not (image.is_nested or image.is_meta)
        fits = usual and image.dim() in (3, 4) and image.shape[-3] == channels
        if not (fits and image.is_floating_point() and all(image.shape[-2:])):
            raise UserError(
                f"a tensor should be (N, {channels}, H, W) or ({channels}, H, W) in [-1, 1], "
                f"not {described(image)}"
            )
        low, high = torch.aminmax(image.detach().float()) if image.numel() else (0, 0)
        if not -2 <= low <= high <= 2:  # a resize may overshoot a little; NaN fails, too
            raise UserError(
                "the values of a tensor should be in [-1, 1] (for bytes: x / 127.5 - 1), "
                f"not from {low:g} to {high:g}"
            )
        if image.dim() == 3:
            return self._run(image[None])[0]
        if len(image) > 1 and self.dependence:
            self.note(f"images of a batch influence each other, because of {self.dependence}")
        return self._run(image)

    def _run(self, batch: torch.Tensor) -> torch.Tensor:
        model = copy.copy(self.model)  # its images belong to this call alone
        with LocalGenerators(self.opt.seed):
            model.set_input({"A": batch.float(), "A_paths": []})
            model.test()
        return model.fake.to(batch)

    def join(self, *paths: str | os.PathLike) -> np.ndarray:
        """Return the bands of the inputs of an image, one file each, as an array (H, W, C).

        A run with several inputs (folders trainA1, trainA2, ...) translates such an array.

        Raises UserError: a file cannot be read, or the files differ in size or type.
        """
        names, exif = [os.fspath(path) for path in paths], not self.opt.no_exif
        return joined({name: read_array(name, self.opt.npz_key, exif) for name in names})

    def note(self, line: str) -> None:
        """Report what a caller may not expect, the same line once."""
        if line not in self.said:
            self.said.add(line)
            self._report(line)

    def _report(self, message: str) -> None:
        if self.silent:
            warnings.warn(message, stacklevel=2)
        else:
            say(message)

"""Runs an exported file at ten sizes and compares it with the generator that it was made from."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scripts.exporting.formats import Run
from scripts.exporting.graph import in_float32
from util.errors import UserError, explain
from util.exported_file import load_weights, open_session
from util.feature_networks import load_torchscript
from util.values import Values

# (images, height, width): odd ones, some smaller than the stride of a network, most not square
SIZES = (
    (1, 2, 2), (2, 2, 31), (1, 3, 3), (1, 17, 5), (3, 31, 64), (1, 64, 48), (2, 100, 37),
    (1, 128, 128), (1, 130, 97), (1, 257, 140),
)  # fmt: skip
Sizes = Sequence[tuple[int, int, int]]
LIMITS = {False: 1e-4, True: 1e-2}  # half precision -> the largest difference, in [-1, 1]
# Images up to this height and width are not judged in half precision. A norm divides them by the
# deviation of a few values, so that rounding the weights alone changes the result by 0.016.
TINY = 3


class Differences(NamedTuple):
    """Attributes:
    largest: of all values at all sizes, where the values of an image go from -1 to 1.
    mean: of the absolute differences of all values.
    size: "HEIGHTxWIDTH" where the largest one is.
    larger: the largest of the images above :data:`TINY`.
    """

    largest: float
    mean: float
    size: str
    larger: float


class Case(NamedTuple):
    """A generator, and how its exported file takes images.

    Attributes:
        reference: the generator, in float32, with [-1, 1] in and out.
        channels: of the input.
        raw: True if the file takes and gives values in file units.
        source, target: the rules of the values of input and output; None: 0..255.
    """

    reference: nn.Module
    channels: int
    raw: bool
    source: Values | None
    target: Values | None


def open_file(kind: str, file: Path, net: nn.Module) -> Run:
    """Return the network in an exported file as a function of a batch.

    Args:
        net: the generator that the weights of a safetensors file are loaded into.
    """
    if kind == "onnx":
        session = open_session(file)
        return lambda x: torch.from_numpy(session.run(None, {"image": x.numpy()})[0])
    if kind == "torchscript":
        return load_torchscript(file, "--output")
    net = copy.deepcopy(net)
    net.load_state_dict(load_weights(file))
    return net


def smooth_image(shape: tuple[int, int, int, int], rng: torch.Generator) -> torch.Tensor:
    """Return random images (N, C, H, W) in [-1, 1]: large patches, and noise."""
    coarse = torch.rand(*shape[:2], 5, 5, generator=rng)
    image = functional.interpolate(coarse, shape[2:], mode="bilinear", align_corners=False)
    return (image * 1.6 + torch.rand(shape, generator=rng) * 0.4) - 1


def compare(run: Run, case: Case, sizes: Sizes = SIZES) -> Differences:
    """Compare a file with the generator at all ``sizes``.

    Raises UserError: the file cannot be run at one of them, or gives an image of another size.
    """
    largest, where, total, count, larger = 0.0, "", 0.0, 0, 0.0
    for shape, difference in differences(run, case, sizes):
        highest = difference.max().item()
        if not highest <= largest or not where:  # NaN counts as the largest
            largest, where = highest, f"{shape[1]}x{shape[2]}"
        if max(shape[1:]) > TINY and not highest <= larger:
            larger = highest
        total, count = total + difference.sum().item(), count + difference.numel()
    return Differences(largest, total / count, where, larger)


def differences(
    run: Run, case: Case, sizes: Sizes
) -> Iterator[tuple[tuple[int, int, int], torch.Tensor]]:
    """Yield each of ``sizes`` and the absolute differences of its values."""
    rng = torch.Generator().manual_seed(0)
    for shape in sizes:
        images, height, width = shape
        unit = smooth_image((images, case.channels, height, width), rng)
        with explain(f"the exported file cannot translate {height}x{width}"), torch.no_grad():
            if case.raw:
                yield shape, compare_raw(run, case, unit)
                continue
            expected, result = case.reference(unit), run(unit)
            require_shape(result, expected)
            yield shape, (result.double() - expected.double()).abs()


def compare_raw(run: Run, case: Case, unit: torch.Tensor) -> torch.Tensor:
    """Return the differences of the values of files, with their range as -1..1.

    Of whole numbers, up to half a unit is rounding and no difference.
    """
    images = [to_file(image, case.source) for image in unit]
    if case.source and case.source.nodata is not None:
        for image in images:
            image[0, 0] = case.source.nodata
    with np.errstate(over="ignore"):  # see in_float32
        batch = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32))
        inputs, masks = zip(*(to_input(image, case.source) for image in images), strict=True)
    expected = case.reference(torch.from_numpy(np.stack(inputs).transpose(0, 3, 1, 2)))
    result = run(batch)
    require_shape(result, expected)
    low, high = (0.0, 255.0) if case.target is None else (case.target.low, case.target.high)
    step = 0.5 if case.target is None or case.target.is_integer else 0.0
    values = (expected.double().clamp(-1, 1) + 1) * ((high - low) / 2) + low
    wrong = ((result.double() - values).abs() - step).clamp(min=0) * (2 / (high - low))
    for i, mask in enumerate(masks):
        if mask is not None and case.target is not None:
            fill = case.target.low if case.target.fill is None else case.target.fill
            right = np.isclose(result[i].numpy(), in_float32(fill), rtol=1e-6, equal_nan=True)
            wrong[i] = torch.where(
                torch.from_numpy(mask), wrong[i], torch.from_numpy(~right).double()
            )
    return wrong


def to_file(unit: torch.Tensor, rule: Values | None) -> np.ndarray:
    """Return an image (C, H, W) as the float array (H, W, C) of a file's values."""
    array = unit.permute(1, 2, 0).numpy()
    if rule is None:
        return ((array + 1) * 127.5).round()
    return rule.from_unit(array).astype(np.float64)


def to_input(array: np.ndarray, rule: Values | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the input (H, W, C) of a network for the values of a file, and where it has data."""
    if rule is None:
        return (array / 127.5 - 1).astype(np.float32), None
    image = rule.to_unit(array.astype(np.float32))
    return image.pixels, image.valid


def require_shape(result: torch.Tensor, expected: torch.Tensor) -> None:
    """Raise UserError unless both have the same shape."""
    if result.shape != expected.shape:
        found, right = tuple(result.shape), tuple(expected.shape)
        raise UserError(f"the exported file gives {found} in place of {right}")


def require_equal(found: Differences, kind: str, half: bool) -> None:
    """Raise UserError if the largest difference is above the limit of its precision."""
    limit, largest = LIMITS[half], found.larger if half else found.largest
    if not largest <= limit:
        where = f"of images above {TINY}x{TINY}" if half else f"at {found.size}"
        precision = "half precision: leave out --half" if half else "float32"
        raise UserError(
            f"--to {kind}: no file is written, because the exported network differs from the "
            f"generator by {largest:.3g} {where}, and {limit:g} is the most in {precision}"
        )

"""The pixel values of a domain: how numbers in its files become numbers in [-1, 1], and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from util.errors import UserError
from util.files import read_json, write_atomically

FILE = "values.json"  # in the folder of a run
INVALID = -1.0  # what a network gets in place of pixels without data
CONTAINERS = ("png", "tif", "npy")
OTHER = {"A": "B", "B": "A"}


def shown(number: float) -> str:
    """Return a number as ``--value_range`` takes it: whole ones without a point."""
    number = float(number)  # a float16 would overflow in the comparison with 1e15
    whole = math.isfinite(number) and number == int(number) and abs(number) < 1e15
    return str(int(number)) if whole else f"{number:.6g}"


def limits_text(low: float, high: float) -> str:
    """Return a range as "LOW..HIGH"."""
    return f"{shown(low)}..{shown(high)}"


class UnitImage(NamedTuple):
    """An image for a network, see :meth:`Values.to_unit`."""

    pixels: np.ndarray  # float32 (H, W, C) in [-1, 1]
    valid: np.ndarray | None  # bool (H, W), False where there is no data; None: all are valid
    clipped: int  # the number of values outside of the range, which were set to its ends


class RangeImage(NamedTuple):
    """An image within the range of its domain, see :meth:`Values.limit`."""

    values: np.ndarray  # float64 (H, W, C) from 0 to high - low; 0 where there is no data
    valid: np.ndarray | None  # bool (H, W), False where there is no data; None: all are valid
    clipped: int  # the number of values outside of the range, which were set to its ends


@dataclass(frozen=True)
class Values:
    """One rule for the values of all files of a domain: ``low``..``high`` becomes -1..1.

    Attributes:
        low, high: the range in the units of the files, ``--value_range``; low < high.
        dtype: NumPy's name of the files' type, e.g. "uint16" or "float32".
        channels: the number of bands that are used.
        bands: which bands of a file, counted from 1; None uses all.
        nodata: pixels of this value in any used band hold no data (may be NaN); None: all do.
        container: the kind of file that results are written to: "png", "tif" or "npy".
        inputs: the number of files of an image whose bands are joined (trainA1, trainA2, ...).
    """

    low: float
    high: float
    dtype: str
    channels: int
    bands: tuple[int, ...] | None = None
    nodata: float | None = None
    container: str = "tif"
    inputs: int = 1

    @property
    def limits(self) -> str:
        """The range as "LOW..HIGH", for messages."""
        return limits_text(self.low, self.high)

    @property
    def converts_pictures(self) -> bool:
        """True if pictures with 8 bits are converted to the number of channels, as RGB to RGBA."""
        few = self.channels <= 4 and self.inputs == 1
        return self.dtype == "uint8" and self.bands is None and few

    @property
    def is_integer(self) -> bool:
        """True if the files hold whole numbers."""
        return np.issubdtype(np.dtype(self.dtype), np.integer)

    @property
    def fill(self) -> float | None:
        """The value of pixels without data in files: ``nodata`` if their type holds it, else None.

        Unsigned files, for example, cannot hold -9999.
        """
        if self.nodata is None or not self.is_integer:
            return self.nodata
        limits = np.iinfo(np.dtype(self.dtype))
        fits = limits.min <= self.nodata <= limits.max and self.nodata == int(self.nodata)
        return self.nodata if fits else None

    def invalid(self, array: np.ndarray) -> np.ndarray | None:
        """Return where ``array`` (H, W, C) holds no data, as bool (H, W); None if nowhere."""
        if self.nodata is None:
            return None
        missing = np.isnan(array) if math.isnan(self.nodata) else array == self.nodata
        missing = missing.any(axis=-1)
        return missing if missing.any() else None

    def limit(self, array: np.ndarray) -> RangeImage:
        """Limit the values of a file to the range; see :class:`RangeImage`.

        Args:
            array: (H, W, C) of any real type, after the choice of bands.

        Raises:
            UserError: a pixel that should hold data is NaN.
        """
        missing = self.invalid(array)
        values = array.astype(np.float64)
        if missing is not None:
            values[missing] = self.low
        if np.isnan(values).any():
            raise UserError("it holds values that are not numbers (NaN); see --nodata")
        clipped = int(((values < self.low) | (values > self.high)).sum())
        valid = None if missing is None else ~missing
        return RangeImage(values.clip(self.low, self.high) - self.low, valid, clipped)

    def to_unit(self, array: np.ndarray) -> UnitImage:
        """Map the values of a file to [-1, 1]; see :class:`UnitImage` and :meth:`limit`."""
        values, valid, clipped = self.limit(array)
        unit = values / (self.high - self.low) * 2 - 1
        return UnitImage(unit.astype(np.float32), valid, clipped)

    def from_unit(self, unit: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Map [-1, 1] to the values and the type of the files; whole numbers are rounded.

        Args:
            unit: (H, W, C) or (H, W); values outside of [-1, 1] are clipped.
            valid: bool (H, W); pixels where it is False become ``fill``, or without one ``low``.
        """
        kind = np.dtype(self.dtype)
        share = (unit.astype(np.float64).clip(-1, 1) + 1) / 2
        values = share * (self.high - self.low) + self.low
        if self.is_integer:
            limits = np.iinfo(kind)
            values = values.round().clip(limits.min, limits.max)
        result = values.astype(kind)
        if valid is not None:
            result[~valid] = kind.type(self.low if self.fill is None else self.fill)
        return result

    def record(self) -> dict[str, Any]:
        """Return the rule as plain JSON; :meth:`from_record` reads it."""
        content = asdict(self)
        if self.nodata is not None and math.isnan(self.nodata):
            content["nodata"] = "nan"
        return content

    @staticmethod
    def from_record(record: dict[str, Any]) -> Values:
        """Return the rule that :meth:`record` wrote.

        Raises:
            TypeError, ValueError: it was not written by :meth:`record`.
        """
        content = dict(record)
        if content.get("bands") is not None:
            content["bands"] = tuple(map(int, content["bands"]))
        if content.get("nodata") is not None:
            content["nodata"] = float(content["nodata"])
        values = Values(**content)
        np.dtype(values.dtype)
        if not values.low < values.high or values.container not in CONTAINERS:
            raise ValueError("its range or kind of file is wrong")
        return values


def valid_in_all(masks: Iterable[np.ndarray | None]) -> np.ndarray | None:
    """Return where all of some images hold data, from the ``valid`` of each; None: everywhere."""
    given = [mask for mask in masks if mask is not None]
    return np.logical_and.reduce(given) if given else None


DomainValues = dict[str, Values | None]  # "A" and "B" -> the rule; None: 8-bit images, 0..255


def save(folder: Path, domains: DomainValues) -> None:
    """Write the rules of a run to ``folder/values.json``; no file if both domains are 8-bit.

    Raises UserError: the file cannot be written.
    """
    if any(domains.values()):
        records = {name: values and values.record() for name, values in domains.items()}
        write_atomically(folder / FILE, json.dumps(records, indent=1).encode())
    else:  # an earlier run in this folder may have had rules
        (folder / FILE).unlink(missing_ok=True)


def load(folder: Path) -> DomainValues:
    """Return the rules that :func:`save` wrote; {"A": None, "B": None} if there is no file.

    Raises UserError: the file is damaged.
    """
    path = folder / FILE
    records = read_json(path, {"A": (dict, None), "B": (dict, None)}, {"A": None, "B": None})
    try:
        return {
            name: None if records[name] is None else Values.from_record(records[name])
            for name in "AB"
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot read {path}: it is damaged ({error})") from None


def shows_domain(label: str) -> bool:
    """True for the labels that :func:`domain_of` is made for; custom models may have others."""
    return re.fullmatch("(real|fake|rec|idt)_[AB]|real|fake", label) is not None


def domain_of(label: str, direction: str = "AtoB") -> str:
    """Return the folder, "A" or "B", whose kind of image a label such as "fake_B" shows.

    With ``--direction BtoA`` a model's A is folder B. Labels of ``--model test`` ("real" and
    "fake") are those of its input and its output. "idt_A" is G_A(real_B), an image of B.
    """
    letter = "A" if label == "real" else "B" if label == "fake" else label[-1:]
    if letter not in OTHER:
        letter = "B"
    if label.startswith("idt_"):
        letter = OTHER[letter]
    return letter if direction == "AtoB" else OTHER[letter]


def source_of(label: str, direction: str = "AtoB") -> str:
    """Return the folder, "A" or "B", of the input that an image such as "fake_B" was made from."""
    domain = domain_of(label, direction)
    return OTHER[domain] if label.startswith("fake") else domain


def mask_of(masks: Mapping[str, Any], label: str, direction: str = "AtoB") -> Any:
    """Return the mask of the images that ``label`` was made from, of :func:`masks_of`; or None.

    The one folder of ``--model test`` is A in its batches, whatever ``--direction``.
    """
    return masks.get("A" if label in ("real", "fake") else source_of(label, direction))


def masks_of(batch: Any) -> dict[str, Any]:
    """Return the masks of a batch: folder, "A" or "B" -> bool (N, 1, H, W), True where valid."""
    names = {"A_mask": "A", "B_mask": "B"}.items()
    return {name: batch[key] for key, name in names if isinstance(batch, Mapping) and key in batch}

"""Unpaired DICOM files (``--dataset_mode dicom``); also an example of a format of one's own.

    python train.py --dataroot DATA --dataset_mode dicom --input_nc 1 --output_nc 1 \\
        --value_range -1024 3071

``trainA``, ``trainB`` and so on hold ``.dcm`` files, or files of any name that begin as DICOM files
do, in any sub-folders. Values are those of the modality: rescale slope and intercept are applied,
so a CT is in Hounsfield units. In files with MONOCHROME1, where the lowest value is white, stored
values are turned round first. Results are TIFFs in the same units. Needs ``pip install pydicom``.
"""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np

from data.listing import find_images
from data.rasters.header import Header
from data.unaligned_dataset import UnalignedDataset
from util.errors import UserError, first_line, needs

MAGIC, AT = b"DICM", 128  # the bytes at this position of a DICOM file


def is_dicom(path: str) -> bool:
    """True if a file has the extension ``.dcm`` or the first bytes of a DICOM file."""
    if path.lower().endswith(".dcm"):
        return True
    with open(path, "rb") as file:
        return file.read(AT + len(MAGIC))[AT:] == MAGIC


class DicomDataset(UnalignedDataset):
    """``dataroot/trainA`` and ``dataroot/trainB`` with DICOM files of one frame and one channel."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        parser.set_defaults(input_nc=1, output_nc=1)
        return parser

    def list_files(self, opt: Namespace, folder: str) -> list[str]:
        return find_images(opt, folder, is_dicom)

    def read_array(self, path: str) -> np.ndarray:
        """Return a file as float32 (H, W, 1), in the units of its modality."""
        with opened(path) as file:
            return modality_values(file)

    def describe_file(self, path: str) -> Header:
        """Return the header of a file without decoding its pixels."""
        with opened(path, pixels=False) as file:
            return Header("float32", 1, (file.Columns, file.Rows), "numpy", "tif")


@contextlib.contextmanager
def opened(path: str, pixels: bool = True) -> Iterator[Any]:
    """A context manager that gives a DICOM file, or its header without ``pixels``.

    Raises UserError: the file cannot be read; also for any error inside.
    """
    with needs("--dataset_mode dicom", "pydicom"):
        import pydicom
    try:
        yield pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # decoders raise almost anything on damaged files
        raise UserError(f"cannot read the image {path}: {first_line(error)}") from None


def modality_values(file: Any) -> np.ndarray:
    """Return the pixels of an opened DICOM file as float32 (H, W, 1), rescaled.

    Raises UserError: it holds several frames, colours, or no image.
    """
    if "PixelData" not in file:
        raise UserError("it holds no image")
    kind = file.get("PhotometricInterpretation", "MONOCHROME2")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise UserError(f"it holds colours ({kind}); only MONOCHROME1 and MONOCHROME2 are read")
    if int(file.get("NumberOfFrames", 1) or 1) > 1:
        raise UserError(f"it holds {file.NumberOfFrames} frames; save each as a file of its own")
    stored = file.pixel_array.astype(np.float64)
    if kind == "MONOCHROME1":
        lowest_and_highest = -1 if file.PixelRepresentation else 2**file.BitsStored - 1
        stored = lowest_and_highest - stored
    slope, intercept = file.get("RescaleSlope", 1), file.get("RescaleIntercept", 0)
    values = stored * float(1 if slope is None else slope) + float(intercept or 0)
    return values.astype(np.float32)[..., None]

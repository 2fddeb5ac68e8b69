"""Slices of unpaired NIfTI volumes (``--dataset_mode nifti``).

    python train.py --dataroot DATA --dataset_mode nifti --value_range_A 0 1200 \\
        --value_range_B -1024 3071

``trainA``, ``trainB`` and so on hold ``.nii`` or ``.nii.gz`` files. An item is a slice along
``--slice_axis`` of a volume in the orientation of RAS+: 0 sagittal, 1 coronal, 2 axial (default).
Axial slices have the front on top and the patient's left on the left. Values are scaled by the
slope and intercept of the file. The fourth dimension of a volume, if there is one, is the bands.
Slice 12 of ``brain.nii.gz`` is called ``brain.nii.gz/brain_0012``, and so are results.
Needs ``pip install nibabel``.
"""

from __future__ import annotations

import contextlib
import functools
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np

from data.listing import find_images
from data.rasters.header import Header
from data.unaligned_dataset import UnalignedDataset
from util.errors import UserError, first_line, needs
from util.limits import whole

EXTENSIONS = (".nii.gz", ".nii")
VOLUMES = 8  # kept in memory by each process that loads images
DIGITS = 4  # of the number of a slice


class NiftiDataset(UnalignedDataset):
    """``dataroot/trainA`` and ``dataroot/trainB`` with volumes, whose slices are the items."""

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        parser.add_argument(
            "--slice_axis", type=whole(0, 2), default=2, help="0: sagittal, 1: coronal, 2: axial"
        )
        parser.set_defaults(input_nc=1, output_nc=1)
        return parser

    def list_files(self, opt: Namespace, folder: str) -> list[str]:
        """Return the slices of the volumes that this phase uses, as ``VOLUME/STEM_0012``."""
        volumes = find_images(opt, folder, lambda path: path.lower().endswith(EXTENSIONS))
        axis = self.opt.slice_axis
        return [
            os.path.join(path, f"{os.path.basename(path).split('.nii')[0]}_{i:0{DIGITS}}")
            for path in volumes
            for i in range(shape_of(path)[axis])
        ]

    def read_array(self, path: str) -> np.ndarray:
        """Return a slice as float32 (H, W, C), scaled as its file says."""
        volume, name = os.path.split(path)
        number = int(name.rpartition("_")[2])
        found = np.take(volume_values(volume), number, self.opt.slice_axis)
        return np.ascontiguousarray(np.rot90(found))

    def describe_file(self, path: str) -> Header:
        """Return the header of a slice; only that of its volume is read."""
        *sides, bands = shape_of(os.path.dirname(path))
        del sides[self.opt.slice_axis]
        return Header("float32", bands, (sides[0], sides[1]), "numpy", "tif")


def shape_of(path: str) -> tuple[int, ...]:
    """Return the shape of a volume in RAS+, (X, Y, Z, bands). Only its header is read.

    Raises UserError: it cannot be read, or has no orientation.
    """
    with opened(path) as (nibabel, volume):
        axes = nibabel.io_orientation(volume.affine)[:, 0]  # of RAS+, one for each stored axis
        sides = (volume.shape[list(axes).index(axis)] for axis in range(3))
        return (*sides, volume.shape[3] if len(volume.shape) == 4 else 1)


@contextlib.contextmanager
def opened(path: str) -> Iterator[tuple[Any, Any]]:
    """A context manager that gives the package nibabel and a volume as it is stored.

    Raises UserError: the volume cannot be read; also for any error inside.
    """
    with needs("--dataset_mode nifti", "nibabel"):
        import nibabel
    try:
        volume: Any = nibabel.load(path)
        if len(volume.shape) not in (3, 4):
            raise UserError(f"it has {len(volume.shape)} dimensions instead of 3 or 4")
        yield nibabel, volume
    except Exception as error:  # nibabel raises almost anything on damaged files
        raise UserError(f"cannot read the volume {path}: {first_line(error)}") from None


@functools.lru_cache(VOLUMES)
def volume_values(path: str) -> np.ndarray:
    """Return a volume as float32 (X, Y, Z, bands). Raises UserError: it cannot be read."""
    with opened(path) as (nibabel, volume):
        values = np.asarray(nibabel.as_closest_canonical(volume).dataobj, np.float32)
    return values if values.ndim == 4 else values[..., None]

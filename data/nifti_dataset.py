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

import functools
import os
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from data.listing import find_images
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
            for i in range(open_volume(path).shape[axis])
        ]

    def read_array(self, path: str) -> np.ndarray:
        """Return a slice as float32 (H, W, C), scaled as its file says."""
        volume, name = os.path.split(path)
        number = int(name.rpartition("_")[2])
        found = np.take(volume_values(volume), number, self.opt.slice_axis)
        return np.ascontiguousarray(np.rot90(found))


def open_volume(path: str) -> Any:
    """Return a volume in RAS+ orientation. Raises UserError: it cannot be read."""
    with needs("--dataset_mode nifti", "nibabel"):
        import nibabel
    try:
        volume = nibabel.as_closest_canonical(nibabel.load(path))
        if len(volume.shape) not in (3, 4):
            raise UserError(f"it has {len(volume.shape)} dimensions instead of 3 or 4")
    except Exception as error:  # nibabel raises almost anything on damaged files
        raise UserError(f"cannot read the volume {path}: {first_line(error)}") from None
    return volume


@functools.lru_cache(VOLUMES)
def volume_values(path: str) -> np.ndarray:
    """Return a volume as float32 (X, Y, Z, bands). Raises UserError: it cannot be read."""
    volume = open_volume(path)
    try:
        values = np.asarray(volume.dataobj, np.float32)
    except Exception as error:  # also zlib.error and EOFError
        raise UserError(f"cannot read the volume {path}: {first_line(error)}") from None
    return values if values.ndim == 4 else values[..., None]

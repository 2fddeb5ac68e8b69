"""The official names for datasets; data/dataset_of_images.py does the work.

A project's own version of this file may replace it: our datasets take only get_params and
get_transform from here.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image
from torch.utils import data

from data.dataset_of_images import BaseDataset, check_sizes
from data.image_to_tensor import get_params, get_transform, to_tensor
from data.official_transforms import crop as __crop
from data.official_transforms import flip as __flip
from data.official_transforms import make_power_2 as __make_power_2
from data.official_transforms import scale_width as __scale_width

transforms: ModuleType  # torchvision.transforms; see __getattr__
# "from data.base_dataset import *" also gives the modules that the official file imports.
__all__ = [
    "ABC", "BaseDataset", "Image", "abstractmethod", "check_sizes", "data", "get_params",
    "get_transform", "np", "random", "to_tensor", "transforms",
]  # fmt: skip
# The official helpers that are private, but imported by scripts: "import *" leaves them out
PRIVATE = (__crop, __flip, __make_power_2, __scale_width)


def __getattr__(name: str) -> Any:
    """Import torchvision when ``transforms`` is first used, because that takes seconds."""
    if name == "transforms":
        from torchvision import transforms

        return transforms
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

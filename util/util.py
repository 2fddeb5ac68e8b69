"""The helpers that custom models and scripts import under their official names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike
from PIL import Image
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from util import distributed
from util.console import say
from util.image import writing
from util.rank_gradients import average_gradients, parameters_of

_averaging: RemovableHandle | None = None  # between init_ddp and cleanup_ddp, with several ranks


def tensor2im(input_image: Any, imtype: DTypeLike = np.uint8) -> Any:
    """Convert the first image of a batch to an array (H, W, C) in [0, 255].

    Args:
        input_image: batch (N, C, H, W) in [-1, 1], whose images become RGB if they have a single
            channel; or an array, of which only the type is changed.
        imtype: type of the result. For an integer type, floats are rounded and limited to the range
            of the type, and NaN becomes 0; the official code truncates, and values outside wrap
            around.

    Returns:
        The new array; ``input_image`` itself if it is neither a tensor nor an array.

    Raises ValueError: the tensor has another number of dimensions.
    """
    if isinstance(input_image, torch.Tensor):
        image = input_image[0].detach().float().cpu().numpy()
        if image.ndim != 3:
            shape = tuple(input_image.shape)
            raise ValueError(f"tensor2im: expected a batch (N, C, H, W), found the shape {shape}")
        image = image.repeat(3, axis=0) if len(image) == 1 else image
        image = (image.transpose(1, 2, 0) + 1) / 2 * 255
    elif isinstance(input_image, np.ndarray):
        image = input_image
    else:
        return input_image
    if np.issubdtype(imtype, np.integer) and np.issubdtype(image.dtype, np.floating):
        limits = np.iinfo(np.dtype(imtype))
        image = np.nan_to_num(image).round().clip(limits.min, limits.max)
    return image.astype(imtype)


def save_image(
    image_numpy: np.ndarray | Image.Image,
    image_path: str | os.PathLike[str],
    aspect_ratio: float = 1.0,
) -> None:
    """Write an image in the format of the extension of ``image_path``.

    Args:
        image_numpy: uint8 (H, W, C); without C, the image is gray.
        aspect_ratio: factor of height / width. The height grows for values above 1, the width for
            values below; the official code also swaps the sides of an image that is not square.

    Raises UserError: the file cannot be written.
    """
    writing.save_image(image_numpy, Path(image_path), aspect_ratio)


def mkdirs(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> None:
    """Create a folder, or each folder of a list, unless it exists."""
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        mkdir(path)


def mkdir(path: str | os.PathLike[str]) -> None:
    """Create a folder and those above it, unless it exists."""
    os.makedirs(path, exist_ok=True)


def print_numpy(x: np.ndarray, val: bool = True, shp: bool = False) -> None:
    """Print statistics of an array.

    Args:
        val: print mean, min, max, median and standard deviation.
        shp: print the shape.
    """
    x = x.astype(np.float64)
    if shp:
        print("shape,", x.shape)
    if val:
        low, middle, high = np.min(x), np.median(x), np.max(x)
        print(f"mean = {np.mean(x):3.3f}, min = {low:3.3f}, max = {high:3.3f}, ", end="")
        print(f"median = {middle:3.3f}, std={np.std(x):3.3f}")


def diagnose_network(net: torch.nn.Module, name: str = "network") -> None:
    """Print ``name`` and the mean of |gradient|, averaged over parameters that have a gradient."""
    means = [p.grad.abs().mean() for p in net.parameters() if p.grad is not None]
    print(name)
    print(sum(means) / len(means) if means else 0.0)


def init_ddp() -> torch.device:
    """Return the device of this process; under torchrun, also prepare it to train with others.

    The device is the GPU that ``--gpu_ids`` has selected, else GPU number LOCAL_RANK, else the CPU.
    Networks that are created afterwards begin with equal weights on all ranks, and every step of an
    optimizer uses the mean of the ranks' gradients: what ``DistributedDataParallel`` does in the
    official models. train.py does not need this function.

    Raises UserError: the processes have not found each other.
    """
    global _averaging
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device() or distributed.local_rank())
        torch.cuda.set_device(device)
    if distributed.world_size() > 1 and not torch.distributed.is_initialized():
        distributed.start(device)
        seed = distributed.broadcast_object(torch.initial_seed() % 2**31)
        distributed.shared_seed = seed
        torch.manual_seed(seed)
        _averaging = register_optimizer_step_pre_hook(_average_over_ranks)
    say(f"Initialized with device {device}")
    return device


def cleanup_ddp() -> None:
    """Wait for all ranks and destroy the process group, if there is one.

    While an exception is handled, as in a ``finally``, other ranks are not waited for.
    """
    global _averaging
    if _averaging:
        _averaging.remove()
    _averaging = distributed.shared_seed = None
    if torch.distributed.is_initialized():
        distributed.abandon() if sys.exc_info()[0] else distributed.stop()


def _average_over_ranks(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Average the gradients of all parameters before a step of the optimizer."""
    average_gradients(parameters_of(optimizer), 1 / distributed.world_size())

"""The disk space that the saves of a training take."""

from __future__ import annotations

import shutil
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from torch.utils._pytree import tree_leaves

from models.base_model import BaseModel
from util.checkpoint import STATE
from util.errors import UserError
from util.files import real_path
from util.image_pool import pools_of
from util.schedules import last_epoch
from util.words import amount


@dataclass
class DiskBudget:
    """The saves of a training that are still to come, and the free space for them.

    Attributes:
        sets: number of sets of weights, one file for each network, that will be kept.
        set_size: bytes of a set.
        states: number of training states that will be kept.
        state_size: bytes of a state.
        replaced: bytes of existing files that the saves replace.
        free: free bytes on the disk.
    """

    sets: int
    set_size: int
    states: int
    state_size: int
    replaced: int
    free: int

    @property
    def kept(self) -> int:
        """Bytes of all files at the end of the training."""
        return self.sets * self.set_size + self.states * self.state_size

    def problem(self) -> str:
        """Describe how far the free space does not suffice; "" if it does.

        While a state is saved, the one before it is still there.
        """
        needed = self.kept + self.state_size - self.replaced
        if needed <= self.free:
            return ""
        return (
            f"the saves of this training need about {size(needed)} of disk space "
            f"({amount(self.sets, 'set')} of weights of {size(self.set_size)}, "
            f"{amount(self.states, 'training state')} of {size(self.state_size)}, and one more "
            f"while it is written), and {size(self.free)} are free; make room, raise "
            "--save_epoch_freq, or lower --keep"
        )


def budget(
    opt: Namespace, model: BaseModel, state_size: int, images: int, epoch: int = 0
) -> DiskBudget:
    """Return the disk budget of a training.

    Args:
        state_size: bytes of a training state.
        images: per epoch.
        epoch: the first one that is still to come, by default ``--epoch_count``.
    """
    done = (epoch or opt.epoch_count) - 1
    left = max(0, last_epoch(opt) - done)
    by_epoch = last_epoch(opt) // opt.save_epoch_freq - done // opt.save_epoch_freq if left else 0
    by_iter = left * images // opt.save_latest_freq if opt.save_by_iter else 0
    run = Path(opt.checkpoints_dir) / opt.name
    names = [STATE, *(f"latest_net_{name}.pth" for name in model.get_weights())]
    folder = real_path(run)
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    return DiskBudget(
        sets=1 + by_epoch + by_iter + bool(opt.val_freq),  # latest, and best
        set_size=count_bytes(model.get_weights()),
        states=1 + opt.keep,
        state_size=state_size,
        replaced=sum((run / name).stat().st_size for name in names if (run / name).is_file()),
        free=shutil.disk_usage(existing).free,
    )


def expected_state(model: BaseModel) -> int:
    """Return the bytes of a training state after the first steps, estimated before them."""
    moments = sum(
        2 * count_bytes([group["params"] for group in optimizer.param_groups])  # as Adam has them
        for optimizer in model.optimizers
        if not optimizer.state
    )
    channels, side = getattr(model.opt, "output_nc", 3), getattr(model.opt, "crop_size", 256)
    missing = sum(pool.pool_size - len(pool.images) for pool in pools_of(model).values())
    return count_bytes(model.training_state()) + moments + missing * 4 * channels * side**2


def require_file_size(state: int) -> None:
    """Raise UserError if this process may not write a file of ``state`` bytes."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0] if resource else -1
    if 0 <= limit < state:
        raise UserError(
            f"a training state has about {size(state)}, and files may have at most {size(limit)} "
            "here (ulimit -f)"
        )


def count_bytes(value: Any) -> int:
    """Return the bytes of all tensors in nested dicts, lists and tuples."""
    return sum(getattr(leaf, "nbytes", 0) for leaf in tree_leaves(value))


def size(count: float) -> str:
    """Format a number of bytes as MB or GB."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.{0 if count >= 1e7 else 1}f} MB"

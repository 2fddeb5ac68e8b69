"""The learning rate as a pure function of the epoch."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from util.words import amount

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau


def last_epoch(opt: Namespace) -> int:
    """Return the number of epochs of the whole training."""
    return opt.n_epochs + opt.n_epochs_decay


def lr_factor(opt: Namespace, epoch: int) -> float:
    """Return the factor of ``opt.lr`` in ``epoch`` (from 1), greater than 0 in all planned epochs.

    linear: 1 for ``n_epochs``, then linear towards 0, which the epoch after the last would reach
        (paper, section 7.1).
    step: a tenth every ``lr_decay_iters`` epochs.
    cosine: half a cosine over all epochs.

    Raises ValueError: plateau is not a function of the epoch; ``BaseModel`` has its schedulers.
    """
    if opt.lr_policy == "linear":
        return max(0.0, 1 - max(0, epoch - opt.n_epochs) / (opt.n_epochs_decay + 1))
    if opt.lr_policy == "step":
        return 0.1 ** ((epoch - 1) // opt.lr_decay_iters)
    if opt.lr_policy == "cosine":
        return (1 + math.cos(math.pi * min(1.0, (epoch - 1) / max(1, last_epoch(opt))))) / 2
    raise ValueError(f"lr_policy {opt.lr_policy} is not a function of the epoch")


def get_scheduler(optimizer: Optimizer, opt: Namespace) -> LRScheduler | ReduceLROnPlateau:
    """Return a scheduler to step once per epoch, for models that step their own.

    :class:`models.base_model.BaseModel` calls it for ``--lr_policy plateau`` only.
    """
    from torch.optim import lr_scheduler  # not at the top: PyTorch would slow --help down

    if opt.lr_policy == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.2, threshold=0.01, patience=5)
    first = opt.epoch_count
    return lr_scheduler.LambdaLR(optimizer, lambda stepped: lr_factor(opt, first + stepped))


def describe(opt: Namespace) -> str:
    """Return the planned learning rates in one line."""
    start, last = opt.epoch_count, last_epoch(opt)
    epochs = _epochs(start, last)
    if opt.lr_policy == "plateau":
        return f"{epochs} from {opt.lr:g}, times 0.2 when the validation metric stalls"
    final = f"{opt.lr * lr_factor(opt, last):.3g}"
    if opt.lr_policy == "linear":
        constant = f"{_epochs(start, min(opt.n_epochs, last))} at {opt.lr:g}"
        falling = f"falling to {final} in epoch {last}"
        if start > opt.n_epochs:
            return f"{epochs}, {falling}" if opt.n_epochs_decay else ""
        return f"{constant}, then {falling}" if opt.n_epochs_decay else constant
    drops = f"times 0.1 every {amount(opt.lr_decay_iters, 'epoch')}"
    how = drops if opt.lr_policy == "step" else "cosine"
    return f"{epochs} from {opt.lr * lr_factor(opt, start):.3g} to {final}, {how}"


def _epochs(first: int, last: int) -> str:
    return f"epochs {first}-{last}" if first != last else f"epoch {first}"


def learning_rates(optimizers: Iterable) -> list[float]:
    """The distinct learning rates of the optimizers' parameter groups, in their order."""
    groups = (group for optimizer in optimizers for group in optimizer.param_groups)
    return list(dict.fromkeys(group["lr"] for group in groups))

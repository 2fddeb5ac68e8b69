"""The learning rate as a pure function of the epoch."""

from __future__ import annotations

import functools
import math
from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from util.errors import UserError
from util.words import amount

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from util.epoch_scheduler import EpochScheduler, PlateauScheduler


def last_epoch(opt: Namespace) -> int:
    """Return the number of epochs of the whole training."""
    return opt.n_epochs + opt.n_epochs_decay


def lr_factor(opt: Namespace, epoch: int) -> float:
    """Return the factor of ``opt.lr`` in ``epoch`` (from 1), greater than 0 in all planned epochs.

    linear: 1 for ``n_epochs``, then linear towards 0, which the epoch after the last would reach
        (paper, section 7.1).
    step: a tenth every ``lr_decay_iters`` epochs.
    cosine: half a cosine over all epochs.

    Raises NotImplementedError: the policy is unknown, or plateau, which has schedulers instead.
    """
    if opt.lr_policy == "linear":
        return max(0.0, 1 - max(0, epoch - opt.n_epochs) / (opt.n_epochs_decay + 1))
    if opt.lr_policy == "step":
        return 0.1 ** ((epoch - 1) // opt.lr_decay_iters)
    if opt.lr_policy == "cosine":
        return (1 + math.cos(math.pi * min(1.0, (epoch - 1) / max(1, last_epoch(opt))))) / 2
    raise NotImplementedError(f"learning rate policy {opt.lr_policy} is not one of the epoch")


def get_scheduler(optimizer: Optimizer, opt: Namespace) -> EpochScheduler | PlateauScheduler:
    """Return a scheduler of ``--lr_policy`` to step once per epoch.

    Raises NotImplementedError: the policy is unknown.
    """
    from util.epoch_scheduler import EpochScheduler, PlateauScheduler  # imports PyTorch: slow

    if opt.lr_policy == "plateau":
        return PlateauScheduler(optimizer)
    factor = functools.partial(lr_factor, opt)
    return EpochScheduler(optimizer, factor, getattr(opt, "epoch_count", 1))


def require_metric(opt: Namespace, metric: float | None) -> None:
    """Raise UserError if ``--lr_policy plateau`` has no validation metric to follow."""
    if opt.lr_policy == "plateau" and metric is None and not getattr(opt, "val_freq", 0):
        raise UserError(
            "--lr_policy plateau needs a validation metric: --val_freq N measures one, or "
            "a model of your own sets self.metric; linear, step and cosine need none"
        )


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

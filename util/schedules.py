"""The learning rate as a pure function of the epoch."""

from __future__ import annotations

import math
from argparse import Namespace


def last_epoch(opt: Namespace) -> int:
    return opt.n_epochs + opt.n_epochs_decay


def lr_factor(opt: Namespace, epoch: int) -> float:
    """What ``opt.lr`` is multiplied by in ``epoch`` (from 1). Never 0 within the planned epochs.

    linear: 1 for ``n_epochs``, then in equal steps towards 0, which it would reach one epoch after the last (paper,
    section 7.1). step: times 0.1 every ``lr_decay_iters`` epochs. cosine: half a cosine over all epochs.
    plateau is not a function of the epoch: ``BaseModel`` keeps it.
    """
    if opt.lr_policy == "linear":
        return max(0.0, 1 - max(0, epoch - opt.n_epochs) / (opt.n_epochs_decay + 1))
    if opt.lr_policy == "step":
        return 0.1 ** ((epoch - 1) // opt.lr_decay_iters)
    if opt.lr_policy == "cosine":
        return (1 + math.cos(math.pi * min(1.0, (epoch - 1) / max(1, last_epoch(opt))))) / 2
    raise ValueError(f"lr_policy {opt.lr_policy} is not a function of the epoch")


def describe(opt: Namespace) -> str:
    """The planned schedule in one line."""
    last = last_epoch(opt)
    if opt.lr_policy == "linear":
        plan = (
            f"epochs {opt.epoch_count}-{min(opt.n_epochs, last)} at {opt.lr:g}"
            if opt.epoch_count <= opt.n_epochs
            else ""
        )
        if opt.n_epochs_decay:
            fall = f"falling to {opt.lr * lr_factor(opt, last):.3g} in epoch {last}"
            plan = f"{plan}, then {fall}" if plan else f"epochs {opt.epoch_count}-{last}, {fall}"
        return plan
    if opt.lr_policy == "plateau":
        return f"epochs {opt.epoch_count}-{last} from {opt.lr:g}, times 0.2 when the validation metric stalls"
    how = f"times 0.1 every {opt.lr_decay_iters} epochs" if opt.lr_policy == "step" else "cosine"
    first = opt.lr * lr_factor(opt, opt.epoch_count)
    return f"epochs {opt.epoch_count}-{last} from {first:.3g} to {opt.lr * lr_factor(opt, last):.3g}, {how}"

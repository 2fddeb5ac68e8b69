"""The options of train.py and test.py: one table per group. Models and datasets add their own."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence

from options.flags import (
    common,
    data,
    display,
    losses,
    model,
    saving,
    schedule,
    speed,
    testing,
    training,
    validation,
)
from options.flags.flag import Flag

SHARED = {"run": common.FLAGS, "networks": model.FLAGS, "data": data.FLAGS}
TRAIN = {
    "losses": losses.FLAGS,
    "schedule": schedule.FLAGS,
    "training": training.FLAGS,
    "saving and resuming": saving.FLAGS,
    "display": display.FLAGS,
    "validation": validation.FLAGS,
    "speed and memory": speed.FLAGS,
}
TEST = {"test": testing.FLAGS}

RENAMED = {  # names before 2019
    "loadSize": "--load_size",
    "fineSize": "--crop_size",
    "resize_or_crop": "--preprocess",
    "which_direction": "--direction",
    "which_model_netG": "--netG",
    "which_model_netD": "--netD",
    "niter": "--n_epochs",
    "niter_decay": "--n_epochs_decay",
    "how_many": "--num_test",
    "nThreads": "--num_threads",
    "batchSize": "--batch_size",
    "which_epoch": "--epoch",
    "identity": "--lambda_identity",
    "no_lsgan": "--gan_mode vanilla",
}


def declare(parser: ArgumentParser, tables: Mapping[str, Sequence[Flag]]) -> None:
    """Declare the options of ``tables`` that ``parser`` does not have yet, one group per table."""
    known = {action.dest for action in parser._actions}
    for title, table in tables.items():
        group = parser.add_argument_group(title)
        for flag in table:
            if flag.name not in known:
                flag.add_to(group)

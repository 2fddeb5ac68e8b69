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
from util.option_defaults import OLD_NAMES

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

RENAMED = {old: f"--{new}" for old, new in OLD_NAMES.items()}
RENAMED["no_lsgan"] = "--gan_mode vanilla"


def declare(parser: ArgumentParser, tables: Mapping[str, Sequence[Flag]]) -> None:
    """Declare the options of ``tables`` that ``parser`` does not have yet, one group per table."""
    actions = parser._actions
    known = {name for a in actions for name in (a.dest, *a.option_strings)}
    for title, table in tables.items():
        group = parser.add_argument_group(title)
        for flag in table:
            if not known & {flag.name, f"--{flag.name}"}:
                flag.add_to(group)

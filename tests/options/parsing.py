"""Command lines parsed inside of the test process, on the CPU."""

from __future__ import annotations

from argparse import Namespace

from options.test_options import TestOptions
from options.train_options import TrainOptions

PROGRAMS = {"train": TrainOptions, "test": TestOptions}


def parse(program: str, *args: str, record: bool = True) -> Namespace:
    """``opt`` of train.py or test.py; the working folder should hold a folder ``images``."""
    return PROGRAMS[program]().parse(["--dataroot", "images", "--gpu_ids", "-1", *args], record)

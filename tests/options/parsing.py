"""Command lines parsed inside of the test process, on the CPU."""

from __future__ import annotations

import sys
from argparse import Namespace

import pytest

from options.program import Program
from options.test_options import TestOptions
from options.train_options import TrainOptions

PROGRAMS = {"train": TrainOptions, "test": TestOptions}


def parse(program: str, *args: str, record: bool = True) -> Namespace:
    """``opt`` of train.py or test.py; the working folder should hold a folder ``images``."""
    return PROGRAMS[program]().parse(["--dataroot", "images", "--gpu_ids", "-1", *args], record)


def program(
    monkeypatch: pytest.MonkeyPatch, options: object, *words: str
) -> tuple[Program, Namespace]:
    """The program of an options object, and its ``opt`` for the command line ``words``."""
    monkeypatch.setattr(sys, "argv", ["x.py", "--dataroot", "images", *words])
    done = Program(options)
    return done, done.parse()

"""Options of train.py, under the official name; options/training.py holds their rules."""

from __future__ import annotations

from argparse import ArgumentParser

from options.base_options import BaseOptions
from options.training import TrainingRules


class TrainOptions(BaseOptions):
    """Options of training; the defaults are the paper's recipe at 256x256 (section 7.1)."""

    isTrain = True

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        parser = BaseOptions.initialize(self, parser)
        TrainingRules().declare(parser)
        return parser

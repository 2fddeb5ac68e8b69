"""Options of test.py, under the official name; options/testing.py holds their rules."""

from __future__ import annotations

from argparse import ArgumentParser

from options.base_options import BaseOptions
from options.testing import TestingRules


class TestOptions(BaseOptions):
    """Options of testing: explicit ones, else what the run used, else the official defaults."""

    isTrain = False
    __test__ = False  # not a pytest class

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        parser = BaseOptions.initialize(self, parser)
        rules = TestingRules()
        rules.declare(parser)
        parser.set_defaults(**rules.defaults, **rules.fixed)
        return parser

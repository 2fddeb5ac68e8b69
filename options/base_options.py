"""Options that training and testing share, under the official name."""

from __future__ import annotations

from argparse import ArgumentParser

from options.flags import SHARED, declare
from options.stages import Options


class BaseOptions(Options):
    """The shared options. A subclass sets ``isTrain`` and adds options in :meth:`initialize`."""

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options of training and testing, and return ``parser``."""
        declare(parser, SHARED)
        self.initialized = True
        return parser

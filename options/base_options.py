"""Options that training and testing share, under the official name."""

from __future__ import annotations

from argparse import ArgumentParser

from options.flags import SHARED, declare
from options.parser import choose_device
from options.stages import Options
from util.gpu import ids_as_typed


class BaseOptions(Options):
    """The shared options. A subclass sets ``isTrain`` and adds options in :meth:`initialize`."""

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options of training and testing, and return ``parser``."""
        for group in (parser, *parser._action_groups):
            group.conflict_handler = "resolve"  # the official class has fewer options
        declare(parser, SHARED)
        if type(self).parse is not Options.parse:  # it may expect numbers, as the official one does
            self.automatic = ids_as_typed(choose_device("auto")[0])
            parser.set_defaults(gpu_ids=self.automatic)
        self.initialized = True
        return parser

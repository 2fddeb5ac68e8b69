"""Keeps ``index.html`` in ``--checkpoints_dir`` up to date, and notes how a training ended."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from util import distributed
from util.console import warn
from util.errors import first_line
from util.pages.index_page import INDEX, write_index
from util.sinks.base import END
from util.visualizer import Visualizer


class RunIndex:
    """The index of all runs, as far as it concerns the training of this process.

    Only rank 0 writes. A failure is reported once, and the training continues without the index.

    Attributes:
        path: the page.
        wanted: True if this process writes it.
    """

    def __init__(self, opt: Namespace) -> None:
        self.root, self.name = Path(opt.checkpoints_dir), opt.name
        self.path = self.root / INDEX
        self.wanted = distributed.is_main() and not opt.no_html

    def update(self, live: bool = True) -> None:
        """Write the index. Args: live: True while the training runs."""
        if not self.wanted:
            return
        try:
            write_index(self.root, self.name, live)
        except Exception as error:  # no failure of a display may stop a training
            self.wanted = False
            warn(f"no index of all runs, and the training continues: {first_line(error)[:200]}")

    def note_end(self, visualizer: Visualizer, epoch: int, end: str) -> None:
        """Add the last line to ``metrics.jsonl``, and write the index a last time.

        A resumed run cuts the line off, as all lines after the save that it starts from.

        Args:
            end: one of ``ENDS``; if a reason is known, a comma and the reason.
        """
        if distributed.is_main() and "metrics.jsonl" not in visualizer.failed:
            with suppress(OSError):
                visualizer.metrics.append(json.dumps({"epoch": epoch, "note": END + end}))
        self.update(live=False)

"""Write checkpoints/index.html anew: all runs, their curves, and the options that differ.

  python scripts/index.py
  python scripts/index.py --checkpoints_dir other/checkpoints

train.py writes the page when it starts, saves and ends, unless it has --no_html. Call this after
runs were removed, moved or copied here, and for runs of the official code.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.flags.flag import Flag
from scripts.arguments import Arguments
from util.console import run_main, say
from util.pages.index_page import INDEX, write_index
from util.words import amount

FLAGS = (
    Flag("checkpoints_dir", Path, Path("checkpoints"), "folder of all runs (default: checkpoints)"),
)


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS)


def main() -> None:
    folder = build_parser().parse_args().checkpoints_dir
    runs = write_index(folder)
    say(f"{amount(runs, 'run')}: {folder / INDEX}")


if __name__ == "__main__":
    run_main(main)

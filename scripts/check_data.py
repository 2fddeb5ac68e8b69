"""Looks through a data set before a training does, prints the plan of that training, and leaves with status 1 if it would stop.

python scripts/check_data.py --dataroot datasets/horse2zebra --crop_size 128

Every option of train.py may be given, for what fits depends on them; ``--verbose`` names all files of a finding instead of
three. ``train.py --dry_run`` does the same.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from util.console import run_main


def main() -> None:
    from options.train_options import TrainOptions

    opt = TrainOptions().parse(record=False)
    from util.data_report import report
    sys.exit(report(opt))


if __name__ == "__main__":
    run_main(main)

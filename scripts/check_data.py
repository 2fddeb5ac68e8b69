"""Check a dataset before training, and print the plan of the training.

    python scripts/check_data.py --dataroot datasets/horse2zebra --crop_size 128

Takes every option of train.py, because the result depends on them; ``--verbose`` lists all files of
a finding instead of three. The exit status is 1 if training would stop with an error. The same as
``train.py --dry_run``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.program import Program
from options.train_options import TrainOptions
from util.console import run_main


def main() -> None:
    options = TrainOptions()
    options.description = __doc__
    opt = Program(options).parse()
    from models.training.check_data import report  # after --help: this imports PyTorch

    sys.exit(report(opt))


if __name__ == "__main__":
    run_main(main)

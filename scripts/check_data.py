"""Command line of models/training/check_data.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.training.check_data import main
from util.console import run_main

if __name__ == "__main__":
    run_main(main)

"""Command line of datasets/edges.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "datasets"))

from edges import main

from util.console import run_main

if __name__ == "__main__":
    run_main(main)

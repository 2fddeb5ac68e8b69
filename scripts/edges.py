"""``python scripts/edges.py``: see datasets/edges.py."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "datasets" / "edges.py"), run_name="__main__"
    )

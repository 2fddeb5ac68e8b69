"""scripts/maintenance/check_versions.py: which packages the two environments get."""

import sys
from pathlib import Path

import pytest

from scripts.maintenance import check_versions
from util.errors import UserError


def test_lowest_versions_come_from_requirements_txt():
    lowest = check_versions.packages("lowest")
    assert {"torch~=2.4.0", "torchvision~=0.19.0", "numpy~=1.24.0", "pillow~=10.0.0"} <= set(lowest)
    assert "torch>=2.4" in check_versions.packages("newest")
    assert not any("visdom" in package or "ruff" in package for package in lowest)


def test_a_missing_interpreter_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="--lowest_python nopython: there is no such program"):
        check_versions.make_environment("lowest", "nopython", tmp_path)


def test_counts_and_status_come_from_pytest(tmp_path: Path, capfd):
    python, quick = Path(sys.executable), "tests/scripts/test_check_versions.py"
    arguments = ["-n", "0", "-k", "lowest_versions", quick]
    counts, status = check_versions.run_tests(python, arguments)
    assert status == 0 and counts["passed"] == 1
    counts, status = check_versions.run_tests(python, ["-n", "0", str(tmp_path / "absent.py")])
    assert status != 0 and not counts.get("passed")

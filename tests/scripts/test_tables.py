"""The tables that programs print fit a terminal of 80 columns."""

from __future__ import annotations

import pytest
from conftest import Programs

from scripts import paper
from scripts.gpu.report import COLUMNS, speed_table
from util.download import catalogue
from util.tables import WIDTH, columns, fitted


def test_the_first_cells_of_a_wide_table_stand_above_the_others() -> None:
    narrow = [("name", "n"), ("a", "10")]
    assert fitted(narrow, [1]) == columns(narrow, [1]) == ["name   n", "a     10"]
    wide = [("", "n"), ("x" * 70, "10"), ("y" * 79, "2")]
    assert fitted(wide, [1]) == ["   n", "x" * 70, "  10", "y" * 79, "   2"]


@pytest.mark.parametrize("items", [catalogue.ALL_DATASETS, catalogue.ALL_MODELS])
def test_downloads(items: list[catalogue.Item]) -> None:
    lines = catalogue.table(items).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(f"{item.name} " in "\n".join(lines) for item in items)


def test_numbers_of_the_paper(run: Programs) -> None:
    lines = run.call(paper.main, "paper.py", "table").ok().out.splitlines()
    assert max(map(len, lines)) <= WIDTH and any("26.8 ± 2.8" in line for line in lines)


def test_steps_on_a_gpu() -> None:
    figures = dict.fromkeys(COLUMNS, 9876.5432)
    variants = {"defaults": figures, "--amp bf16 --channels_last --compile": figures}
    lines = speed_table({"speed/cycle_gan": {"figures": variants}})
    assert max(map(len, lines)) <= WIDTH and lines.count(lines[-1]) == 2

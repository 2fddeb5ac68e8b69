"""The index of all runs: its curves, several writers at once, its program and its script."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from conftest import Programs
from index_runs import curves, line, make_run, note, rows
from javascript import evaluate, needs_node

from scripts import index
from util import run_log
from util.pages import index_page
from util.pages.index_page import write_index
from util.sinks.base import END, START

# Curves


def test_curves_are_means(tmp_path: Path) -> None:
    """Losses are averaged in 100 parts; validations and the shape of short runs stay."""
    lines = [line(e, k / 20, G=e + k / 20) for e in range(1, 101) for k in range(1, 21)]
    lines.insert(40, line(2, 1.0, val_l1=0.5))
    lines.append(line(100, 1.0, val_l1=0.25))
    make_run(tmp_path, "long", lines)
    make_run(tmp_path, "short", [line(1, 0.5, G=3.0), line(1, 1.0, G=float("nan"), D=2.0)])
    write_index(tmp_path)
    drawn = curves(tmp_path)
    x, values = drawn["long"]["losses"]
    assert len(x) == len(values["G"]) == 100
    assert values["G"] == pytest.approx([e + 0.5 for e in range(1, 101)], abs=0.1)
    assert drawn["long"]["validation"] == [[2.0, 100.0], {"val_l1": [0.5, 0.25]}]
    assert drawn["short"]["losses"][0] == [0.5, 1.0]
    assert drawn["short"]["losses"][1] == {"G": [3.0, None], "lr": [1e-4, 1e-4], "D": [None, 2.0]}


def test_large_logs_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the run is drawn, and nothing of the run before it."""
    before = [line(e, 1.0, G=1000.0) for e in range(1, 1500)]
    lines = [line(e, 1.0, G=float(e)) for e in range(1, 3000)]
    folder = make_run(tmp_path, "x", [*before, note(START), *lines, note(f"{END}finished")])
    monkeypatch.setattr(run_log, "READ", (folder / "metrics.jsonl").stat().st_size // 3)
    log, found = run_log.read_log(folder)
    assert (log.epoch, log.end) == (2999, "finished")
    x, values = found["losses"]
    assert x[0] < 60 and x[-1] > 2960 and len(x) > 60
    assert values["G"] == pytest.approx(x, rel=1e-3)


def test_only_changed_logs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        make_run(tmp_path, name)
    write_index(tmp_path)
    before, read = curves(tmp_path), []
    original = index_page.read_log
    monkeypatch.setattr(index_page, "read_log", lambda f: read.append(f.name) or original(f))
    write_index(tmp_path)
    assert read == [] and curves(tmp_path) == before
    with open(tmp_path / "a" / "metrics.jsonl", "a") as file:
        file.write(line(5, 1.0, G=7.0) + "\n")
    write_index(tmp_path)
    assert read == ["a"] and curves(tmp_path)["a"]["losses"][0][-1] == 5.0
    page = tmp_path / "index.html"
    page.write_text(page.read_text().replace('"epoch":', '"epoch":"x","a":'))  # damaged lines
    write_index(tmp_path)
    assert sorted(read) == ["a", "a", "b"] and curves(tmp_path)["b"] == before["b"]


def test_several_trainings_at_once(tmp_path: Path) -> None:
    """The page is whole at any moment; in the end it has the last state of each run."""
    half, done = [line(1, 1.0, G=1.0)], threading.Event()
    folders = [make_run(tmp_path, f"run{i}", half) for i in range(4)]

    def work(folder: Path) -> None:
        for epoch in range(2, 6):
            with open(folder / "metrics.jsonl", "a") as file:
                file.write(line(epoch, 1.0, G=1.0) + "\n")
            write_index(tmp_path)
        with open(folder / "metrics.jsonl", "a") as file:
            file.write(note(f"{END}finished") + "\n")
        write_index(tmp_path)

    def watch() -> None:
        while not done.is_set():
            page = (tmp_path / "index.html").read_text()
            if not page.endswith("</html>\n") or page.count("<tr data") != 4:
                broken.append(page)

    broken: list[str] = []
    write_index(tmp_path)
    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    watcher.join()
    assert broken == [] and not list(tmp_path.glob(".index*"))
    assert {row["state"] for row in rows(tmp_path).values()} == {"finished"}
    assert all(drawn["losses"][0][-1] == 5.0 for drawn in curves(tmp_path).values())


def test_forgotten_files(tmp_path: Path) -> None:
    """A killed process leaves its temporary file; that of another one may be in use."""
    for name, seconds in ((".index.html.old12345", 1e9), (".index.html.new12345", None)):
        (tmp_path / name).touch()
        if seconds:
            os.utime(tmp_path / name, (seconds, seconds))
    write_index(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", ".index.html.new12345"}


# The program and the page's script


def test_program(run: Programs) -> None:
    make_run(run.runs, "a")
    result = run.call(index.main, "index.py").ok()
    assert result.out == "1 run: checkpoints/index.html\n" and rows(run.runs).keys() == {"a"}
    run.call(index.main, "index.py", "--checkpoints_dir", "no").refused(
        1, "--checkpoints_dir", "no"
    )
    (run.runs / "index.html").write_text("mine")
    run.call(index.main, "index.py").refused(1, "index.html is another page")


@needs_node
def test_runs_with_other_epochs_share_an_axis() -> None:
    """Each keeps its own points; between them its line is straight, and it ends where it ended."""
    found = evaluate(
        "compare.js",
        "const a = [[1, 3], { G: [1, 3] }], b = [[2, 3, 5], { G: [4, null, 10], D: [1, 1, 1] }];"
        "return [merged([a, undefined, b], 'G'), quantities([undefined, a, b])];",
    )
    lines = [[1, 2, 3, "NaN"], ["NaN"] * 4, ["NaN", 4, 6, 10]]
    assert found == [{"x": [1, 2, 3, 5], "values": lines}, ["G", "D"]]


@needs_node
def test_differences_of_the_selected_runs() -> None:
    runs = '{ usual: { lr: "1", netG: "a" }, runs: [{}, { lr: "2" }, { lr: "2", netG: null }] }'
    found = evaluate(
        "compare.js", f"return [[0, 1], [1, 2], [1]].map((s) => differences({runs}, s))"
    )
    assert found == [[["lr", ["1", "2"]]], [["netG", ["a", None]]], []]

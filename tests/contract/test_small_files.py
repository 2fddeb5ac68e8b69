"""Small JSON files that are damaged, or hold something else: one line that names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scripts.evaluation.page_metrics import read_metrics as page_metrics
from scripts.paper_tools import results, scoring
from util.download.command import noted_checksums
from util.errors import UserError
from util.files import mismatch, read_json
from util.sinks.base import START, Log, read_metrics

DAMAGED = {
    "empty": b"",
    "cut off": b'{"a": 1',
    "binary": b"\x00\xff\xfe" * 9,
    "nested too deeply": b"[" * 100_000,
    "a number of many digits": b"1" * 5000,
    "a list": b"[]",
    "a number": b"3",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """Each reader names its file."""
    (tmp_path / "images").mkdir()
    readers = {
        "x.json": lambda: read_json(tmp_path / "x.json"),
        "metrics.jsonl": lambda: read_metrics(tmp_path),
        "metrics.js": lambda: page_metrics(tmp_path),
        ".checksums.json": lambda: noted_checksums(tmp_path),
        "setup.json": lambda: results.chapter(tmp_path, {}),
        "evaluate.json": lambda: scoring.collect(tmp_path),
    }
    for name, reader in readers.items():
        (tmp_path / name).write_bytes(content + b"\n")
        with pytest.raises(UserError, match=name) as error:
            reader()
        assert len(str(error.value).splitlines()) == 1
        (tmp_path / name).unlink()


def test_other_places(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and a broken link are errors, too."""
    path = tmp_path / "x.json"
    with pytest.raises(UserError, match="x.json: No such file"):
        read_json(path)
    assert read_json(path, missing={"a": 1}) == {"a": 1}
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("nowhere")):
        make()
        with pytest.raises(UserError, match="x.json"):
            read_json(path, missing={})
        path.rmdir() if path.is_dir() else path.unlink()


def test_kinds() -> None:
    kind = {"a": float, "b": [(int, None)], "c": {str: str}}
    right = {"a": 1, "b": [1, None], "c": {"x": "y"}, "more": 3}
    assert mismatch(right, kind) == ""
    for key, wrong, part in (
        ("a", "x", "a should be float"),
        ("a", True, "a should be float"),
        ("b", {}, "b should be a list"),
        ("b", [1, "x"], "b[1] should be int"),
        ("c", {"x": None}, "c.x should be str, found None"),
        ("c", {"x": "y", 3: "z"}, "c has the key 3"),
    ):
        assert part in mismatch(right | {key: wrong}, kind)
    assert mismatch({}, kind) == "a is missing"


def test_lines_of_metrics(tmp_path: Path) -> None:
    """A last line that is still being written is skipped, other damaged lines are named."""
    path = tmp_path / "metrics.jsonl"
    point = {"epoch": 1, "iters": 1, "share": 0.5, "total": 1, "losses": {"G": None}, "lr": 0.1}
    path.write_text("of an older run\n" + json.dumps({"epoch": 1, "note": START}) + "\n")
    with path.open("a") as file:
        file.write(json.dumps(point) + '\n{"epo')
    assert read_metrics(tmp_path) == [point]
    Log(path)  # ends the line, so that what follows it can be read
    for line in ('{"epo', json.dumps(point | {"losses": 3}), json.dumps(point | {"lr": "x"}), "3"):
        path.write_text(f"{json.dumps(point)}\n{line}\n{json.dumps(point)}\n")
        with pytest.raises(UserError, match=r"line 2 of .*metrics\.jsonl"):
            read_metrics(tmp_path)


def test_log_ends_a_broken_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"whole\nbrok")
    Log(tmp_path / "log").append("new")
    Log(tmp_path / "log").append("newer")
    assert (tmp_path / "log").read_text() == "whole\nbrok\nnew\nnewer\n"

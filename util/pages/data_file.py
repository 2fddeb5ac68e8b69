"""Reads the data files of pages, ``data.js`` and ``metrics.js``: calls with JSON as arguments.

A page may come from elsewhere, so nothing in these files is executed, and their URLs name files in
the page's own folder only.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from util.errors import UserError
from util.files import mismatch, read_text, real_path

CALL = re.compile(r"\s*(\w+)\(")
Panel = dict[int, dict[str, dict[str, Path]]]  # epoch -> name of a row -> label -> file


class Call(NamedTuple):
    """A call of a function of the page's scripts."""

    function: str
    values: list[Any]


def read_calls(path: Path) -> list[Call]:
    """Return the calls in a data file. An incomplete last line (being written) is left out.

    Raises UserError: the file cannot be read, or holds anything but calls with JSON as arguments.
    """
    text, decoder, calls, at = read_text(path), json.JSONDecoder(), [], 0
    while begin := CALL.match(text, at):
        values, place = [], begin.end()
        try:
            while not text.startswith(")", place):
                value, place = decoder.raw_decode(text, place)
                values.append(value)
                place += len(", ") if text.startswith(", ", place) else 0
        except (ValueError, RecursionError):
            break
        calls.append(Call(begin[1], values))
        at = place + 1
    rest = text[at:].lstrip()
    if "\n" in rest:
        line = text.count("\n", 0, len(text) - len(rest)) + 1
        raise UserError(f"cannot read {path}: line {line} is no call of a function of the page")
    return calls


def file_of(url: str, folder: Path) -> Path | None:
    """Return the file that a relative URL of the page in ``folder`` names.

    None if there is no such file, or if it is outside ``folder``, for example through a link.
    """
    try:
        path = folder / os.fsdecode(unquote_to_bytes(url))
        inside = real_path(path).is_relative_to(real_path(folder))
        return path if inside and path.is_file() else None
    except (OSError, ValueError):  # characters or lengths that no file name has
        return None


def read_panel(page: Path) -> Panel:
    """Return the validation images of a training page that exist, by epoch.

    Args:
        page: the folder of the page, ``checkpoints/NAME/web``.

    Raises UserError: ``data.js`` is missing or damaged.
    """
    panel: Panel = {}
    for call in read_calls(page / "data.js"):
        if call.function == "run" and call.values[:1] == ["panel"]:
            _, epoch, rows = [*call.values, None, None][:3]
            problem = _mismatch_of_epoch(epoch) or mismatch(rows, [_mismatch_of_row], "rows")
            if problem:
                raise UserError(f"cannot read {page / 'data.js'}: in a panel, {problem}")
            panel[epoch] = {name: _existing(figures, page) for name, figures in rows}
    return panel


def _mismatch_of_epoch(epoch: Any) -> str:
    wrong = mismatch(epoch, int, "epoch")
    return wrong or ("" if 0 <= epoch <= 10**9 else "epoch should be from 0 to 10^9")


def _mismatch_of_row(row: Any, name: str) -> str:
    """Describe what is wrong with a row of a panel: [name, [[label, URL, ...], ...]]."""
    if problem := mismatch(row, [object], name):
        return problem
    if len(row) != 2:
        return f"{name} should have 2 parts, found {len(row)}"
    return mismatch(row[0], str, f"{name}[0]") or mismatch(row[1], [_mismatch_of_figure], name)


def _mismatch_of_figure(figure: Any, name: str) -> str:
    wrong = mismatch(figure, [object], name) or mismatch(figure[:2], [str], name)
    return wrong or ("" if len(figure) >= 2 else f"{name} should have a label and a URL")


def _existing(figures: list[list], page: Path) -> dict[str, Path]:
    """Return label -> file of the figures whose file exists."""
    files = {label: file_of(url, page) for label, url, *_ in figures}
    return {label: file for label, file in files.items() if file}

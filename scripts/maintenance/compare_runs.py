"""Comparison of two runs that should be equal: files, weights, log, page and its data."""

from __future__ import annotations

import json
import re
from pathlib import Path

PARTS = ("files", "weights", "log", "page", "data")  # parts of a run that are compared


def differences(whole: Path, broken: Path) -> dict[str, str]:
    """Compare two finished runs; return the first difference in each of ``PARTS`` that differs."""
    import torch

    found = {}
    a, b = ({p.relative_to(run).as_posix() for p in run.rglob("*")} for run in (whole, broken))
    if a != b:
        found["files"] = f"only one has {', '.join(sorted(a ^ b)[:5])}"
    for name in sorted(a & b):
        if re.fullmatch(r"\w+_net_\w+\.pth", name):
            x, y = (torch.load(run / name, weights_only=True) for run in (whole, broken))
            bad = [key for key in x if key not in y or not torch.equal(x[key], y[key])]
            if bad or x.keys() != y.keys():
                found.setdefault("weights", f"{name} in {len(bad)} of {len(x)} tensors")
        page = name.startswith("web/") and name != "web/data.js" and (whole / name).is_file()
        if page and (whole / name).read_bytes() != (broken / name).read_bytes():
            found.setdefault("page", name)
    lines = log(whole), log(broken)
    for before, after in zip(*lines, strict=False):
        if before != after:
            found.setdefault("log", f"{before!r} became {after!r}")
    if len(lines[0]) != len(lines[1]):
        found.setdefault("log", f"{len(lines[0])} lines became {len(lines[1])}")
    if page_data(whole) != page_data(broken):
        found["data"] = "web/data.js"
    return found


def page_data(folder: Path) -> list[list]:
    """Return the calls in the page's data.js, without times and process starts and ends."""
    path = folder / "web" / "data.js"
    keys: list[str] = []
    calls = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        kind, *values = json.loads(f"[{line[4:-1]}]")  # run("kind", ...)
        if kind == "keys":
            keys = values[0]
        elif kind == "point":
            times = {4 + i for i, key in enumerate(keys) if key in ("time", "data", "logging")}
            values = [value for i, value in enumerate(values[0]) if i not in {3, *times}]
        elif kind in ("images", "text"):
            values = values[:-1]
        if kind not in ("begin", "end"):
            calls.append([kind, *values])
    return calls


def log(folder: Path) -> list[str]:
    """Return the lines of the log without times."""
    lines = (folder / "loss_log.txt").read_text().splitlines()
    return [re.sub(r"time: \S+ data: \S+|Loss \(.*\)", "", line) for line in lines]

"""Writes folders of runs as train.py leaves them, without training, and reads the index of runs."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path

from conftest import picture

from util.sinks.base import END, START

OPTIONS = {"n_epochs": 2, "n_epochs_decay": 2, "lr": 0.0002, "netG": "resnet_9blocks", "note": ""}


def line(epoch: int, share: float, **losses: float) -> str:
    """A line of metrics.jsonl: losses, or validation metrics if their names begin with val_."""
    total = round((epoch - 1 + share) * 100)
    entry = {"epoch": epoch, "iters": round(share * 100), "share": share, "total": total}
    measured = {name: value for name, value in losses.items() if name.startswith("val_")}
    entry |= {"losses": {k: v for k, v in losses.items() if k not in measured}, "lr": 1e-4}
    return json.dumps(entry | measured)


def note(text: str) -> str:
    return json.dumps({"epoch": 1, "note": text})


def make_run(root: Path, name: str, lines: list[str] | None = None, **options: object) -> Path:
    """Write a run of four epochs, which has finished unless ``lines`` of its log are given."""
    folder = root / name
    (folder / "web" / "images").mkdir(parents=True)
    (folder / "web" / "index.html").write_text("a page")
    if lines is None:
        lines = [line(e, 1.0, G=1 / e) for e in range(1, 5)] + [note(f"{END}finished")]
    (folder / "metrics.jsonl").write_text("".join(f"{x}\n" for x in [note(START), *lines]))
    (folder / "train_opt.json").write_text(json.dumps(OPTIONS | options))
    (folder / "train_opt.txt").touch()
    figures = []
    for i, label in enumerate(("real_A", "fake_B")):
        picture(folder / "web" / "images" / f"epoch004_panel0_{label}.png", i)
        figures.append([label, f"images/epoch004_panel0_{label}.png", 40, 40])
    panel = f'run("panel", 4, {json.dumps([["a.png", figures]])})\n'
    (folder / "web" / "data.js").write_text(panel)
    return folder


def rows(root: Path) -> dict[str, dict[str, str]]:
    """The rows of the table in index.html: name -> state, reason, best, ... as text."""
    page = (root / "index.html").read_text(encoding="utf-8")
    assert page.endswith("</html>\n")
    found = {}
    for row in re.findall(r"<tr data-.*?</tr>", page):
        data = dict(re.findall(r'data-(\w+)="(.*?)"', row))
        data["text"] = html.unescape(re.sub(r"<[^>]+>", " ", row))
        data["row"] = row
        found[html.unescape(data["name"])] = data
    return found


def curves(root: Path) -> dict[str, dict]:
    """The curves in index.html: name -> "losses" and "validation" -> [x, values]."""
    page = (root / "index.html").read_text(encoding="utf-8")
    lines = page.split('id="curves">\n')[1].split("</script>")[0].splitlines()
    return {name: json.loads(x.split("\t")[2]) for name, x in zip(rows(root), lines, strict=True)}


def age(folder: Path, seconds: float) -> None:
    """Make the log of a run older."""
    path = folder / "metrics.jsonl"
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)

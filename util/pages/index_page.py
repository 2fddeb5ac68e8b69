"""Writes ``index.html`` in the folder of all runs: a table, curves and options to compare them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from util.errors import UserError
from util.files import mismatch, read_text, write_atomically
from util.image.metrics import HIGHER_IS_BETTER
from util.pages.page import asset, readable
from util.run_log import LOG, RunLog, read_log
from util.run_summary import Entries, Summary, changes, summarize
from util.runs import find_runs
from util.sinks.training_page import HIDDEN
from util.words import amount

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

INDEX = "index.html"
FORMAT = 1  # of the lines that a later call takes over; to be raised when the lines change
GENERATOR = '<meta name="generator" content="CycleGAN index of runs">'
CURVES = '<script type="text/plain" id="curves">\n'
STYLES = ("page.css", "training.css", "index.css")
SCRIPTS = (
    "page.js", "series.js", "chart_input.js", "chart.js",
    "compare.js", "index_views.js", "index.js",
)  # fmt: skip
NOT_COMPARED = HIDDEN | {"note", "config", "given", "framework_options", "no_html"}
PATIENCE = 1.0  # seconds to wait for another training that writes the index
FORGOTTEN = 3600.0  # age in seconds of a temporary file that a killed process has left
STATES = {
    "running": "running",
    "finished": "finished",
    "interrupted": "interrupted",
    "failed": "failed",
    "weights": "weights only",
}


class Line(NamedTuple):
    """The part of the index that is kept of a run's logs, on one line of the page.

    Attributes:
        token: changes with the logs of the run.
        log: a RunLog as JSON.
        curves: the curves as JSON, see :func:`util.run_log.read_log`.
    """

    token: str
    log: str
    curves: str


def write_index(root: Path, own: str = "", live: bool = True) -> int:
    """Write ``index.html`` in ``root`` and return the number of runs in it.

    Only runs whose logs have changed since the last call are read. Processes that write at the same
    time do so one after the other.

    Args:
        own: name of the run of this process.
        live: True while that run trains.

    Raises UserError: the folder is missing or cannot be written, or it has another ``index.html``.
    """
    if not root.is_dir():
        raise UserError(f"--checkpoints_dir: there is no folder {root}")
    with _turn(root):
        known = _known_lines(root / INDEX)
        _remove_forgotten(root)
        mine = os.stat(root / own) if own else None
        runs = []
        for name, entries in find_runs(root):
            with contextlib.suppress(FileNotFoundError):  # it has just been removed
                is_own = mine is not None and os.path.samestat(mine, os.stat(root / name))
                runs.append(_read(root, name, entries, known, live if is_own else None))
        runs.sort(key=lambda run: (-run[0].updated, run[0].name))
        page = _page(root, [run for run, _ in runs], [line for _, line in runs])
        write_atomically(root / INDEX, page.encode(errors="replace"), "--checkpoints_dir")
    return len(runs)


@contextlib.contextmanager
def _turn(root: Path) -> Iterator[None]:
    """Wait until no other process writes the index: the last writer has read the latest logs.

    After ``PATIENCE`` seconds, and on file systems without locks, the index is written anyway.
    """
    if not fcntl:
        yield
        return
    handle = os.open(root, os.O_RDONLY)
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # a worker process may have inherited the handle
        os.close(handle)


def _known_lines(path: Path) -> dict[str, Line]:
    """Return the lines of the present index by their tokens; {} without one.

    Raises UserError: the file cannot be read, or is not an index of runs.
    """
    if not path.exists():
        return {}
    text = read_text(path)
    if GENERATOR not in text[:500]:
        raise UserError(f"--checkpoints_dir: {path} is another page; it stays as it is")
    lines = text.partition(CURVES)[2].partition("</script>")[0].splitlines()
    parts = (line.split("\t") for line in lines if "<" not in line)
    return {part[0]: Line(*part) for part in parts if len(part) == 3}


def _remove_forgotten(root: Path) -> None:
    for path in root.glob(f".{INDEX}.*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()


def _read(
    root: Path, name: str, entries: Entries, known: dict[str, Line], live: bool | None
) -> tuple[Summary, Line]:
    """Return a run and its line, taken from ``known`` unless the logs have changed."""
    folder = root / name
    key = [FORMAT, os.fsencode(name).hex(), *changes(folder)]
    token = hashlib.blake2b(json.dumps(key).encode(), digest_size=12).hexdigest()
    line, log = known.get(token), RunLog()
    with contextlib.suppress(ValueError, RecursionError):
        if line and not mismatch(values := json.loads(line.log), LOG):
            log = RunLog(**{key: values[key] for key in LOG})
            return summarize(folder, name, entries, log, live), line
    log, curves = read_log(folder)
    line = Line(token, _json(asdict(log)), _json(curves))
    return summarize(folder, name, entries, log, live), line


def _json(value: object) -> str:
    """Return JSON that can stand in a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


# The page


def _page(root: Path, runs: Sequence[Summary], lines: Sequence[Line]) -> str:
    options, usual = _differences(runs)
    counts = Counter(run.state for run in runs)
    states = ", ".join(f"{counts[state]} {STATES[state]}" for state in STATES if counts[state])
    folder = escape(readable(os.path.abspath(root)))
    rows = "".join(map(_row, runs, options))
    columns = ("Run", "State", "Best", "Updated")
    head = "".join(f'<th scope="col" data-sort="{c.lower()}">{c}</th>' for c in columns)
    compared = {"usual": usual, "runs": options}
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">{GENERATOR}
<title>Runs</title><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>{"".join(map(asset, STYLES))}</style></head>
<body><header><h1>Runs</h1>
<p class="note">{amount(len(runs), "run")} in {folder}{": " * bool(runs)}{states}</p>
<p class="note">Written {_date(time.time())}. Trainings update this page when they start, save and
end; <code>python scripts/index.py</code> writes it anew.</p></header>
<main><table id="runs"><thead><tr>{head}</tr></thead>
<tbody>
{rows}</tbody></table></main>
<script type="application/json" id="compared">{_json(compared)}</script>
{CURVES}{"".join(chr(9).join(line) + chr(10) for line in lines)}</script>
{"".join(f"<script>{asset(name)}</script>" for name in SCRIPTS)}
</body></html>
"""


def _row(run: Summary, options: dict[str, str | None]) -> str:
    """Return the table row of a run."""
    name, url = escape(readable(run.name)), quote(os.fsencode(run.name))
    title = f'<a href="{url}/web/index.html">{name}</a>' if run.page else name
    images = "".join(
        f'<img src="{url}/web/{escape(file)}" alt="{escape(readable(label))}" loading="lazy" '
        f'width="{width}" height="{height}"{" class=small" * (width < 128)}>'
        for label, file, width, height in run.log.images
    )
    given = ", ".join(f"{k} {v}" for k, v in options.items() if v is not None)
    texts = [("about", run.options.get("note", "")), ("given", given)]
    notes = "".join(f'<p class="{kind}">{escape(readable(t))}</p>' for kind, t in texts if t)
    # The last line of the log of a finished run can lie before the end of the last epoch.
    complete = run.epochs and run.state == "finished" and not run.reason  # not stopped early
    epoch = run.epochs if complete else run.log.epoch
    done = min(1.0, epoch / run.epochs) if run.epochs else 0.0
    bar = f'<div class="progress"><div style="width:{100 * done:.4g}%"></div></div>'
    place = f"{epoch:.4g} of {amount(run.epochs, 'epoch')}" if run.epochs else ""
    reason = f'<p class="note">{escape(readable(run.reason))}</p>' if run.reason else ""
    best, value = run.best, ""
    if best:
        metric = escape(readable(best["metric"]))
        value = f'<b>{best["value"]:.4g}</b> {metric}<p class="note">epoch {best["epoch"]}</p>'
    sign = 1 if best.get("metric") in HIGHER_IS_BETTER else -1
    return (
        f'<tr data-name="{name}" data-state="{run.state}" data-updated="{run.updated:.0f}" '
        f'data-metric="{escape(readable(best.get("metric", "")))}" '
        f'data-value="{sign * best["value"] if best else ""}">'
        f'<td class="run"><div class="pair">{images}</div><div><h2>{title}</h2>{notes}</div></td>'
        f'<td><span class="state {run.state}">{STATES[run.state]}</span>'
        f'<p class="note">{place}</p>{bar if run.state == "running" else ""}{reason}</td>'
        f'<td class="best">{value}</td><td>{_date(run.updated)}</td></tr>\n'
    )


def _date(seconds: float) -> str:
    """Return a Unix time in local time; a browser shows it in the style of its reader."""
    text = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""
    return f'<time data-seconds="{seconds:.0f}">{text}</time>'


def _differences(
    runs: Sequence[Summary],
) -> tuple[list[dict[str, str | None]], dict[str, str | None]]:
    """Return the options in which runs differ.

    Returns:
        For each run, the options that have another value than in most runs; None: the run has no
        such option. And the value that most runs have.
    """
    parsed = [run for run in runs if run.options]
    names = sorted({name for run in parsed for name in run.options} - NOT_COMPARED)
    usual: dict[str, str | None] = {}
    for name in names:
        counts = Counter(run.options.get(name) for run in parsed)
        if len(counts) > 1:
            usual[name] = max(counts, key=lambda value: (counts[value], value is not None))
    options = [
        {
            name: run.options.get(name)
            for name in usual
            if run.options and run.options.get(name) != usual[name]
        }
        for run in runs
    ]
    return options, usual

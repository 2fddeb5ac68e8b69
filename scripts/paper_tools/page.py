"""Write docs/results.md: a chapter for each comparison that has left files in docs/results."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.paper_tools import comparison, results
from util.console import say
from util.errors import UserError
from util.files import read_json, read_text, write_atomically

HEAD = """# Results

<!-- python scripts/paper.py results writes this page from docs/results; do not edit it. -->
"""
READING = """## How to read the tables

Numbers are the mean ± the standard deviation over seeds, which is how much a result changes with
the seed alone. Two means are called clearly different if they differ by more than the sum of their
deviations. With three seeds, the deviations themselves are rough. [evaluation.md](evaluation.md)
explains the metrics, [paper.md](paper.md) the losses and validation. How each comparison was made,
with its command, is at the [end of this page](#records).
"""
NO_CONCLUSION = "See its tables."  # of a comparison without a conclusion


def write(out: Path, titles: results.Titles) -> None:
    """Write ``out.md``: conclusions, tables of each folder in ``out``, and how they were made.

    The conclusions are those of ``conclusion.md`` in ``out`` and in each folder, else computed.
    ``notes.md`` of a folder stands at the end of the page.

    Args:
        titles: those of the ablation's variants.

    Raises:
        UserError: there are no results, or a file cannot be read.
    """
    short, chapters, records = [], [], []
    for path in sorted(out.glob("*/setup.json")):
        folder = path.parent
        if read_json(path, dict).get("program") == "baselines":
            chapter = comparison.chapter(folder)
        else:
            chapter = results.chapter(folder, titles)
        conclusion = text_of(folder / "conclusion.md") or chapter.conclusion or NO_CONCLUSION
        short.append(f"**[{chapter.title}](#{anchor(chapter.title)})**\n\n{conclusion.strip()}\n")
        chapters.append("\n".join([f"## {chapter.title}", "", *chapter.lines]))
        record = [f"### Record: {chapter.title}", "", *chapter.record, text_of(folder / "notes.md")]
        records.append("\n".join(record))
    if not chapters:
        raise UserError(f"{out} holds no results; scripts/paper.py ablate and baselines make them")
    parts = [HEAD, text_of(out / "conclusion.md"), "## In short\n", *short, READING]
    parts += [*chapters, "## Records\n", *records]
    text = "\n".join(filter(None, parts))
    write_atomically(out.with_suffix(".md"), text.encode())
    say(f"Written: {out.with_suffix('.md')}")


def text_of(path: Path) -> str:
    """Return the text of a file; nothing if there is none."""
    return read_text(path) if path.exists() else ""


def anchor(title: str) -> str:
    """Return the name under which Markdown pages link to a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")

"""Write docs/results.md: a chapter for each comparison that has left files in docs/results."""

from __future__ import annotations

from pathlib import Path

from scripts.paper_tools import comparison, results
from util.console import say
from util.errors import UserError
from util.files import read_json, read_text, write_atomically

INTRO = """# Results

`python scripts/paper.py results` writes this page from the files that the runs leave in
`docs/results`; do not edit it. Numbers are the mean ± the standard deviation over seeds, which is
how much a result changes with the seed alone. Two means are called clearly different if they differ
by more than the sum of their deviations. With three seeds, the deviations themselves are rough.
[evaluation.md](evaluation.md) explains the metrics, [paper.md](paper.md) the losses and validation.
Each chapter ends with the notes of the authors, which describe the dataset.
"""


def write(out: Path, titles: results.Titles) -> None:
    """Write ``out.md``, a chapter for each folder in ``out``, with its ``notes.md`` at the end.

    Args:
        titles: those of the ablation's variants.

    Raises:
        UserError: there are no results, or a file cannot be read.
    """
    chapters = []
    for path in sorted(out.glob("*/setup.json")):
        folder, notes = path.parent, path.with_name("notes.md")
        if read_json(path, dict).get("program") == "baselines":
            chapters.append(comparison.chapter(folder))
        else:
            chapters.append(results.chapter(folder, titles))
        if notes.exists():
            chapters.append(read_text(notes))
    if not chapters:
        raise UserError(f"{out} holds no results; scripts/paper.py ablate and baselines make them")
    write_atomically(out.with_suffix(".md"), ("\n".join([INTRO, *chapters])).encode())
    say(f"Written: {out.with_suffix('.md')}")

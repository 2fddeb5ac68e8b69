"""The participants' page: one HTML file with its style, scripts and data inside."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from util.files import write_atomically
from util.words import amount

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("session.js", "presentation.js", "study.js")


def asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def paragraphs(text: str) -> str:
    """Return plain text as HTML; an empty line ends a paragraph."""
    parts = re.split(r"\n\s*\n", text.strip())
    return "\n".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in parts)


def rounds(practice: int, trials: int) -> str:
    """Return a sentence for participants about the trials of a session."""
    if not practice:
        return f"There are {amount(trials, 'pair')}."
    few = amount(practice, "pair")
    return f"After {few} for practice, with the right answers, {trials} follow that count."


def write_page(folder: Path, title: str, what: str, consent: str, study: dict[str, Any]) -> None:
    """Write ``index.html``.

    Args:
        what: the kind of images, in the plural.
        consent: the consent text, as plain text.
        study: what the scripts need, as JSON: numbers of trials, seconds, groups with their pairs.
    """
    # Without a "<", the data cannot end the element that holds it.
    data = json.dumps(study).replace("<", "\\u003c")
    page = Template(asset("study.html")).substitute(
        title=escape(title),
        what=escape(what),
        seconds="one second" if study["seconds"] == 1 else f"{study['seconds']:g} seconds",
        rounds=rounds(study["practice"], study["trials"]),
        trials=study["trials"],
        size=study["size"],
        consent=paragraphs(consent),
        style=asset("study.css"),
        data=data,
        scripts="\n".join(map(asset, SCRIPTS)),
    )
    write_atomically(folder / "index.html", page.encode(errors="replace"), "--output")

"""Pages of images: one self-contained HTML file beside a folder ``images``, readable from ``file://``."""
from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import dominate
from dominate import tags
from dominate.util import raw

from util.checkpoint import write_atomically

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 110rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
p.note { color: var(--soft); margin: .2rem 0; overflow-wrap: anywhere; }
.row { display: flex; gap: .8rem; border-bottom: 1px solid var(--line); padding-bottom: 1.2rem; }
figure { margin: 0; flex: 0 1 var(--width); min-width: 0; } figcaption { font-size: .85rem; color: var(--soft); }
img { display: block; width: 100%; border-radius: 4px; background: var(--line); }
@media (max-width: 50rem) { .row { flex-wrap: wrap; } figure { flex-basis: calc(50% - .4rem); } }
"""


class Page:
    """Collects headed rows of images and writes ``index.html`` into ``folder``."""

    def __init__(self, folder: Path, title: str, notes: list[str] | None = None, width: int = 256, refresh: int = 0) -> None:
        """Args: width of an image on screen in pixels; refresh in seconds, 0 for never."""
        self.folder, self.title, self.notes, self.width, self.refresh = folder, title, notes or [], width, refresh
        self.rows: list[tuple[str, dict[str, str]]] = []

    def add_row(self, header: str, images: dict[str, str]) -> None:
        """One row: caption -> file, relative to the folder ``images``."""
        self.rows.append((header, images))

    def save(self) -> None:
        page = dominate.document(title=self.title)
        page["lang"] = "en"
        with page.head:
            tags.meta(charset="utf-8")
            tags.meta(name="viewport", content="width=device-width, initial-scale=1")
            if self.refresh:
                tags.meta(http_equiv="refresh", content=str(self.refresh))
            tags.style(raw(STYLE + f":root {{ --width: {int(self.width)}px; }}"))
        with page.body:
            tags.h1(self.title)
            for note in self.notes:
                tags.p(note, cls="note")
            for header, images in self.rows:
                tags.h2(header)
                with tags.div(cls="row"):
                    for label, file in images.items():
                        self._figure(label, "images/" + quote(os.fsencode(file)))
        write_atomically(self.folder / "index.html", page.render().encode(errors="replace"))

    def _figure(self, label: str, link: str) -> None:
        with tags.figure():
            with tags.a(href=link):
                tags.img(src=link, alt=label, loading="lazy")
            tags.figcaption(label)

"""Pages of images that need no server and no network: styles and scripts from ``util/pages`` are written into them."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

import dominate
from dominate import tags
from dominate.util import raw

from util.checkpoint import write_atomically


@functools.cache
def asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def link(file: str) -> str:
    """The URL, relative to the page, of a file in its folder ``images``; names may hold anything."""
    return "images/" + quote(os.fsencode(file))


def readable(text: str) -> str:
    """File names that are no valid UTF-8 reach us with surrogates, which cannot be written."""
    return text.encode(errors="replace").decode()


def row(header: str, images: dict[str, str], size: tuple[int, int] | None = None) -> str:
    """A headed row of images: caption -> file in the folder ``images``; ``size`` is (width, height) where it is known.

    One line of text, for a page may have thousands; results.js takes them apart again.
    """
    columns = len(images) if len(images) <= 8 else (len(images) + 1) // 2
    shape = f' width="{size[0]}" height="{size[1]}"' if size else ""
    figures = "".join(
        f'<figure><a href="{link(file)}"><img src="{link(file)}" alt="{escape(label)}" loading="lazy"{shape}></a>'
        f"<figcaption>{escape(label)}</figcaption></figure>"
        for label, file in images.items()
    )
    return (
        f'<section class="row"><h2>{" ".join(escape(header).splitlines())}</h2><div class="images" '
        f'style="--n:{columns};--m:{3 if len(images) % 3 == 0 else 2}">{figures}</div></section>\n'
    )


def write_page(
    folder: Path,
    title: str,
    notes: Iterable[str],
    rows: Iterable[str],
    width: int,
    assets: Iterable[str],
    data: str,
    after: str = "",
) -> None:
    """Write ``index.html``: title, notes, rows (for scripts to take up; readers without any see them as they are), ``after``.

    Args:
        width: of an image on screen, in pixels.
        assets: scripts of ours; the last may define what ``data``, a script beside the page, calls.
    """
    page = dominate.document(title=title)
    page["lang"] = "en"
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.link(rel="icon", href="data:,")  # else browsers ask the server for one
        tags.style(raw(asset("page.css") + f":root {{ --width: {int(width)}px }}\n"))
    with page.body:
        tags.header(tags.h1(title), *(tags.p(note, cls="note") for note in notes))
        tags.main(tags.noscript(raw("".join(rows))), id="rows")
        raw(after)
        for name in assets:
            tags.script(raw(asset(name)))
        tags.script(src=data)
    write_atomically(folder / "index.html", page.render(pretty=False).encode(errors="replace"))


def write_metrics(folder: Path, metrics: dict[str, dict[str, float]]) -> None:
    write_atomically(folder / "metrics.js", f"show({json.dumps(metrics, indent=0)})\n".encode())

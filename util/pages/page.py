"""Writes pages of images that need neither a server nor a network: CSS and scripts are inlined."""

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

from util.files import write_atomically

STYLES = ("page.css", "viewer.css", "training.css", "results.css", "print.css")
PREVIEWS = "previews"  # folder of what the page shows for files that browsers do not
SMALL = 128  # images up to this size are enlarged with sharp pixels, as in viewer.js


def link(file: str, folder: str = "images") -> str:
    """Returns the URL, relative to the page, of a file in its folder ``images``."""
    return f"{folder}/{quote(os.fsencode(file))}"


def readable(text: str) -> str:
    """Replace surrogate escapes of file names that are not valid UTF-8."""
    return text.encode(errors="replace").decode()


def row(
    header: str,
    images: dict[str, str],
    size: tuple[int, int] | None = None,
    truth: dict[str, str] | None = None,
    previews: dict[str, str] | None = None,
    details: dict[str, str] | None = None,
) -> str:
    """Returns the HTML of a row of images under a heading, on a single line for ``results.js``.

    Args:
        images: caption -> file in the folder ``images``.
        size: (width, height) of the images in pixels, if known.
        truth: caption of a translation -> caption of the true image.
        previews: caption -> file in the folder ``previews`` that is shown in place of the image,
            which then has a link of its own.
        details: caption -> what that link says after the kind of file.
    """
    columns = len(images) if len(images) <= 8 else (len(images) + 1) // 2
    shape = f' width="{size[0]}" height="{size[1]}"' if size else ""
    if size and max(size) <= SMALL:
        shape += f' class="sharp" style="--pixels:{size[0]}px"'
    true = {label: f' data-truth="{escape(real)}"' for label, real in (truth or {}).items()}
    shown = {label: link(file) for label, file in images.items()}
    shown |= {label: link(file, PREVIEWS) for label, file in (previews or {}).items()}
    kinds = {label: escape(Path(images[label]).suffix) for label in previews or ()}
    detail = {label: escape(text) for label, text in (details or {}).items()}
    downloads = {
        label: f'<a download href="{link(images[label])}">{kind} file{detail.get(label, "")}</a>'
        for label, kind in kinds.items()
    }
    figures = "".join(
        f'<figure{true.get(label, "")}><a href="{link(file)}"><img src="{shown[label]}" '
        f'alt="{escape(label)}" loading="lazy"{shape}></a>'
        f"<figcaption>{escape(label)}</figcaption>{downloads.get(label, '')}</figure>"
        for label, file in images.items()
    )
    return (
        f'<section class="row"><h2>{" ".join(escape(header).splitlines())}</h2><div class="images" '
        f'style="--n:{columns};--m:{3 if len(images) % 3 == 0 else 2}">{figures}</div></section>\n'
    )


def write_page(
    folder: Path,
    title: str,
    notes: Iterable[str | tags.a],
    rows: Iterable[str],
    width: int,
    scripts: Iterable[str],
    data: str,
    after: str = "",
) -> None:
    """Write ``index.html``: title, notes, rows, then ``after``.

    Args:
        rows: results of :func:`row`. Browsers without scripts show them as they are.
        width: of an image on the screen, in pixels.
        scripts: files in ``util/pages`` to include.
        data: script beside the page that calls a function of the last of ``scripts``.
        after: HTML below the rows.
    """
    page = dominate.document(title=title)
    page["lang"] = "en"
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.link(rel="icon", href="data:,")  # keeps browsers from requesting an icon
        styles = "".join(map(asset, STYLES))
        tags.style(raw(f"{styles}:root {{ --width: {int(width)}px }}\n"))
    with page.body:
        tags.header(tags.h1(title), *(tags.p(note, cls="note") for note in notes))
        tags.main(tags.noscript(raw("".join(rows))), id="rows")
        raw(after)
        for name in scripts:
            tags.script(raw(asset(name)))
        tags.script(src=data)
    write_atomically(folder / "index.html", page.render(pretty=False).encode(errors="replace"))


def write_metrics(folder: Path, metrics: dict[str, dict[str, float]]) -> None:
    """Write ``metrics.js`` of a results page: URL of an image -> name of a metric -> value."""
    write_atomically(folder / "metrics.js", f"show({json.dumps(metrics, indent=0)})\n".encode())


@functools.cache
def asset(name: str) -> str:
    """Return the text of a file in ``util/pages``."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")

"""Adds metrics to the page of ``test.py`` that shows the images: ``evaluate.py --page``."""

from __future__ import annotations

from pathlib import Path

from util.errors import UserError
from util.files import parse_json, read_text
from util.pages.page import link, write_metrics


def read_metrics(page: Path) -> dict[str, dict[str, float]]:
    """Returns what the results page in the folder ``page`` shows: image URL -> metric -> value.

    Raises:
        UserError: there is no such page, or it is damaged.
    """
    path = page / "metrics.js"
    if not path.is_file():
        raise UserError(f"--page: {page} is no page of test.py with its metrics.js")
    text = read_text(path).removeprefix("show(").removesuffix(")\n")
    return parse_json(text, {str: {str: (float, type(None))}}, f"--page: {path}")


def page_of(image: str) -> Path:
    """Returns the folder of the results page that shows ``image``. Raises UserError: none does."""
    for folder in Path(image).parents:
        if folder.name == "images" and (folder.parent / "metrics.js").is_file():
            return folder.parent
    raise UserError(f"--page: {image} is not among the images of a page of test.py (metrics.js)")


def add_metrics(metrics: dict[str, dict[str, float]]) -> None:
    """Add metrics to the page that shows the images: path of an image -> metric -> value."""
    page = page_of(next(iter(metrics)))
    shown = read_metrics(page)
    for path, values in metrics.items():
        shown[link(Path(path).relative_to(page / "images").as_posix())] = values
    write_metrics(page, shown)

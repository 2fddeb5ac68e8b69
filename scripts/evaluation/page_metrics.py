"""Metrics of images on the page of test.py that shows them: ``evaluate.py --page``."""

from __future__ import annotations

import json
from pathlib import Path

from util.errors import UserError
from util.pages.page import link, write_metrics


def read_metrics(folder: Path) -> dict[str, dict[str, float]]:
    """What the page of results in ``folder`` shows: URL of an image -> name of a metric -> value.

    Raises UserError: there is no such page.
    """
    path = folder / "metrics.js"
    try:
        return json.loads(path.read_text().removeprefix("show(").removesuffix(")\n"))
    except (OSError, ValueError):
        raise UserError(f"--page: {folder} holds no page of test.py with its metrics.js") from None


def page_of(image: str) -> Path:
    """The folder of the page of results that shows an image. Raises UserError: there is none."""
    for folder in Path(image).parents:
        if folder.name == "images" and (folder.parent / "metrics.js").is_file():
            return folder.parent
    raise UserError(
        f"--page: {image} is not in the folder images of a page of test.py, which has metrics.js beside it"
    )


def add_metrics(metrics: dict[str, dict[str, float]]) -> None:
    """Path of an image of one page -> name of a metric -> value, beside what the page shows already."""
    page = page_of(next(iter(metrics)))
    new = {
        link(Path(path).relative_to(page / "images").as_posix()): values
        for path, values in metrics.items()
    }
    write_metrics(page, read_metrics(page) | new)

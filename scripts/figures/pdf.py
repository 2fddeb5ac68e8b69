"""A sheet as a PDF, with the pixels of its images as they are, and text as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.figures.drawing import MARK
from scripts.figures.insets import Frame, Picture
from scripts.figures.letters import drawable
from scripts.figures.sheets import Sheet, Text
from util.errors import needs
from util.files import write_atomically

PIXELS = 100  # of the layout in an inch
POINTS = 72 / PIXELS
LETTERS = 1.2  # width of matplotlib's letters, compared with Pillow's
SETTINGS: Any = {"pdf.fonttype": 42, "image.composite_image": False}  # 42: TrueType


def write_pdf(sheet: Sheet, path: Path) -> None:
    """Write the sheet to ``path``.

    Raises:
        UserError: matplotlib is missing, or the file cannot be written.
    """
    with needs(f"--output {path}", "matplotlib"):
        from matplotlib import rc_context
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    figure = Figure(figsize=(sheet.width / PIXELS, sheet.height / PIXELS))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for order, part in enumerate(sheet.parts):
        left, top, width, height = part.box
        if isinstance(part, Picture):
            extent = (left, left + width, top + height, top)
            smoothing = "none"  # images keep their pixels; it depends on the reader how they look
            axes.imshow(part.image, extent=extent, interpolation=smoothing, zorder=order)
        elif isinstance(part, Frame):
            half = part.thickness / 2
            inside = (left + half, top + half), width - 2 * half, height - 2 * half
            line = part.thickness * POINTS
            axes.add_patch(
                Rectangle(*inside, fill=False, edgecolor=MARK, linewidth=line, zorder=order)
            )
        else:
            write(axes, part)
    axes.set(xlim=(0, sheet.width), ylim=(sheet.height, 0), aspect="auto")
    with rc_context(SETTINGS):
        write_atomically(path, lambda file: figure.savefig(file, format="pdf"), "--output")


def write(axes: Any, part: Text) -> None:
    """Write a line of text in the middle of its box."""
    x, y = part.box.left + part.box.width / 2, part.box.top + part.box.height / 2
    base = 0.36 * part.size  # from the middle of a line to its base line
    axes.text(
        x + base * part.upright,
        y + base * (not part.upright),
        drawable(part.text),
        fontsize=part.size * POINTS,
        rotation=90 * part.upright,
        rotation_mode="anchor",
        ha="center",
        va="baseline",
        parse_math=False,
    )

"""Drawing curves with matplotlib: a panel for each quantity, and labels at the ends of the curves.

matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from scripts.figures.curves import STEPS, Curve
from util.errors import needs

MATPLOTLIB = ("scripts/plot.py", "matplotlib")  # the program, and the package that it needs
# Colour-blind readers can tell the colours of Okabe and Ito apart. Their yellow is missing, because
# it is too pale for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARK = COLOURS[1]  # frames in images have this colour
DASHES = ("-", "--", ":", "-.")  # for more runs than colours
UNITS = {"time": "s per image", "data": "s per step", "logging": "s per line of the log"}
FEW = 40  # curves of at most so many points get a marker for each
PANEL = (3.6, 2.6)  # width and height of a panel in inches, without --width
NARROWEST = 1.5  # width of a panel in inches, with --width
INCH = 72  # points
FONT = 10, 8  # size in points; with --width, where the figure keeps its size in a paper
LETTER = 0.62  # width of a letter, as a share of the font size


class Panel(NamedTuple):
    """One quantity: its name, and label -> curve."""

    key: str
    curves: dict[str, Curve]


class Layout(NamedTuple):
    """The size of a figure, in inches, and how its panels are arranged."""

    width: float
    height: float
    columns: int
    font: int
    direct: bool  # True: labels at the ends of the curves, False: a legend


def layout_of(panels: int, labels: list[str], width: float | None) -> Layout:
    """Return the layout for a number of panels with the curves ``labels``.

    Args:
        width: of the figure in inches; None: as wide as its panels need.
    """
    font, columns = FONT[width is not None], min(4, math.ceil(math.sqrt(panels)))
    longest = max(map(len, labels)) * LETTER * font / INCH  # in inches
    if width is None:
        panel_width, panel_height = PANEL
        width = panel_width * columns + 0.4
    else:
        wide = NARROWEST + longest * (len(labels) > 1)
        columns = max(1, min(columns, int(width / wide)))
        panel_width = width / columns
        panel_height = max(1.2, 0.72 * panel_width)
    fits = longest < 0.4 * panel_width and len(labels) * 1.2 * font / INCH < 0.6 * panel_height
    height = panel_height * math.ceil(panels / columns) + 0.3
    return Layout(width, height, columns, font, len(labels) > 1 and fits)


def settings(font: int) -> Any:
    """Return the settings of matplotlib, for ``rc_context``."""
    return {
        "font.size": font,
        "axes.titlesize": font,
        "axes.formatter.limits": (-3, 5),
        "axes.formatter.use_mathtext": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "pdf.fonttype": 42,  # TrueType: conferences refuse the default, Type 3
    }


def draw(panels: list[Panel], labels: list[str], layout: Layout, axis: str, log: bool) -> Any:
    """Return a figure with the panels. Call it, and save the figure, within :func:`settings`.

    Args:
        axis: "epoch" or "total", what x counts.
        log: True for a logarithmic y axis.
    """
    with needs(*MATPLOTLIB):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(layout.width, layout.height), layout="constrained")
    rows = math.ceil(len(panels) / layout.columns)
    styles = {label: style(i) for i, label in enumerate(labels)}
    all_axes = []
    for i, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, layout.columns, i, yscale="log" if log else "linear")
        unit = f" ({UNITS[panel.key]})" if panel.key in UNITS else ""
        axes.set_title(shown(panel.key) + unit, parse_math=False)
        if i + layout.columns > len(panels):  # there is no panel below
            axes.set_xlabel("epoch" if axis == "epoch" else "images")
        axes.grid(alpha=0.25)
        for label, curve in panel.curves.items():
            draw_curve(axes, curve, styles[label], panel.key in STEPS)
        finish(axes, panel, log)
        all_axes.append(axes)
    if layout.direct:
        label_ends(figure, all_axes, panels, styles)
    elif len(labels) > 1:
        add_legend(figure, styles, layout)
    return figure


def style(index: int) -> dict[str, Any]:
    """Return colour and line style of the curve with this index."""
    dashes = DASHES[index // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": dashes}


def draw_curve(axes: Any, curve: Curve, style: dict[str, Any], steps: bool) -> None:
    """Draw a curve; its raw values pale, its standard deviation as a band.

    Points without a neighbour, and those of short curves, get a marker: no line shows them.
    """
    drawing = "steps-pre" if steps else "default"
    if curve.raw is not None:
        axes.plot(curve.x, curve.raw, color=style["color"], alpha=0.25, linewidth=0.8)
    if curve.std is not None:
        low, high = curve.y - curve.std, curve.y + curve.std
        step = "pre" if steps else None
        axes.fill_between(
            curve.x, low, high, step=step, color=style["color"], alpha=0.2, linewidth=0
        )
    missing = np.isnan(np.concatenate([[np.nan], curve.y, [np.nan]]))
    marked = ~missing[1:-1] & ((missing[:-2] & missing[2:]) | (len(curve.y) <= FEW and not steps))
    axes.plot(
        curve.x,
        curve.y,
        **style,
        linewidth=1.4,
        drawstyle=drawing,
        marker="o",
        markersize=3,
        markevery=np.flatnonzero(marked).tolist(),
    )


def finish(axes: Any, panel: Panel, log: bool) -> None:
    """Set the range and the ticks of a panel, and say if there is nothing to see."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    values = np.concatenate([curve.y for curve in panel.curves.values()])
    visible = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(visible):
        reason = "no values above 0" if log and np.isfinite(values).any() else "no finite values"
        axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes)
        axes.set(yscale="linear", ylim=(1, 2), yticks=[])  # curves at or below 0 are outside
        return
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if log:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high)  # otherwise, the locator may extend the range to 0
        decades = math.log10(high / low)
        subs = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs) if decades > 0.7 else MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    elif panel.key in STEPS:
        axes.set_ylim(bottom=0)


def label_ends(
    figure: Any, all_axes: list[Any], panels: list[Panel], styles: dict[str, dict[str, Any]]
) -> None:
    """Write each label beside the end of its curve, in the curve's colour, none over another."""
    size = figure.axes[0].title.get_fontsize()
    for axes, panel in zip(all_axes, panels, strict=True):
        for label in panel.curves:
            axes.annotate(
                shown(label),
                (1, 0),
                (4, 0),
                xycoords="axes fraction",
                textcoords="offset points",
                color=styles[label]["color"],
                fontsize=size,
                va="center",
                parse_math=False,
                annotation_clip=False,
            )
    figure.draw_without_rendering()  # arranges the panels, so that their heights are known
    for axes, panel in zip(all_axes, panels, strict=True):
        gap = 1.15 * size * figure.dpi / INCH / axes.bbox.height
        places = spread([end(axes, curve) for curve in panel.curves.values()], gap)
        for text, place in zip(axes.texts[-len(places) :], places, strict=True):
            text.xy = (1, place)


def end(axes: Any, curve: Curve) -> float:
    """Return the height of a curve's last visible point in its panel, from 0 to 1."""
    drawn = [y for y in curve.y if math.isfinite(y) and (y > 0 or axes.get_yscale() != "log")]
    if not drawn:
        return 0.0
    height = axes.transAxes.inverted().transform(axes.transData.transform((0, drawn[-1])))[1]
    return min(1.0, max(0.0, float(height)))


def spread(places: list[float], gap: float) -> list[float]:
    """Move places within [0, 1] apart until neighbours have the distance ``gap``, if they fit."""
    order = sorted(range(len(places)), key=lambda i: (places[i], -i))  # of equals, the first on top
    moved, lowest, highest = list(places), 0.0, 1.0
    for i in order:
        moved[i] = max(moved[i], lowest)
        lowest = moved[i] + gap
    for i in reversed(order):
        moved[i] = min(moved[i], highest)
        highest = moved[i] - gap
    return moved


def add_legend(figure: Any, styles: dict[str, dict[str, Any]], layout: Layout) -> None:
    """Put a legend below the panels, in as many columns as fit."""
    from matplotlib.lines import Line2D

    letters = int((layout.width - 0.8) * INCH / (LETTER * layout.font))
    texts = [shorten(shown(label), letters) for label in styles]
    lines = [Line2D([], [], linewidth=1.4, **style) for style in styles.values()]
    fitting = layout.width / (max(map(len, texts)) * LETTER * layout.font / INCH + 0.6)
    columns = max(1, min(len(texts), int(fitting)))
    legend = figure.legend(lines, texts, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def shorten(text: str, letters: int) -> str:
    """Return the end of a text that is too long, because names of runs differ there."""
    return text if len(text) <= letters else f"…{text[1 - letters :]}"


def shown(name: str) -> str:
    """Return a name as text that can be drawn; a legend leaves out labels that begin with _."""
    text = name.encode(errors="backslashreplace").decode()
    return f" {text}" if text.startswith("_") else text

"""Tables as plain text, as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

LATEX = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"})
LATEX |= str.maketrans(
    {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)
LATEX |= str.maketrans({"±": r"$\pm$", "→": r"$\rightarrow$"})
WIDTH = 80  # columns of a terminal
HLINES = ("\\hline",) * 3
BOOKTABS = ("\\toprule", "\\midrule", "\\bottomrule")


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return a line of text for each row, with aligned cells.

    Args:
        right: indices of the columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return ["  ".join(line).rstrip() for line in lines]


def fitted(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int = WIDTH
) -> list[str]:
    """Return the lines of :func:`columns` if they fit ``width``.

    Else the first cell of each row has a line of its own, above the others.
    """
    lines = columns(rows, right)
    if max(map(len, lines)) <= width:
        return lines
    below = columns([("", *cells) for _, *cells in rows], right)
    pairs = zip((first for first, *_ in rows), below, strict=True)
    return [line for pair in pairs for line in pair if line]


def markdown(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()
) -> list[str]:
    """Return the lines of a Markdown table. ``right`` is as in :func:`columns`."""
    texts = ([cell.replace("|", "\\|") for cell in row] for row in (head, *rows))
    lines = [f"| {' | '.join(row)} |" for row in texts]
    rule = "".join("|---:" if i in right else "|---" for i in range(len(head)))
    return [lines[0], f"{rule}|", *lines[1:]]


def latex(text: str) -> str:
    """Return a text with the special characters of LaTeX escaped."""
    return text.translate(LATEX)


def tabular(
    layout: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    rules: tuple[str, ...] = HLINES,
) -> list[str]:
    r"""Return the lines of a tabular for LaTeX.

    Args:
        layout: its columns, e.g. ``lrr``.
        head: cells of the heading, in LaTeX, as those of ``rows``.
        rules: above, below the heading, and below; those of ``BOOKTABS`` need the package booktabs.
    """
    first, *others = (" & ".join(row) + r" \\" for row in (head, *rows))
    top, middle, bottom = rules
    begin = rf"\begin{{tabular}}{{{layout}}}"
    return [begin, top, first, middle, *others, bottom, r"\end{tabular}"]

"""The table of scripts/check_gpu.py, and which options its figures recommend."""

from __future__ import annotations

from typing import Any

from scripts.gpu.checks import OK, SKIPPED
from util.tables import fitted

Rows = dict[str, dict[str, Any]]  # title of a check -> its row
# Option -> checks that should have passed before it is recommended
NEEDS = {
    "--amp bf16": ("precision/bf16", "sync/cycle_gan", "demo/quality"),
    "--amp fp16": ("precision/fp16", "guard/stop", "sync/cycle_gan"),
    "--channels_last": ("exact/cycle_gan",),
    "--compile": ("compile/sizes", "compile/short batches", "demo/quality"),
    "--cuda_graphs": ("compile/graphs",),
}
COLUMNS = ("ms", "host ms", "peak MB", "images/s", "images/s with loader", "times defaults")
CANDIDATES = ("--amp", "--channels_last", "--compile", "--cuda_graphs")
WORTHWHILE = 1.05  # times the images per second of the defaults


def line(row: dict[str, Any]) -> str:
    """Return one line about a check."""
    return f"{row['check']:28} {row['status']:8} {row['seconds']:6.1f} s  {row['line']}"


def speeds(rows: Rows) -> Rows:
    """Return the figures of each variant of a training step that was measured."""
    found: Rows = {}
    for title, row in rows.items():
        if title.startswith("speed/") and title != "speed/loader":
            for variant, figures in row["figures"].items():
                if "ms" in figures:
                    found.setdefault(variant, figures)
    return found


def speed_table(rows: Rows) -> list[str]:
    """Return the lines of the table of training steps, [] if none was measured."""
    found = speeds(rows)
    if not found:
        return []
    cells: list[tuple[str, ...]] = [("training step", *COLUMNS)]
    for variant, figures in found.items():
        cells.append((variant, *(f"{figures[c]:,.2f}" if c in figures else "" for c in COLUMNS)))
    lines = ["", *fitted(cells, range(1, len(cells[0])))]
    if loader := rows.get("speed/loader", {}).get("figures"):
        lines.append(f"The loader alone: {loader['images/s']:,.1f} images/s")
    return lines


def unproven(variant: str, rows: Rows) -> list[str]:
    """Return the checks that a variant needs and that have not passed."""
    needed = [check for option, checks in NEEDS.items() if option in variant for check in checks]
    return [check for check in dict.fromkeys(needed) if rows.get(check, {}).get("status") != OK]


def advice(rows: Rows, card: str) -> list[str]:
    """Return lines that say which options to use on the card.

    Args:
        card: name of the GPU, "" for none.
    """
    if not card:
        return ["", "No advice: these checks ran on the CPU, which proves only that they run"]
    found = speeds(rows)
    options = [v for v in found if v.startswith(CANDIDATES)]
    if not options:
        return ["", f"No advice for {card}: no options were measured (--only speed)"]
    lines = ["", f"Options for {card}, by images per second at 256x256:"]
    ranked = sorted(options, key=lambda v: -found[v]["images/s"])
    same_numbers = [v for v in ranked if "--amp" not in v]
    for title, variants in (("fastest", ranked), ("fastest without --amp", same_numbers)):
        proven = [v for v in variants if not unproven(v, rows)]
        best = proven[0] if proven else ""
        if best and found[best]["times defaults"] >= WORTHWHILE:
            lines.append(f"  {title}: {best} ({found[best]['times defaults']:.2f} x the defaults)")
        else:
            lines.append(f"  {title}: the defaults")
        for variant in variants[: variants.index(best)] if best else variants:
            missing = ", ".join(unproven(variant, rows))
            lines.append(f"    not {variant}, because of {missing}")
    least = min((v for v in found if "peak MB" in found[v]), key=lambda v: found[v]["peak MB"])
    lines.append(f"  least memory: {least} ({found[least]['peak MB']:,.0f} MB)")
    return lines


def failed(rows: Rows) -> list[str]:
    """Return the checks that did not pass."""
    return [title for title, row in rows.items() if row["status"] not in (OK, SKIPPED)]

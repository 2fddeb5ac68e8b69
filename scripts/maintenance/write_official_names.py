"""Write docs/official_names.md from scripts/fork/official_names.json.

python scripts/maintenance/write_official_names.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from scripts.arguments import Arguments  # noqa: E402
from scripts.fork.names import Name, by_module, official  # noqa: E402
from util.console import run_main, say  # noqa: E402
from util.files import write_atomically  # noqa: E402

PAGE = ROOT / "docs" / "official_names.md"
HEADER = """# Every name of the official code

<!-- Made from scripts/fork/official_names.json by scripts/maintenance/write_official_names.py -->

The official code, junyanz/pytorch-CycleGAN-and-pix2pix, exists in two versions: 2022 ({first})
and 2025 ({second}). This page lists every module, class, function, signature,
attribute, option, program and file of both, and says how each works here. Each one that is not
absent is used in a test.

- **same**: does what the official one does.
- **better**: does the same, but without a fault or limit of the official one; see the remark.
- **absent**: does not exist here; the remark says why, or what to use instead.

A signature is that of both versions unless it is preceded by a year.
`python scripts/check_fork.py FOLDER` reports which of these names the files of a fork use in a way
that does not work here; see [migrating.md](migrating.md).
"""


def build_parser() -> Arguments:
    return Arguments(__doc__)


def text(value: str) -> str:
    """``value`` as it stands in a cell of a table."""
    return value.replace("|", "\\|")


def signature(name: Name) -> str:
    """The signatures or attributes of a name, with the year where only one generation has it."""
    if name.attributes:
        return ", ".join(
            f"`{attribute}`" + (f" ({year})" if year else "")
            for attribute, year in name.attributes.items()
        )
    kinds = {
        takes: [g for g in name.takes if name.takes[g] == takes] for takes in name.takes.values()
    }
    return "; ".join(
        ("" if len(years) == 2 else f"{years[0]}: ") + f"`{takes}`"
        for takes, years in kinds.items()
    )


def absent(name: Name) -> list[str]:
    """The attributes that are absent here, with the reason."""
    return [f"`{attribute}` is absent: {why}" for attribute, why in name.lacks.items()]


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = (f"| {' | '.join(map(text, row))} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body]) + "\n"


def page() -> str:
    """The text of the page."""
    data = official()
    parts = [HEADER.format(first=data["generations"]["2022"], second=data["generations"]["2025"])]
    for module, found in by_module().items():
        parts.append(f"## `{module}`\n")
        rows = [
            (
                f"`{name.name}`" if not name.attributes else f"{name.name.replace(' ', ': ')}",
                signature(name),
                name.status,
                "; ".join(filter(None, (name.note, *absent(name)))),
            )
            for name in found.values()
        ]
        parts.append(table(("Name", "Takes, or has", "Here", "Remark"), *rows))
    options = [
        (f"`--{name}`", row["of"], row["type"], row["default"], row.get("only", ""))
        + (row["status"], row.get("note", ""))
        for name, row in data["options"].items()
    ]
    parts.append("## Options\n")
    parts.append(
        table(("Option", "Of", "Type", "Official default", "Only", "Here", "Remark"), *options)
    )
    for title, key in (("Files of the project", "programs"), ("Files that are written", "files")):
        listed = [(f"`{k}`", r["status"], r.get("note", "")) for k, r in data[key].items()]
        parts += [f"## {title}\n", table(("File", "Here", "Remark"), *listed)]
    return "\n".join(parts)


def main() -> None:
    build_parser().parse_args()
    write_atomically(PAGE, page().encode())
    say(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    run_main(main)

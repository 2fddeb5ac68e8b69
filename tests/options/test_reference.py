"""docs/options.md, the reference of all options, is what the tables of options say."""

from __future__ import annotations

from argparse import ArgumentParser

from options.flags.flag import Flag
from scripts.maintenance.write_options import PAGE, page, table
from util.limits import real, whole


def test_the_reference_is_up_to_date() -> None:
    """After a change of an option: python scripts/maintenance/write_options.py."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_rows() -> None:
    parser = ArgumentParser(add_help=False)
    for flag in (
        Flag("n", whole(1, 10**9, unlimited=True), float("inf"), "at most N"),
        Flag("x", real(0, below=1), 0.00025, "a | b"),
        Flag("which", ("one", "two"), "one", "one of them", nargs="+"),
        Flag("on", bool, False, "a switch"),
        Flag("file", str, None, "where", metavar="FILE", required=True),
    ):
        flag.add_to(parser)
    assert table(parser._actions, parser)[2:-1] == [
        "| `--n` | whole number, 1 to 1,000,000,000, or inf | `inf` | at most N |",
        "| `--x` | number, 0 to 1 (excluded) | `0.00025` | a \\| b |",
        "| `--which` | `one`, `two`; several | `one` | one of them |",
        "| `--on` | switch | – | a switch |",
        "| `--file` | FILE | required | where |",
    ]

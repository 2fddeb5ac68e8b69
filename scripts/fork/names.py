"""The names of the official code, of both generations, and how each of them works here.

``official_names.json`` is their only list: docs/official_names.md is made from it, the tests call
every name of it, and ``scripts/check_fork.py`` judges forks by it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent / "official_names.json"
GENERATIONS = ("2022", "2025")


@dataclass(frozen=True)
class Name:
    """One name of an official module.

    Attributes:
        module: where it is imported from, e.g. "util.util".
        name: e.g. "HTML", "HTML.save", or "HTML attributes" for what an object of the class has.
        takes: signature by generation, "" for values and attributes.
        status: "same", "better" (the same, and its known faults are gone) or "absent".
        note: what is better, or why it is absent.
        attributes: attribute -> the only generation that has it, or "".
        lacks: attribute that is absent here -> why.
        check: for the tests, an expression that calls the name and is true, or that makes the
            object with the attributes; "" if it is absent.
    """

    module: str
    name: str
    takes: dict[str, str]
    status: str
    note: str
    attributes: dict[str, str]
    lacks: dict[str, str]
    check: str


def _name(module: str, name: str, row: dict[str, Any]) -> Name:
    takes = row.get("takes", "")
    if isinstance(takes, str):
        takes = {g: takes for g in GENERATIONS if row.get("only", g) == g and takes}
    only = dict.fromkeys(row.get("not_in_2022", "").split(), "2025")
    only |= dict.fromkeys(row.get("not_in_2025", "").split(), "2022")
    attributes = {name: only.get(name, "") for name in row.get("attributes", "").split()}
    note, lacks, check = row.get("note", ""), row.get("lacks", {}), row.get("check", "")
    return Name(module, name, takes, row["status"], note, attributes, lacks, check)


@cache
def official() -> dict[str, Any]:
    """The whole list; see :func:`names` for its main part."""
    return json.loads(FILE.read_text(encoding="utf-8"))


@cache
def names() -> list[Name]:
    """Every class, function, method and value of the official modules, in their order."""
    return [
        _name(module, name, row)
        for module, content in official()["modules"].items()
        for name, row in content["names"].items()
    ]


@cache
def by_module() -> dict[str, dict[str, Name]]:
    """Module -> name -> what is listed of it."""
    result: dict[str, dict[str, Name]] = {module: {} for module in official()["modules"]}
    for name in names():
        result[name.module][name.name] = name
    return result

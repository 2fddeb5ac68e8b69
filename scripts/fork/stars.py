"""Names that a module expects of ``from MODULE import *``."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from scripts.fork.modules import DEFS, Module
from scripts.fork.project import Project


def exported(module: Module) -> list[str] | None:
    """The names in ``__all__``; None if the module has none that can be read."""
    for node in module.tree.body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if "__all__" in names and isinstance(node, ast.Assign):
            try:
                return list(ast.literal_eval(node.value))
            except ValueError:
                return None
    return None


def gives(project: Project, origin: str, name: str) -> bool:
    """True if ``from ORIGIN import *`` binds ``name``, or may bind it."""
    module = project.module(origin)
    if not project.exists(origin) or module is None:
        return True
    names = exported(module)
    if names is not None:
        return name in names
    found = name in module.names or name in module.functions or name in module.classes
    return (found and not name.startswith("_")) or any(
        gives(project, star, name) for star in module.stars
    )


def bound(module: Module) -> set[str]:
    """Every name that any part of the module binds."""
    names = set(module.imports) | set(dir(builtins)) | {"__file__", "__name__", "__class__"}
    for node in module.nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (*DEFS, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def undefined(project: Project, module: Module) -> Iterator[tuple[int, str, str]]:
    """Line, module and problem of each name that the starred modules do not give here."""
    if not module.stars:
        return
    known = bound(module)
    for node in module.nodes:
        if not isinstance(node, ast.Name) or node.id in known:
            continue
        known.add(node.id)
        if not any(gives(project, star, node.id) for star in module.stars):
            stars = ", ".join(module.stars)
            yield node.lineno, module.stars[0], f"{node.id} is not defined: {stars} lack it here"

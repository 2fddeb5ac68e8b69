"""Digests of what Python files do: without comments, docstrings, quotes and line breaks."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

IGNORED = {"ctx", "kind", "type_comment", "type_params", "type_ignores"}


def _parts(node: ast.AST) -> Iterator[str]:
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name in IGNORED:
            continue
        items = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(value, list):
            items = [part for part in value if not _is_text(part)]
        for item in items:
            if isinstance(item, ast.AST):
                yield from _parts(item)
            elif item is not None:
                yield f"{name}={item!r}"
    yield "."


def _is_text(node: object) -> bool:
    """True for a docstring, or another text that nothing uses."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def digest(node: ast.AST) -> str:
    """The same text for two pieces of code that differ in their layout and comments only."""
    return hashlib.blake2b("\n".join(_parts(node)).encode(), digest_size=5).hexdigest()


def definitions(tree: ast.Module) -> dict[str, str]:
    """The digests of each function, method and value of a module."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            parts = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            found |= {f"{node.name}.{part.name}": digest(part) for part in parts}
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = digest(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = digest(node)
    return found

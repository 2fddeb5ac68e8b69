"""This project's modules, with those of a fork in their place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scripts.fork.modules import Class, Function, Module, index
from scripts.fork.sources import PACKAGES, Source

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("util", "data", "options", "models", "scripts", "datasets")
PLAIN_BASES = {"ABC", "object", "abc.ABC", "data.Dataset", "Dataset", "torch.utils.data.Dataset"}


def beside_each_other(placed: dict[str, Source]) -> dict[str, frozenset[str]]:
    """Module -> the modules in its folder that a program there imports by their own names.

    In the folders of the official code, the names in the root come first.
    """
    folders: dict[str, set[str]] = {}
    for name in placed:
        parts = name.split(".")
        for i in range(1, len(parts)):
            folders.setdefault(".".join(parts[:i]), set()).add(parts[i])
    tops = {name.split(".")[0] for name in {*placed, *our_files()}}
    result = {}
    for name in placed:
        folder = name.rpartition(".")[0]
        found = folders.get(folder, set()) if folder else set()
        result[name] = frozenset(found - tops if folder.split(".")[0] in PACKAGES else found)
    return result


class Value:
    """A name that exists and of which nothing else is said."""


VALUE = Value()
Found = Module | Class | Function | Value


@cache
def our_files() -> dict[str, Path]:
    """Module -> file, of this project."""
    paths = [ROOT / "train.py", ROOT / "test.py"]
    paths += [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("**/*.py"))]
    names = (p.relative_to(ROOT).as_posix().removesuffix(".py") for p in paths)
    dotted = (name.removesuffix("/__init__").replace("/", ".") for name in names)
    return dict(zip(dotted, paths, strict=True))


@cache
def our_module(name: str) -> Module | None:
    """Return the contents of a module of this project; None if there is no such module."""
    path = our_files().get(name)
    if not path:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    relative = path.relative_to(ROOT).as_posix()
    return index(name, relative, tree, path.name == "__init__.py")


class Project:
    """The modules that a program of the fork finds here.

    Args:
        placed: the fork's files that lie in this project, by module.
    """

    def __init__(self, placed: dict[str, Source]) -> None:
        beside = beside_each_other(placed)
        self.placed = {
            name: index(name, s.path, s.tree, s.path.endswith("__init__.py"), beside[name])
            for name, s in placed.items()
        }
        names = {*self.placed, *our_files()}
        self.packages = {
            name.rsplit(".", i)[0] for name in names for i in range(1, name.count(".") + 1)
        }
        self.tops = {name.split(".")[0] for name in names}

    def module(self, name: str) -> Module | None:
        """The module of that name, the fork's first."""
        return self.placed.get(name) or our_module(name)

    def is_ours(self, module: Module) -> bool:
        return module.name not in self.placed

    def exists(self, name: str) -> bool:
        return name in self.packages or self.module(name) is not None

    def find(self, module_name: str, name: str, seen: frozenset = frozenset()) -> Found | None:
        """Return the meaning of ``name`` in a module; None if the module lacks it."""
        module = self.module(module_name)
        key = (module_name, name)
        if key in seen:
            return None
        if module:
            if known := module.classes.get(name) or module.functions.get(name):
                return known
            if name in module.imports and (origin := module.imports[name]):
                return self._imported(*origin, seen | {key})
            if name in module.names or name.startswith("__"):
                return VALUE
        if self.exists(f"{module_name}.{name}"):
            return self.module(f"{module_name}.{name}") or VALUE
        for star in module.stars if module else ():
            if not self.exists(star):
                return VALUE  # of another package
            if found := self.find(star, name, seen | {key}):
                return found
        if module and module.dynamic:
            body = ast.walk(module.functions["__getattr__"].node)
            if name in {part.value for part in body if isinstance(part, ast.Constant)}:
                return VALUE
        return None

    def _imported(self, origin: str, name: str, seen: frozenset) -> Found | None:
        if not self.exists(origin):
            return VALUE
        return self.find(origin, name, seen) if name else self.module(origin) or VALUE

    def bases(self, found: Class) -> Iterator[Class | None]:
        """The class, and those it derives from; None for a class of another package."""
        yield found
        for base in found.bases:
            first, _, rest = base.partition(".")
            target: Found | None = self.find(found.module, first)
            for part in rest.split(".") if rest else ():
                target = self.find(target.name, part) if isinstance(target, Module) else VALUE
            if isinstance(target, Class):
                yield from self.bases(target)
            elif base not in PLAIN_BASES:
                yield None

    def members(self, found: Class) -> set[str]:
        """All attributes and methods that are known of a class."""
        classes = [base for base in self.bases(found) if base]
        return {name for base in classes for name in base.methods.keys() | base.attributes}

    def constructor(self, found: Class) -> Function | None:
        """The ``__init__`` of a class; None if it is that of another package."""
        for base in self.bases(found):
            if base is None:
                return None
            if "__init__" in base.methods:
                return base.methods["__init__"]
        return None

    def reachable(self, names: list[str]) -> set[str]:
        """The modules that are imported, directly or not, when ``names`` run."""
        found: set[str] = set()
        left = list(names)
        while left:
            module = self.module(left.pop())
            if not module or module.name in found:
                continue
            found.add(module.name)
            left += [m for name in imported(module) for m in prefixes(name)]
        return found


def prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def imported(module: Module) -> Iterator[str]:
    """The modules that a module imports, also inside functions."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (module.real(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = module.absolute(node)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)

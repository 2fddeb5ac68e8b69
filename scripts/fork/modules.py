"""The contents of a module, from its syntax tree: names, signatures, attributes of classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
PLAIN = {"staticmethod", "classmethod", "abstractmethod", "cache", "contextmanager", "no_grad"}


@dataclass
class Function:
    """A function or method, and how it may be called."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: str = ""
    bound: bool = False  # True for a method that is called on an object: self is given

    @property
    def checked(self) -> bool:
        """True if no decorator may have changed the signature."""
        return all(last_name(d) in PLAIN for d in self.node.decorator_list)

    def problem(self, call: ast.Call) -> str:
        """Return the fault of the arguments of ``call``, or ""."""
        arguments = self.node.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        static = any(last_name(d) == "staticmethod" for d in self.node.decorator_list)
        names = names[1:] if self.bound and not static else names
        spread = any(isinstance(a, ast.Starred) for a in call.args)
        given = [k.arg for k in call.keywords]
        if not self.checked:
            return ""
        if not spread and len(call.args) > len(names) and not arguments.vararg:
            return f"takes {len(names)} arguments, not {len(call.args)}"
        known = {*names, *(a.arg for a in arguments.kwonlyargs)}
        unknown = [name for name in given if name and name not in known]
        if unknown and not arguments.kwarg:
            return f"has no argument {unknown[0]}"
        required = names[len(call.args) : len(names) - len(arguments.defaults)]
        missing = [name for name in required if name not in given]
        if missing and not spread and None not in given:
            return f"needs {', '.join(missing)}"
        return ""


@dataclass
class Class:
    """A class: its methods, and the attributes that it or its methods set."""

    node: ast.ClassDef
    module: str
    bases: list[str]
    methods: dict[str, Function] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    dynamic: bool = False  # True if setattr, __getattr__ or __dict__ may add attributes


@dataclass
class Module:
    """A module.

    Attributes:
        names: every name at the top of the module -> the line.
        imports: name -> (module, name in it, or "" for the module itself).
        stars: the modules of ``from MODULE import *``.
        dynamic: True if it has a ``__getattr__``.
        beside: modules in its folder that it imports without the folder's name, like a program.
    """

    name: str
    path: str
    tree: ast.Module
    package: bool
    names: dict[str, int] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    dynamic: bool = False
    beside: frozenset[str] = frozenset()

    def real(self, origin: str) -> str:
        """The full name of a module that is imported as ``origin``."""
        top = origin.split(".")[0]
        return f"{self.name.rpartition('.')[0]}.{origin}" if top in self.beside else origin

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    def absolute(self, node: ast.ImportFrom) -> str:
        """The full name of the module that ``node`` imports from."""
        if not node.level:
            return self.real(node.module or "")
        parts = self.name.split(".")
        keep = len(parts) - node.level + self.package
        return ".".join([*parts[: max(keep, 0)], *([node.module] if node.module else [])])


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name, also of a call of it; "" for other expressions."""
    node = node.func if isinstance(node, ast.Call) else node
    return getattr(node, "attr", getattr(node, "id", ""))


def dotted(node: ast.AST) -> str:
    """``a.b.c`` as text; "" for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """Each single target of an assignment, loop or with statement."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        found = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For | ast.NamedExpr):
        found = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars:
        found = [node.optional_vars]
    for target in found:
        inner = ast.walk(target) if isinstance(target, ast.Tuple | ast.List) else [target]
        yield from (t for t in inner if isinstance(t, ast.expr))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those inside if, try, with and loops."""
    for node in body:
        yield node
        if not isinstance(node, (*DEFS, ast.ClassDef)):
            for part in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from top_level(handler.body)


def index(
    name: str, path: str, tree: ast.Module, package: bool, beside: frozenset[str] = frozenset()
) -> Module:
    """Return the contents of ``tree``."""
    module = Module(name, path, tree, package, beside=beside)
    for node in top_level(tree.body):
        if isinstance(node, DEFS):
            module.functions[node.name] = Function(node, module.name)
            module.names[node.name] = node.lineno
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = read_class(module, node)
            module.names[node.name] = node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            add_import(module, node)
        for part in ast.walk(node) if not isinstance(node, (*DEFS, ast.ClassDef)) else ():
            for target in targets(part):
                if isinstance(target, ast.Name):
                    module.names.setdefault(target.id, node.lineno)
    module.dynamic = "__getattr__" in module.functions
    return module


def bindings(
    module: Module, node: ast.Import | ast.ImportFrom
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each name that the statement binds, or "*", and its meaning as in ``Module.imports``."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            name = alias.asname or alias.name.split(".")[0]
            yield name, (module.real(alias.name if alias.asname else name), "")
        else:
            yield alias.asname or alias.name, (module.absolute(node), alias.name)


def add_import(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    """Note what the statement binds in ``module``."""
    for name, meaning in bindings(module, node):
        if name == "*":
            module.stars.append(meaning[0])
        else:
            module.imports[name] = meaning
            module.names.setdefault(name, node.lineno)


def read_class(module: Module, node: ast.ClassDef) -> Class:
    """The methods and attributes of a class, without those of its bases."""
    found = Class(node, module.name, [dotted(base) for base in node.bases])
    for part in node.body:
        if isinstance(part, DEFS):
            found.methods[part.name] = Function(part, module.name, bound=True)
        elif isinstance(part, ast.ClassDef):
            found.attributes.add(part.name)
        for target in targets(part):
            found.attributes.add(dotted(target))
    for inner in ast.walk(node):
        for target in targets(inner):
            if isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                found.attributes.add(target.attr)
        if isinstance(inner, ast.Call) and last_name(inner) in ("setattr", "exec", "__setattr__"):
            found.dynamic = True
        if isinstance(inner, ast.Attribute) and inner.attr == "__dict__":
            found.dynamic = True
    found.dynamic |= bool({"__getattr__", "__getattribute__"} & found.methods.keys())
    return found

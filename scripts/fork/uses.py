"""The imports, calls and attributes of one module, judged against the modules they reach."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.fork.modules import (
    Class,
    Function,
    Module,
    bindings,
    dotted,
    targets,
)
from scripts.fork.names import by_module, official
from scripts.fork.project import Found, Project
from scripts.fork.stars import undefined

# What models and datasets from before 2019 use.
OLD = {
    "initialize": "is the interface of before 2019: rename initialize to __init__, without name()",
    "load_network": "is of before 2019: the networks in model_names are loaded by setup()",
    "save_network": "is of before 2019: save_networks() saves the networks in model_names",
    "get_current_errors": "is of before 2019: get_current_losses()",
    "Tensor": "is of before 2019: use tensors with .to(self.device)",
}

# The class of what a function returns.
MADE_BY = {
    ("models", "create_model"): ("models.base_model", "BaseModel"),
    ("data", "create_dataset"): ("data", "CustomDatasetDataLoader"),
}


def why_absent(module: str, name: str) -> str:
    """The reason of the list for an absent name, or ""."""
    row = by_module().get(module, {}).get(name)
    return row.note if row and row.status == "absent" else ""


class Uses:
    """Finds in one module what does not work.

    Args:
        project: what the module's imports reach.
        replaced: the fork's own files that are not used here, for the advice, by module.
    """

    def __init__(self, project: Project, module: Module, replaced: dict[str, Module]) -> None:
        self.project, self.module, self.replaced = project, module, replaced
        self.packages: set[str] = set()  # of others, that are imported
        self.imports = {
            name: meaning
            for node in module.nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name, meaning in bindings(module, node)
        }
        self.rebound = {
            target.id
            for node in module.nodes
            for target in targets(node)
            if isinstance(target, ast.Name)
        }
        self.rebound |= {n.arg for n in module.nodes if isinstance(n, ast.arg)}
        self.objects = dict(self._objects())
        self.guarded = {
            part
            for node in module.nodes
            if isinstance(node, ast.Try)
            for statement in node.body
            for part in ast.walk(statement)
        }

    def _objects(self) -> Iterator[tuple[str, Class]]:
        """Names that always hold an object of one known class, such as ``webpage``."""
        values: dict[str, list[ast.expr]] = {}
        for node in self.module.nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                values.setdefault(dotted(node.targets[0]), []).append(node.value)
            else:
                for target in targets(node):
                    values.setdefault(dotted(target), []).append(target)
            if isinstance(node, ast.arg):
                values.setdefault(node.arg, []).append(ast.Constant(None))
        for name, found in values.items():
            calls = [value for value in found if isinstance(value, ast.Call)]
            kinds = [self._made_by(self.resolve(dotted(call.func))) for call in calls]
            if name and len(calls) == len(found) and len(set(map(id, kinds))) == 1 and kinds[0]:
                yield name, kinds[0]

    def _made_by(self, found: Found | str | None) -> Class | None:
        """The class of the object that a call returns."""
        if isinstance(found, Class):
            return found
        for maker, made in MADE_BY.items():
            if isinstance(found, Function) and found is self.project.find(*maker):
                result = self.project.find(*made)
                return result if isinstance(result, Class) else None
        return None

    def resolve(self, name: str) -> Found | str | None:
        """Return the meaning of a dotted name, as text if it is of another package."""
        first, _, rest = name.partition(".")
        if first not in self.imports:
            own = self.module.classes.get(first) or self.module.functions.get(first)
            return own if not rest else None
        if first in self.rebound and rest:
            return None
        origin, item = self.imports[first]
        if not self.project.exists(origin):
            return ".".join(filter(None, (origin, item, rest)))
        found: Found | None = self.project.find(origin, item) if item else None
        if not item:
            found = self.project.module(origin) or None
        path = origin
        for part in rest.split(".") if rest else ():
            if not isinstance(found, Module) and not (found is None and not item):
                return None
            path = found.name if isinstance(found, Module) else path
            found = self.project.find(path, part)
            path = f"{path}.{part}"
        return found

    def problems(self) -> Iterator[tuple[int, str, str]]:
        """Yield line, the module that is meant ("" for other packages), and the problem."""
        yield from undefined(self.project, self.module)
        for node in self.module.nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node)
            elif isinstance(node, ast.Attribute):
                yield from self._attribute(node)
            elif isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.ClassDef):
                yield from self._class(self.module.classes.get(node.name), node)

    def absent(self, module: str, name: str) -> str:
        """The line for a name that ``module`` lacks here, with what to do."""
        text = f"{module}.{name} is not there"
        if reason := why_absent(module, name):
            return f"{text}: {reason}"
        own = self.replaced.get(module)
        if own and name in own.names:
            return (
                f"{text}: the fork defines it in {own.path}:{own.names[name]}, which this "
                "project's file replaces. Move it to a file of its own and import it from there"
            )
        return f"{text}, nor in the {'fork' if module in self.project.placed else 'official code'}"

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[int, str, str]]:
        if isinstance(node, ast.Import):
            wanted = [(self.module.real(alias.name), "") for alias in node.names]
        else:
            wanted = [(self.module.absolute(node), alias.name) for alias in node.names]
        for origin, name in wanted:
            top = origin.split(".")[0]
            if top not in self.project.tops:
                self.packages |= {top} if node not in self.guarded else set()
                yield from self._removed(node.lineno, f"{origin}.{name}".rstrip("."))
            elif node in self.guarded:
                continue
            elif not self.project.exists(origin):
                yield node.lineno, origin, f"there is no module {origin}"
            elif name not in ("", "*") and self.project.find(origin, name) is None:
                yield node.lineno, origin, self.absent(origin, name)

    def _attribute(self, node: ast.Attribute) -> Iterator[tuple[int, str, str]]:
        base = dotted(node.value)
        if not base or not isinstance(node.ctx, ast.Load):
            return
        if kind := self.objects.get(base):
            yield from self._member(kind, node)
            return
        found = self.resolve(base)
        if isinstance(found, str):
            yield from self._removed(node.lineno, f"{found}.{node.attr}")
        elif isinstance(found, Module) and self.project.find(found.name, node.attr) is None:
            yield node.lineno, found.name, self.absent(found.name, node.attr)

    def _member(self, found: Class, node: ast.Attribute) -> Iterator[tuple[int, str, str]]:
        """An attribute of an object whose class is known."""
        bases = list(self.project.bases(found))
        known = self.project.members(found)
        if found.node.name == "BaseModel":  # of create_model: an object of any model's class
            for module in self.project.placed.values():
                for other in module.classes.values():
                    known |= other.methods.keys() | other.attributes
        if None in bases or any(base and base.dynamic for base in bases) or node.attr in known:
            return
        if node.attr.startswith(("__", "net", "loss_")):
            return
        row = by_module().get(found.module, {})
        listed = row.get(f"{found.node.name} attributes")
        if not (listed and node.attr in listed.attributes.keys() - listed.lacks.keys()):
            yield node.lineno, found.module, self.absent_member(found, node.attr)

    def absent_member(self, found: Class, name: str) -> str:
        text = f"{found.node.name}.{name} is not there"
        if reason := why_absent(found.module, f"{found.node.name}.{name}") or OLD.get(name, ""):
            return f"{text}: {reason}" if name not in OLD else f"{name} {reason}"
        own = self.replaced.get(found.module)
        other = own.classes.get(found.node.name) if own else None
        if own and other and name in other.methods:
            line = other.methods[name].node.lineno
            return f"{text}: copy the method from the fork's {own.path}:{line} into your own class"
        return text

    def _call(self, node: ast.Call) -> Iterator[tuple[int, str, str]]:
        name = dotted(node.func)
        found = self.resolve(name) if name else None
        base, _, method = name.rpartition(".")
        where, function = "", None
        if isinstance(found, Class):
            function, where = self.project.constructor(found), found.module
        elif isinstance(found, Function):
            function, where = found, self._home(name)
        elif base in self.objects:
            kind = self.objects[base]
            owners = [b for b in self.project.bases(kind) if b and method in b.methods]
            only = len(self._overrides(kind, method)) == 0
            function = owners[0].methods[method] if owners and only else None
            where = kind.module
        if not function or function.module in self.project.placed:
            return  # the fork's own calls of its own functions are its own affair
        if problem := function.problem(node):
            yield node.lineno, where, f"{name}() {problem} here"

    def _overrides(self, kind: Class, method: str) -> list[Class]:
        """Classes of the fork that have a method of that name, which may be the one meant."""
        modules = self.project.placed.values()
        return [
            c for m in modules for c in m.classes.values() if c is not kind and method in c.methods
        ]

    def _home(self, name: str) -> str:
        origin, item = self.imports.get(name.split(".")[0], (self.module.name, ""))
        parts = [item] if item and "." in name else []
        return ".".join([origin, *parts, *name.split(".")[1:-1]])

    def _class(self, found: Class | None, node: ast.ClassDef) -> Iterator[tuple[int, str, str]]:
        """Names that a class expects of the class of this project that it derives from."""
        if not found:
            return
        bases = list(self.project.bases(found))
        ours = [b for b in bases if b and b.module not in self.project.placed]
        if not ours:
            return
        known = self.project.members(found)
        old = any(base.node.name in ("BaseModel", "BaseDataset") for base in ours)
        if old and "initialize" in found.methods and "__init__" not in found.methods:
            line = found.methods["initialize"].node.lineno
            yield line, ours[0].module, f"initialize {OLD['initialize']}"
        if any(base.dynamic for base in bases if base and base not in ours):
            return
        expected: dict[str, Class] = {}
        for base in ours:
            own = self.replaced.get(base.module)
            other = own.classes.get(base.node.name) if own else None
            for name in (other.methods.keys() | other.attributes if other else set()) | OLD.keys():
                expected.setdefault(name, base)
        for part in ast.walk(node):
            if not isinstance(part, ast.Attribute):
                continue
            owner = dotted(part.value)
            itself = owner == "self" or owner in {base.node.name for base in ours}
            if itself and isinstance(part.ctx, ast.Load) and part.attr in expected.keys() - known:
                base = expected[part.attr]
                yield part.lineno, base.module, self.absent_member(base, part.attr)

    def _removed(self, line: int, name: str) -> Iterator[tuple[int, str, str]]:
        """A name that NumPy, Pillow and others had when the fork was written."""
        if row := official()["removed"].get(name):
            instead = f"use {row['instead']}"
            yield line, "", f"{name} is not there any more since {row['since']}: {instead}"

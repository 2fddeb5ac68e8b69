"""Which files of a fork belong into this project, and which of them this project replaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.fork.digest import definitions, digest
from scripts.fork.modules import Module, index
from scripts.fork.names import official
from scripts.fork.project import Project, our_files, our_module
from scripts.fork.sources import PACKAGES, Checkout, Source
from scripts.fork.uses import Uses

ENTRY = ("train", "test")  # the programs that run the fork's models and datasets
# The classes that train.py and test.py drive: they need all that ours have.
DRIVEN = {
    "models.base_model": "BaseModel",
    "util.visualizer": "Visualizer",
}


ABSENT = {f for f, row in official()["programs"].items() if row["status"] == "absent"}


@dataclass
class Placement:
    """The place of each file of a fork.

    Attributes:
        own: files that this project does not have, by module.
        changed: files of the official code that the fork changed and that work in place of ours.
        replaced: those that this project's own files replace, with the reason.
        unchanged: files of the official code as they were.
        ignored: programs of other folders that use nothing of the official code.
    """

    own: dict[str, Source] = field(default_factory=dict)
    changed: dict[str, Source] = field(default_factory=dict)
    replaced: dict[str, tuple[Source, str]] = field(default_factory=dict)
    unchanged: dict[str, Source] = field(default_factory=dict)
    ignored: dict[str, Source] = field(default_factory=dict)

    @property
    def placed(self) -> dict[str, Source]:
        return self.own | self.changed

    def indexed(self) -> dict[str, Module]:
        """The replaced files, by module."""
        files = {name: source for name, (source, _) in self.replaced.items()}
        return {name: index(name, s.path, s.tree, False) for name, s in files.items()}


def _uses_official(source: Source) -> bool:
    """True if a program imports something of the official packages."""
    module = index(source.module, source.path, source.tree, False)
    return any(origin.split(".")[0] in PACKAGES for origin, _ in module.imports.values())


def own_parts(name: str, source: Source) -> list[str] | None:
    """The functions, methods and values of an official file that the fork changed or added.

    Returns None if nothing is known of the file but that it is not as it was.
    """
    path = source.path.rsplit("/", 1)[-1]
    file = (
        f"{name.replace('.', '/')}/__init__.py"
        if path == "__init__.py"
        else f"{name.replace('.', '/')}.py"
    )
    if digest(source.tree) in official()["digests"].get(file, ()):
        return []
    ours = our_module(name)
    if ours and digest(source.tree) == digest(ours.tree):
        return []
    known = official()["definitions"].get(file)
    if known is None:
        return None
    found = definitions(source.tree)
    return sorted(part for part in found if found[part] not in known.get(part, "").split())


def sort_files(checkout: Checkout) -> Placement:
    """Sort the files of a checkout; those that would break this project are replaced."""
    result = Placement()
    for name, source in checkout.sources.items():
        parts = own_parts(name, source)
        if f"{name.replace('.', '/')}.py" in ABSENT:
            result.ignored[name] = source
        elif parts == []:
            result.unchanged[name] = source
        elif name == "models":
            result.replaced[name] = (source, "this project's file finds models by name or path")
        elif name in our_files():
            result.changed[name] = source
        elif name.split(".")[0] in PACKAGES or _uses_official(source):
            result.own[name] = source
        else:
            result.ignored[name] = source
    everything = Project(result.placed | result.ignored)
    for name in everything.reachable(list(result.placed)) & result.ignored.keys():
        result.own[name] = result.ignored.pop(name)
    while bad := next(_breaking(result), None):
        name, reason = bad
        result.replaced[name] = (result.changed.pop(name), reason)
    return result


def _breaking(files: Placement) -> Iterator[tuple[str, str]]:
    """Changed files that lack what this project's files need of them, with the reason."""
    if not files.changed:
        return
    project = Project(files.placed)
    entries = [name for name in ENTRY if name not in files.changed]
    driver = "train.py and test.py"
    programs = project.reachable([*files.own, *files.changed, *entries])
    if "data" in files.changed and entries:
        yield "data", f"{driver} need this project's loader, which they also close"
    for name, owner in DRIVEN.items():
        ours, theirs = our_module(name), project.placed.get(name)
        if not theirs or not ours or name not in programs:
            continue
        if name == "util.visualizer" and not entries:
            continue  # only the fork's own programs use it
        kept = theirs.classes.get(owner)
        needed = {m for m in ours.classes[owner].methods if not m.startswith("_")}
        missing = sorted(needed - (project.members(kept) if kept else set()))
        if missing:
            yield name, f"{driver} also need {owner}.{missing[0]}"
    for name in sorted(programs):
        module = project.module(name)
        if not module or not project.is_ours(module):
            continue
        for line, target, text in Uses(project, module, {}).problems():
            if target in files.changed:
                place = f"{module.path}:{line}"
                yield target, f"{place} needs it otherwise ({text.split(',')[0]})"

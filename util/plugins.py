"""Models and datasets by name: ``--model X`` is class ``XModel`` in ``models/X_model.py``.

Likewise ``--dataset_mode X`` is class ``XDataset`` in ``data/X_dataset.py``. This module alone
imports modules by name, so that options can ask a model for its flags without importing upwards.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from util.errors import UsageError
from util.files import real_path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = {"model": "models", "dataset": "data"}
FLAG = {"model": "model", "dataset": "dataset_mode"}
# Where the base classes are; a project's own data/base_dataset.py may stand in place of ours.
BASES = {"model": ["models.base_model"], "dataset": ["data.base_dataset", "data.dataset_of_images"]}
_imported: dict[str, str] = {}  # module name -> path, of files that were given by their path


def available(kind: str) -> list[str]:
    """The names of all models or datasets, without importing them.

    Args:
        kind: "model" or "dataset".
    """
    names = (p.stem.removesuffix(f"_{kind}") for p in (ROOT / FOLDER[kind]).glob(f"*_{kind}.py"))
    return sorted(n for n in names if n != "base")


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint such as "; did you mean unaligned?", or "" if no known word is similar."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def is_file(name: str) -> bool:
    """True if ``--model`` or ``--dataset_mode`` names a file instead of one of our modules."""
    return name.endswith(".py")


def absolute(name: str) -> str:
    """The absolute path of a model or dataset file; other names of models and datasets as is."""
    return str(real_path(Path(name).expanduser())) if is_file(name) else name


def same(name: str, other: str) -> bool:
    """True if both are one of our modules, or both are files: those may have moved."""
    return name == other or (is_file(name) and is_file(other))


def file_flags(values: Mapping[str, str], *flags: str) -> list[str]:
    """The words that name a model or dataset file again, e.g. ["--model", "/home/me/my_model.py"].

    A program never takes such a file from a run's folder, which may come from elsewhere.

    Args:
        values: the options "model" and "dataset_mode".
        flags: of these; default: both.
    """
    named = [(flag, values.get(flag, "")) for flag in flags or FLAG.values()]
    return [word for flag, name in named if is_file(name) for word in (f"--{flag}", name)]


def find_class(kind: str, name: str) -> type[Any]:
    """The model or dataset class called ``name``.

    Args:
        kind: "model" or "dataset".
        name: a name in :func:`available`, or the path of a ``.py`` file.

    Raises:
        UsageError: there is no such file, or the file has no such class.
    """
    base_name = f"Base{kind.title()}"
    bases = tuple(getattr(importlib.import_module(module), base_name) for module in BASES[kind])
    module, stem = _load(kind, name)
    wanted = stem.replace("_", "") + kind
    for attribute, value in vars(module).items():
        if (
            attribute.lower() == wanted.lower()
            and isinstance(value, type)
            and issubclass(value, bases)
        ):
            return value
    raise UsageError(
        f"{module.__file__} should hold a class {wanted} (any case) derived from {base_name}"
    )


def check_name(kind: str, name: str) -> None:
    """Raise UsageError if ``name`` is neither a file nor in :func:`available`."""
    known = available(kind)
    if not is_file(name) and name not in known:
        raise UsageError(
            f"--{FLAG[kind]} {name}: there is no {FOLDER[kind]}/{name}_{kind}.py; available are "
            f"{', '.join(known)}{did_you_mean(name, known)}"
        )


def _load(kind: str, name: str) -> tuple[ModuleType, str]:
    """Import the file of a model or dataset; returns the module and the name without "_model"."""
    folder = FOLDER[kind]
    if is_file(name):
        path = Path(absolute(name))
        if not path.is_file():
            raise UsageError(f"--{FLAG[kind]} {name}: no such file")
        module = import_file(_module_name(folder, path), str(path))
        return module, path.stem.removesuffix(f"_{kind}")
    check_name(kind, name)
    return importlib.import_module(f"{folder}.{name}_{kind}"), name


def _module_name(folder: str, path: Path) -> str:
    """Return a name in our package, so that "from .base_model import BaseModel" works anywhere.

    If another file has that name, a digest of ``path`` makes it unique.
    """
    name = f"{folder}.{path.stem}"
    ours = ROOT / folder / path.name
    taken = name in sys.modules or ours.is_file()
    file = getattr(sys.modules.get(name), "__file__", None) or ours
    if taken and real_path(Path(file)) != path:
        name += f"_{hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()}"
    return name


def import_file(name: str, path: str) -> ModuleType:
    """Import the file ``path`` as module ``name``, once in a process."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    _imported[name] = path
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if (folder := os.path.dirname(path)) not in sys.path:
        sys.path.append(folder)  # the file may import files beside it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def imported_files() -> list[tuple[str, str]]:
    """Return name and path of all modules that :func:`import_file` has imported.

    A spawned process imports them before it unpickles objects of their classes.
    """
    return [(name, path) for name, path in _imported.items() if name in sys.modules]

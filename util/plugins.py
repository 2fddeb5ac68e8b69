"""Finding models and datasets by name: ``--model X`` is class ``XModel`` in ``models/X_model.py``, likewise for data."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from util.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = {"model": "models", "dataset": "data"}
FLAG = {"model": "--model", "dataset": "--dataset_mode"}


def available(kind: str) -> list[str]:
    """Names that exist for ``kind`` (``model`` or ``dataset``), without importing anything."""
    names = (p.stem.removesuffix(f"_{kind}") for p in (ROOT / FOLDER[kind]).glob(f"*_{kind}.py"))
    return sorted(n for n in names if n != "base")


def did_you_mean(word: str, known: list[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def find_class(kind: str, name: str, base: type) -> type:
    """The subclass of ``base`` that ``name`` stands for; ``name`` may also be the path of a ``.py`` file.

    Raises UsageError: there is no such file, or no such class in it.
    """
    module, stem = _load(kind, name)
    wanted = stem.replace("_", "") + kind
    for attribute, value in vars(module).items():
        if (
            attribute.lower() == wanted.lower()
            and isinstance(value, type)
            and issubclass(value, base)
        ):
            return value
    raise UsageError(
        f"{module.__file__} should hold a class {wanted} (any case) derived from {base.__name__}"
    )


def _load(kind: str, name: str) -> tuple[ModuleType, str]:
    folder = FOLDER[kind]
    if name.endswith(".py"):
        path = Path(name).expanduser().resolve()
        if not path.is_file():
            raise UsageError(f"{FLAG[kind]} {name}: no such file")
        # A member of our package, so that the file's "from .base_model import BaseModel" works from anywhere.
        spec = importlib.util.spec_from_file_location(f"{folder}.{path.stem}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))  # for helper files beside it
        spec.loader.exec_module(module)
        return module, path.stem.removesuffix(f"_{kind}")
    known = available(kind)
    if name not in known:
        raise UsageError(
            f"{FLAG[kind]} {name}: there is no {folder}/{name}_{kind}.py; there are: "
            f"{', '.join(known)}{did_you_mean(name, known)}"
        )
    return importlib.import_module(f"{folder}.{name}_{kind}"), name

"""Values of options that a project's own code names, read from its files without running them.

The official options take any text for ``--netG``, ``--norm``, ``--lr_policy`` and five others, and
the code that gets the text decides. Ours have choices, for better errors. A value outside of the
choices is accepted if it stands in quotes in one of the files that may handle it.
"""

from __future__ import annotations

import contextlib
import re
from argparse import Action
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from util.plugins import FOLDER, ROOT, absolute, is_file

NETWORKS = ("netG", "netD", "norm", "init_type", "gan_mode", "lr_policy")
OPEN = (*NETWORKS, "preprocess", "direction")


def sources_of(option: str, model: str, dataset: str) -> list[Path]:
    """Return the files that may handle a value of ``option``, one of ``OPEN``.

    For options of networks these are the chosen model, models/networks.py and the files that they
    import; for ``preprocess`` the chosen model and dataset, data/base_dataset.py and the files that
    they import; for ``direction`` the chosen model and dataset.

    Args:
        model, dataset: of ``--model`` and ``--dataset_mode``: names, or paths of files.
    """
    files = [_file("model", model)]
    files += [ROOT / "models/networks.py"] if option in NETWORKS else [_file("dataset", dataset)]
    if option == "direction":
        return files
    files += [ROOT / "data/base_dataset.py"] if option == "preprocess" else []
    return [*files, *(found for file in files for found in _imported(file))]


def _file(kind: str, name: str) -> Path:
    return Path(absolute(name)) if is_file(name) else ROOT / FOLDER[kind] / f"{name}_{kind}.py"


def _imported(file: Path) -> Iterator[Path]:
    """The files that ``file`` imports from its own folder and from ours."""
    import ast  # not at the top: it would slow --help down

    tree = None
    with contextlib.suppress(SyntaxError, ValueError):
        tree = ast.parse(_text(file))
    for node in ast.walk(tree) if tree else ():
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            start = f"{node.module}." if node.module else ""
            modules = [node.module or "", *(f"{start}{alias.name}" for alias in node.names)]
        for module in filter(None, modules):
            path = Path(*module.split(".")).with_suffix(".py")
            yield from (folder / path for folder in (file.parent, ROOT))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # whoever imports the file reports this
        return ""


def names(texts: Iterable[str], option: str, value: str) -> bool:
    """True if one of the texts of files quotes ``value``.

    The parts of a ``preprocess`` such as "zoom_and_crop" may stand apart, because transforms look
    for parts. A single letter is the label of a domain or a network, and no value.
    """
    quoted = {word for text in texts for word in re.findall(r"""["']([\w.+-]{2,})["']""", text)}
    parts = value.split("_and_") if option == "preprocess" else [value]
    return value in quoted or set(parts) <= quoted


class OpenChoices(tuple[str, ...]):
    """The choices of one of the options in ``OPEN``, for argparse.

    Attributes:
        named_for: the option, the model and the dataset, as in :func:`sources_of`, whose files may
            name more values; () if the model or dataset is not known yet.
    """

    named_for: tuple[str, str, str] | tuple[()] = ()

    def __contains__(self, value: object) -> bool:
        if super().__contains__(value) or not isinstance(value, str) or not self.named_for:
            return super().__contains__(value)
        return names(map(_text, sources_of(*self.named_for)), self.named_for[0], value)


def extend_choices(actions: Iterable[Action], model: str, dataset: str = "") -> None:
    """Make the options of a parser accept the values that the project's own code names.

    Args:
        model: of ``--model``.
        dataset: of ``--dataset_mode``; without it, only options of networks are extended.
    """
    for action in actions:
        known = dataset or action.dest in NETWORKS
        if isinstance(action.choices, OpenChoices) and known:
            action.choices.named_for = action.dest, model, dataset


def quotes(text: str, model: str, dataset: str) -> bool:
    """True if the file of the model or that of the dataset holds ``text``."""
    return any(text in _text(path) for path in sources_of("direction", model, dataset))


def refused_value(error: BaseException, arguments: Sequence[str]) -> str:
    """Return ``--netG mine: MESSAGE`` if a NotImplementedError is about that option, else "".

    Args:
        arguments: of the command line.
    """
    if not isinstance(error, NotImplementedError) or not str(error).strip():
        return ""
    text = " ".join(map(str, error.args))  # the official code passes several
    message = text.strip().splitlines()[-1]  # a worker process puts its traceback first
    message = message.removeprefix("NotImplementedError: ")
    words = re.findall(r"[\w.+-]+", message)
    pairs = " ".join(arguments).replace("=", " ").split()
    found = [
        f"{flag} {value}"
        for flag, value in pairwise(pairs)
        if flag.startswith("--") and flag[2:] in OPEN and value in words
    ]
    return f"{', '.join(found)}: {message}" if found else ""
